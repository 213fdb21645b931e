"""How a panel of each kind is drawn, with matplotlib."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tests.observability.expressions import Series

GROUND, SURFACE, TEXT, FAINT, GRID = "#111217", "#181b1f", "#e6e6f0", "#a0a0ae", "#2c3038"
CURVES = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#f2495c",
    "#6ed0e0", "#e0b4f0", "#96d98d", "#c4a000", "#8ab8ff", "#ffb375",
)  # fmt: skip
COLORS = {"green": "#56a64b", "orange": "#e0752d", "red": "#e02f44", "blue": "#3d71d9"}
HEAT = LinearSegmentedColormap.from_list("heat", ["#20242b", "#7a3b06", "#ff9830", "#fff3d6"])
SMALL = 8
"""Points of letters."""
LINE = 0.145
"""Inches of a line of small letters."""

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Found = Sequence[tuple[str, list[Series]]]
"""For each query its legend and what it brought."""
Box = tuple[float, float, float, float]
"""A panel's left, bottom, width and height in inches."""


def number(axes: Axes, panel: Mapping[str, Any], found: Found, box: Box) -> None:
    """The last value on the color of its limit, above its course."""
    defaults = panel["fieldConfig"]["defaults"]
    samples = [each for _, told in found for series in told for each in _real(series)]
    axes.set_axis_off()
    if not samples:
        axes.text(0.5, 0.42, defaults["noValue"], color=FAINT, size=12, **_centered(axes))
        return
    value = samples[-1][1]
    color = COLORS[_limit(value, defaults["thresholds"]["steps"])]
    ground = Rectangle((0, 0), 1, 1, transform=axes.transAxes, color=_mixed(color, 0.45), zorder=-1)
    axes.add_patch(ground)
    if len(samples) > 1:
        instants, values = zip(*samples, strict=True)
        axes.set_xlim(instants[0], instants[-1])
        axes.set_ylim(min(0, *values), (max(values) or 1) * 2.6)
        axes.fill_between(instants, values, color=color, alpha=0.55, linewidth=0)
    axes.text(0.5, 0.44, said(value, defaults["unit"]), color="white", size=19, **_centered(axes))


def lines(axes: Axes, panel: Mapping[str, Any], found: Found, box: Box) -> None:
    """Curves, areas above each other, or bars; limits as dashed lines; a legend below."""
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    curves = [(_named(legend, each), _real(each)) for legend, told in found for each in told]
    curves = [(name, samples) for name, samples in curves if samples]
    if not curves:
        axes.text(0.5, 0.5, "No data", color=FAINT, size=11, **_centered(axes))
        return
    right = _right(panel)
    other = axes.twinx() if right else axes
    if custom.get("stacking", {}).get("mode") == "normal":
        _stack(axes, curves)
    else:
        for (name, samples), color in zip(curves, cycle(CURVES)):
            on = other if name in right else axes
            instants, values = zip(*samples, strict=True)
            if custom.get("drawStyle") == "bars":
                on.bar(instants, values, width=1.5, color=color, label=name)
            else:
                on.plot(instants, values, color=color, linewidth=1.4, label=name)
    for on, unit in ((axes, defaults["unit"]), *((other, unit) for unit in right.values())):
        _scale(on, unit, custom.get("axisLabel", ""))
    if "thresholdsStyle" in custom:
        _limits(axes, defaults["thresholds"]["steps"])
    _legend(axes, other, box)


def heatmap(axes: Axes, panel: Mapping[str, Any], found: Found, box: Box) -> None:
    """Buckets are cumulative: a row is what the next lower bucket does not hold."""
    ranked = sorted(
        (each for _, told in found for each in told), key=lambda each: float(each.labels["le"])
    )
    instants = sorted({at for series in ranked for at, _ in series.samples})
    bounds, rows, below = [], [], [0.0] * len(instants)
    for series in ranked:
        samples = dict(_real(series))
        held = [samples.get(at, 0.0) for at in instants]
        rows.append([max(0.0, now - under) for now, under in zip(held, below, strict=True)])
        bounds.append(float(series.labels["le"]))
        below = held
    seen = [place for place, row in enumerate(rows) if any(row)]
    if not seen:
        axes.text(0.5, 0.5, "No data", color=FAINT, size=11, **_centered(axes))
        return
    low, high = max(0, seen[0] - 1), seen[-1] + 1
    axes.imshow(
        rows[low:high], aspect="auto", origin="lower", cmap=HEAT, interpolation="nearest",
        extent=(instants[0], instants[-1], 0, high - low), norm="symlog",
    )  # fmt: skip
    unit = panel["options"]["yAxis"]["unit"]
    names = ["∞" if math.isinf(bound) else said(bound, unit) for bound in bounds[low:high]]
    axes.set_yticks([place + 1 for place in range(high - low)], names)
    axes.set_ylabel(panel["options"]["yAxis"].get("axisLabel", ""), color=FAINT, size=SMALL)
    axes.grid(visible=False)


