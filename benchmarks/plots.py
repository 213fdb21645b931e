"""The plots of README.md. What was not measured is not drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.states import NOW, Measured, Results

IMAGES = Path(__file__).with_name("images")
PARTS = {"api": "API", "worker": "worker", "redis": "Redis", "postgres": "PostgreSQL"}
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 10,
}


def draw(states: dict[str, Results]) -> None:
    """Write every plot for which there are figures."""
    mpl.use("agg")
    IMAGES.mkdir(exist_ok=True)
    now = states.get(NOW, Results())
    with plt.rc_context(STYLE):
        _cpu(states)
        if offered := now.cases("offered"):
            _throughput(offered)
            _latency(offered)
        if tables := now.cases("tables"):
            _tables(tables)
        if scaled := now.cases("scale-out"):
            _scale_out(scaled)
        if soaked := now.cases("soak"):
            _soak(soaked[-1])


def _cpu(states: dict[str, Results]) -> None:
    """Stacked bars: every state's cases, side by side."""
    bars = [
        (f"{case.name.replace(', ', chr(10))}\n{name}", case)
        for case_name in _names(states, "end-to-end")
        for name, results in states.items()
        if (case := results.scenarios.get("end-to-end", {}).get(case_name))
    ]
    if not bars:
        return
    figure, axes = plt.subplots(figsize=(max(5, 1.4 * len(bars)), 4))
    labels, bottom = [label for label, _ in bars], [0.0] * len(bars)
    for part, name in PARTS.items():
        heights = [case[f"cpu_us.{part}"].median for _, case in bars]
        axes.bar(labels, heights, 0.6, bottom=bottom, label=name)
        bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    for n, whole in enumerate(bottom):
        axes.text(n, whole, f"{whole:.0f}", ha="center", va="bottom")
    axes.set(ylabel="CPU an order (µs)", title="CPU an order, by component")
    axes.legend(loc="upper right")
    axes.set_ylim(0, max(bottom) * 1.25)
    _save(figure, "cpu")


def _throughput(cases: Sequence[Measured]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    offered = _values(cases, "offered_per_second")
    left.plot([0, max(offered)], [0, max(offered)], "--", color="grey", label="all that is offered")
    _line(left, offered, cases, "orders_per_second", "confirmed")
    left.set(ylabel="confirmed (orders/s)", title="Throughput over load")
    left.legend()
    parts = [_values(cases, f"cpu_us.{part}") for part in PARTS]
    right.stackplot(offered, *parts, labels=PARTS.values())
    right.set(ylabel="CPU an order (µs)", title="CPU an order over load")
    right.legend()
    for axes in (left, right):
        axes.set(xlabel="offered (orders/s)")
        axes.set_ylim(bottom=0)
    _save(figure, "throughput")


def _latency(cases: Sequence[Measured]) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    offered = _values(cases, "offered_per_second")
    titles = {"post": "POST, from when it was due", "confirmed": "From accept to confirmed"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for percent in (50, 90, 99):
            _line(axes, offered, cases, f"{name}_p{percent}_ms", f"p{percent}")
        axes.set(xlabel="offered (orders/s)", ylabel="latency (ms)", title=title, yscale="log")
        axes.legend()
    _save(figure, "latency")


def _tables(cases: Sequence[Measured]) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    places = range(len(cases))
    names = [f"{case['finished'].median:,.0f}" for case in cases]
    for name, label in {"accept_cpu_us": "accept", "execute_cpu_us": "execution"}.items():
        _line(panels[0], places, cases, name, label)
    panels[0].set(ylabel="CPU an order (µs)", title="An order")
    for name, label in {
        "sweep_cpu_ms": "a sweep, CPU",
        "look_cpu_ms": "a look at the oldest, CPU",
        "list_all_p99_ms": "a page of all orders, p99",
        "list_confirmed_pair_p99_ms": "a page of a pair's confirmed ones, p99",
    }.items():
        _line(panels[1], places, cases, name, label)
    panels[1].set(ylabel="ms", title="What is done each second, and lists")
    for axes in panels:
        axes.set(xlabel="finished orders in the tables, and a tenth as many open")
        axes.set_xticks(list(places), names)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.6)
        axes.legend()
    _save(figure, "tables")


def _scale_out(cases: Sequence[Measured]) -> None:
    figure, axes = plt.subplots(figsize=(6, 4))
    for concurrency in sorted(set(_values(cases, "concurrency"))):
        own = [case for case in cases if case["concurrency"].median == concurrency]
        workers = _values(own, "workers")
        _line(axes, workers, own, "orders_per_second", f"{concurrency:.0f} at once, measured")
        color = axes.lines[-1].get_color()
        formula = _values(own, "formula_per_second")
        axes.plot(workers, formula, "--", color=color, label=f"{concurrency:.0f} at once, formula")
    axes.set(xlabel="workers", ylabel="orders/s", title="Workers × concurrency ÷ seconds held")
    axes.set_xticks(sorted(set(_values(cases, "workers"))))
    axes.set_ylim(bottom=0)
    axes.legend()
    _save(figure, "scale-out")


def _soak(case: Measured) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    minutes = [second / 60 for second in case.series["second"]]
    for part in ("api", "worker"):
        mib = [kib / 1024 for kib in case.series[f"rss_kib.{part}"]]
        panels[0].plot(minutes, mib, label=PARTS[part])
    panels[0].set(ylabel="resident memory (MiB)", title=f"Memory, {case.name}")
    panels[0].set_ylim(bottom=0)
    for name in ("orders", "order_events", "order_attempts"):
        orders = case.series["orders"]
        size = [
            1024 * mib / count
            for mib, count in zip(case.series[f"mib.{name}"], orders, strict=True)
        ]
        panels[1].plot(minutes, size, label=name)
    panels[1].set(ylabel="KiB an order, with indexes", title="Tables")
    panels[1].set_ylim(bottom=0)
    for axes in panels:
        axes.set(xlabel="minutes")
        axes.legend()
    _save(figure, "soak")


def _line(axes: Any, x: Sequence[float], cases: Sequence[Measured], name: str, label: str) -> None:
    """Medians, with bars from the lowest to the highest run."""
    spreads = [case[name] for case in cases]
    medians = [spread.median for spread in spreads]
    below = [spread.median - spread.low for spread in spreads]
    above = [spread.high - spread.median for spread in spreads]
    axes.errorbar(x, medians, yerr=[below, above], marker="o", capsize=3, label=label)


def _values(cases: Sequence[Measured], name: str) -> list[float]:
    return [case[name].median for case in cases]


def _names(states: dict[str, Results], scenario: str) -> list[str]:
    """The cases of a scenario over all states."""
    return list(
        dict.fromkeys(case.name for each in states.values() for case in each.cases(scenario))
    )


def _save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(IMAGES / f"{name}.png", metadata={"Software": None})
    plt.close(figure)
