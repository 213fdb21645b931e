"""What one worker, one API and PostgreSQL were seen to use, read from benchmarks/results."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from benchmarks import states

KEPT_UP = 0.99
"""Of what was offered, to be said to have kept up with it."""
SLOW = "1 workers, concurrency 50"
"""The case with the fewest orders a second on one worker. Nothing is accepted meanwhile."""

Points = tuple[tuple[float, float], ...]
"""Orders a second, and the cores used for them, slowest first."""


@cache
def executing(component: str) -> Points:
    """At each rate that one worker kept up with."""
    (slow,) = (case for case in _cases("scale-out") if case.name == SLOW)
    return _points(component, [slow, *_offered()])


@cache
def accepting() -> Points:
    """The API's, at each rate that one API and one worker kept up with; no order is watched."""
    return _points("api", _offered())


def fastest() -> float:
    """Most orders a second that one worker was seen to keep up with."""
    return executing("worker")[-1][0]


@cache
def watching() -> tuple[float, float]:
    """Seconds of the API's CPU to attach an order's WebSocket, and to tell it all steps."""
    (case,) = _cases("watched")
    return case["connect_cpu_us.api"].median / 1e6, case["cpu_us.api"].median / 1e6


def used(points: Points, rate: float) -> float:
    """Cores at that rate: between two that were measured, in proportion; below the slowest, as
    much as there, since an order costs more the fewer there are."""
    rate = max(rate, points[0][0])
    for (low, at_low), (high, at_high) in pairwise(points):
        if rate <= high:
            return at_low + (at_high - at_low) * (rate - low) / (high - low)
    raise ValueError(f"{rate:g} orders a second were not measured on one process")


def _cases(scenario: str) -> Iterable[states.Measured]:
    return states.read()[states.NOW].cases(scenario)


def _offered() -> list[states.Measured]:
    return [
        case
        for case in _cases("offered")
        if case["orders_per_second"].median >= KEPT_UP * case["offered_per_second"].median
    ]


def _points(component: str, cases: Iterable[states.Measured]) -> Points:
    rates = ((case["orders_per_second"].median, case) for case in cases)
    return tuple(
        sorted((rate, rate * case[f"cpu_us.{component}"].median / 1e6) for rate, case in rates)
    )