def table(axes: Axes, panel: Mapping[str, Any], found: Found, box: Box) -> None:
    """A line for each series: its labels in the panel's order."""
    (order,) = (each["options"]["indexByName"] for each in panel["transformations"])
    columns = sorted(order, key=order.__getitem__)
    axes.set_axis_off()
    series = sorted((each for _, told in found for each in told), key=lambda each: str(each.labels))
    if not series:
        words = panel["fieldConfig"]["defaults"]["noValue"]
        axes.text(0.5, 0.5, words, color=FAINT, size=11, **_centered(axes))
    lefts = (0.0, 0.54, 0.72, 0.88)
    for place, each in enumerate([dict(zip(columns, columns, strict=True)), *_labels(series)]):
        for left, column in zip(lefts, columns, strict=True):
            text = each.get(column, "")
            color = {"critical": CURVES[5], "warning": CURVES[3]}.get(text, TEXT)
            axes.text(
                left, 1 - 0.11 * (place + 0.5), text, transform=axes.transAxes, va="center",
                color=color if place else FAINT, size=SMALL + 0.5,
            )  # fmt: skip


DRAWN = {"stat": number, "timeseries": lines, "heatmap": heatmap, "table": table}
"""By the panel's type."""


def said(value: float, unit: str) -> str:
    """A value as a person would read it."""
    if unit == "percentunit":
        return f"{_rounded(value * 100)} %"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{_rounded(value * 1000)} ms"
    if unit == "s" and abs(value) >= 120:
        return f"{_rounded(value / 60)} min"
    if unit == "bytes":
        return f"{_rounded(value / 2**20)} MiB"
    after = {"s": " s", "ops": "/s", "reqps": "/s"}.get(unit, unit.partition("suffix:")[2])
    return f"{_rounded(value)}{after}"


def clock(at: float) -> str:
    """A time of the day."""
    return time.strftime("%H:%M:%S", time.gmtime(at))


def _rounded(value: float) -> str:
    """With as many decimals as matter."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{value:.{places}f}".rstrip("0").rstrip(".") if places else f"{value:.0f}"


def _stack(axes: Axes, curves: Sequence[tuple[str, list[tuple[float, float]]]]) -> None:
    instants = sorted({at for _, samples in curves for at, _ in samples})
    heights = [[dict(samples).get(at, 0.0) for at in instants] for _, samples in curves]
    colors = [color for color, _ in zip(cycle(CURVES), curves)]
    names = [name for name, _ in curves]
    axes.stackplot(instants, heights, colors=colors, labels=names, alpha=0.75, linewidth=0)


def _scale(axes: Axes, unit: str, label: str) -> None:
    low, high = min(0.0, axes.dataLim.y0), max(0.0, axes.dataLim.y1)
    axes.set_ylim(low * 1.08, high * 1.08 if high > low else 1)
    axes.tick_params(colors=FAINT, labelsize=SMALL, length=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: said(value, unit)))
    axes.set_ylabel(label, color=FAINT, size=SMALL)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _limits(axes: Axes, steps: Sequence[Mapping[str, Any]]) -> None:
    """Only those that are near the curves: others would flatten them."""
    low, high = axes.get_ylim()
    for step in steps:
        if step["value"] is not None and low <= step["value"] <= high:
            axes.axhline(step["value"], color=COLORS[step["color"]], linewidth=1, ls="--")


def _legend(axes: Axes, other: Axes, box: Box) -> None:
    """Below, from the panel's left; the curves move up where it needs more lines."""
    handles, names = axes.get_legend_handles_labels()
    if other is not axes:
        more, named = other.get_legend_handles_labels()
        handles, names = handles + more, [*names, *(f"{name} →" for name in named)]
    left, bottom, width, _ = box
    columns = max(1, min(len(names), int(width / (0.42 + 0.066 * max(map(len, names))))))
    lines = -(-len(names) // columns)
    figure = cast(Figure, axes.figure)
    for each in {axes, other}:
        place, moved = each.get_position(), (lines - 1) * LINE / figure.get_figheight()
        each.set_position((place.x0, place.y0 + moved, place.width, place.height - moved))
    axes.legend(
        handles, names, loc="lower left", bbox_to_anchor=(left, bottom),
        bbox_transform=figure.dpi_scale_trans, ncol=columns, fontsize=SMALL, frameon=False,
        labelcolor=FAINT, handlelength=1.1, columnspacing=1, borderaxespad=0.4,
        handletextpad=0.4, labelspacing=0.25,
    )  # fmt: skip


def _right(panel: Mapping[str, Any]) -> dict[str, str]:
    """The units of the curves, by name, whose axis is on the right."""
    found = {}
    for each in panel["fieldConfig"]["overrides"]:
        told = {each["id"]: each["value"] for each in each["properties"]}
        if told.get("custom.axisPlacement") == "right":
            found[each["matcher"]["options"]] = told["unit"]
    return found


def _named(legend: str, series: Series) -> str:
    """The legend with the series' labels in it."""
    return " ".join(_LABEL.sub(lambda found: series.labels.get(found[1], ""), legend).split())


def _labels(series: Sequence[Series]) -> list[Mapping[str, str]]:
    return [each.labels for each in series]


def _limit(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """The color of the last step that the value reaches."""
    return str([s["color"] for s in steps if s["value"] is None or value >= s["value"]][-1])


def _real(series: Series) -> list[tuple[float, float]]:
    return [(at, value) for at, value in series.samples if math.isfinite(value)]


def _mixed(color: str, share: float) -> tuple[float, ...]:
    """The color on the surface."""
    pairs = zip(to_rgb(color), to_rgb(SURFACE), strict=True)
    return tuple(share * one + (1 - share) * other for one, other in pairs)


def _centered(axes: Axes) -> dict[str, Any]:
    return {"ha": "center", "va": "center", "transform": axes.transAxes}
