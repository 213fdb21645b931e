"""Processes of an engine that say what a test wants them to."""

from datetime import UTC, datetime
from typing import Any

from services.cli.top.samples import parse
from services.cli.top.scrape import Kind, Reading

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

METRICS = """\
# TYPE order_engine_build_info gauge
order_engine_build_info{{version="0.1.0"}} 1.0
# TYPE process_start_time_seconds gauge
process_start_time_seconds {began}
"""


def counter(name: str, value: float, **labels: str) -> str:
    """A counter, as `/metrics` writes it."""
    return f"# TYPE {name} counter\n{_sample(name, value, labels)}"


def gauge(name: str, value: float) -> str:
    """A gauge, as `/metrics` writes it."""
    return f"# TYPE {name} gauge\n{_sample(name, value, {})}"


def histogram(name: str, buckets: dict[str, int], total: float = 0, **labels: str) -> str:
    """A histogram, as `/metrics` writes it: how many were not above each bound."""
    return (
        f"# TYPE {name} histogram\n"
        + "".join(_sample(f"{name}_bucket", n, labels | {"le": le}) for le, n in buckets.items())
        + _sample(f"{name}_count", buckets["+Inf"], labels)
        + _sample(f"{name}_sum", total, labels)
    )


def told(*metrics: str, began: float = 0) -> str:
    """All that a process says that was started at `began`, in Unix time."""
    return METRICS.format(began=began or NOW.timestamp() - 3_723) + "".join(metrics)  # 1:02:03


def reading(
    *metrics: str, kind: Kind = "API", url: str = "http://a:8000", began: float = 0
) -> Reading:
    """What such a process was heard to say."""
    counted, states = parse(told(*metrics, began=began))
    return Reading(kind, url, counted, states)


def _sample(name: str, value: float, labels: dict[str, Any]) -> str:
    written = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{written}}} {value}\n" if written else f"{name} {value}\n"
