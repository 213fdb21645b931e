"""Makes `docs/metrics.md` of what stands in `orders.metrics`: `python -m docs.metrics`."""

from pathlib import Path

from prometheus_client import Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from orders import metrics

PAGE = Path(__file__).with_suffix(".md")

HEAD = """# Metrics

Both processes answer `GET /metrics`: the API on its own port, a worker on `WORKER_PROBE_PORT`.
Whoever accepts OpenMetrics gets it, with exemplars: `trace_id` is an order's id without dashes, and
the id of its trace. Python's and the process's own metrics (`process_*`, `python_*`) are there too.

This page is made by `make reference`.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def every() -> list[MetricWrapperBase]:
    """Every metric of the engine, in the order of its module."""
    return [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]


def name(metric: MetricWrapperBase) -> str:
    """As Prometheus knows it."""
    return str(metric._name) + ("_total" if metric._type == "counter" else "")


def page() -> str:
    """The whole page."""
    rows = "".join(map(_row, every()))
    labels = "".join(f"| `{label}` | {values} |\n" for label, values in metrics.LABELS.items())
    buckets = "".join(
        f"| `{name(each)}` | {_bounds(each)} |\n" for each in every() if isinstance(each, Histogram)
    )
    return (
        f"{HEAD}{rows}\n## Labels\n\n| label | values |\n|---|---|\n{labels}"
        f"\n## Buckets\n\n| histogram | upper bounds |\n|---|---|\n{buckets}"
    )


def _row(metric: MetricWrapperBase) -> str:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    kind = "gauge" if isinstance(metric, Gauge) else metric._type
    return f"| `{name(metric)}` | {kind} | {labels} | {metric._documentation} |\n"


def _bounds(histogram: Histogram) -> str:
    return ", ".join(f"{bound:g}" for bound in histogram._kwargs["buckets"])


if __name__ == "__main__":
    PAGE.write_text(page())
