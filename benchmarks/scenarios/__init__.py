"""The scenarios, by name. Each answers its cases; what it does is said by its `run`."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from benchmarks.figures import Case
from benchmarks.options import Options
from benchmarks.scenarios import (
    accept,
    baselines,
    end_to_end,
    idle_sockets,
    offered,
    one_at_a_time,
    scale_out,
    soak,
    tables,
    telling,
    watched,
)

Scenario = Callable[[Options], Coroutine[Any, Any, list[Case]]]

SCENARIOS: Mapping[str, Scenario] = {
    "end-to-end": end_to_end.run,
    "accept": accept.run,
    "one-at-a-time": one_at_a_time.run,
    "offered": offered.run,
    "watched": watched.run,
    "idle-sockets": idle_sockets.run,
    "tables": tables.run,
    "scale-out": scale_out.run,
    "baselines": baselines.run,
    "telling": telling.run,
    "soak": soak.run,
}
