"""Draws dashboards from a Prometheus, in their own layout: for the README, and to be looked at.

python -m tests.observability.pictures --prometheus http://127.0.0.1:9099 --out docs/images
"""

import argparse
import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from tests.observability.drawing import (
    DRAWN,
    FAINT,
    GRID,
    GROUND,
    SMALL,
    SURFACE,
    TEXT,
    Found,
    clock,
)
from tests.observability.expressions import DASHBOARDS, VALUES, Prometheus, load, substitute

COLUMN, ROW, HEAD = 0.68, 0.37, 0.5
"""Inches of a dashboard's column, of its row, and above all rows."""
GAP, INSET = 0.04, 0.12
"""Inches around a panel and within it."""
DPI = 100
POINTS = 240
"""Of a curve, at most; none is nearer to the next than a second."""


def render(url: str, folder: Path, start: float, end: float) -> list[Path]:
    """A picture of each dashboard from `start` to `end`, in Unix time."""
    folder.mkdir(parents=True, exist_ok=True)
    with Prometheus(url) as prometheus:
        return [
            _picture(prometheus, load(path), folder / f"{path.stem}.png", start, end)
            for path in sorted(DASHBOARDS.glob("*.json"))
        ]


def _picture(
    prometheus: Prometheus, dashboard: Any, picture: Path, start: float, end: float
) -> Path:
    panels = dashboard["panels"]
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    high = rows * ROW + HEAD
    figure = Figure(figsize=(24 * COLUMN, high), facecolor=GROUND)
    figure.text(0.008, 1 - 0.28 / high, dashboard["title"], color=TEXT, size=14, va="center")
    told = f"{clock(start)} – {clock(end)} UTC"
    figure.text(0.993, 1 - 0.28 / high, told, color=FAINT, size=9, va="center", ha="right")
    for panel in panels:
        if panel["type"] == "row":
            at = 1 - (HEAD + (panel["gridPos"]["y"] + 0.55) * ROW) / high
            figure.text(0.008, at, panel["title"], color=TEXT, size=11, va="center")
        else:
            axes = _draw(figure, panel, ask(prometheus, panel, start, end))
            if panel["type"] in ("timeseries", "heatmap"):
                axes.set_xlim(start, end)
    _save(figure, picture)
    return picture


def _save(figure: Figure, picture: Path) -> None:
    """With 256 colors, at a third of the size."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        picture, optimize=True
    )


def ask(prometheus: Prometheus, panel: Mapping[str, Any], start: float, end: float) -> Found:
    """What the panel's queries bring: over the time, or at its end where they are instant."""
    step = max(1.0, (end - start) / POINTS)
    values = {
        **VALUES,
        "__interval": f"{step:.0f}s",
        "__rate_interval": f"{max(15, 4 * step):.0f}s",
        "__range": f"{max(1, end - start):.0f}s",
    }
    return [
        (
            target["legendFormat"],
            prometheus.instant(substitute(target["expr"], values), end)
            if target["instant"]
            else prometheus.range(substitute(target["expr"], values), start, end, step),
        )
        for target in panel["targets"]
    ]


def _draw(figure: Figure, panel: Mapping[str, Any], found: Found) -> Axes:
    place, (wide, high) = panel["gridPos"], figure.get_size_inches()
    left, width = place["x"] * COLUMN + GAP, place["w"] * COLUMN - 2 * GAP
    height = place["h"] * ROW - 2 * GAP
    bottom = high - HEAD - (place["y"] + place["h"]) * ROW + GAP

    def at(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / wide, y / high, w / wide, h / high

    frame = figure.add_axes(at(left, bottom, width, height), facecolor=SURFACE, zorder=0)
    frame.set_xticks([])
    frame.set_yticks([])
    for spine in frame.spines.values():
        spine.set_color(GRID)
    figure.text(
        (left + INSET) / wide, (bottom + height - 0.17) / high, panel["title"],
        color=TEXT, size=9.5, va="center", zorder=3,
    )  # fmt: skip
    if panel["type"] == "stat":
        inner = at(left, bottom, width, height)
    elif panel["type"] == "table":
        inner = at(left + INSET, bottom + INSET, width - 2 * INSET, height - 0.5)
    else:
        inner = at(left + 0.7, bottom + 0.47, width - 1.2, height - 0.85)
    axes = figure.add_axes(inner, facecolor="none", zorder=1)
    axes.tick_params(colors=FAINT, labelsize=SMALL, length=0)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda instant, _: clock(instant)))
    axes.xaxis.set_major_locator(MaxNLocator(4 if place["w"] < 8 else 6, prune="both"))
    for spine in axes.spines.values():
        spine.set_visible(False)
    DRAWN[panel["type"]](axes, panel, found, (left, bottom, width, height))
    return axes


def main() -> None:
    """Draw the last hour, or as much as is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.observability.pictures", description=__doc__
    )
    parser.add_argument("--prometheus", default="http://127.0.0.1:9099", metavar="URL")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR")
    parser.add_argument("--minutes", type=float, default=60, help="how far back, 60 unless given")
    wanted = parser.parse_args()
    now = time.time()
    for picture in render(wanted.prometheus, wanted.out, now - wanted.minutes * 60, now):
        print(picture)


if __name__ == "__main__":
    main()
