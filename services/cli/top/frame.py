"""One frame of `top`: everything that an operator asks, in 80 columns and 24 rows or more."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from services.cli.top import panels, units
from services.cli.top.panels import TITLE
from services.cli.top.view import View

AWAY = 3  # rows of processes that do not answer
MANY = 10  # rows of failures, where the height is no limit


@dataclass(frozen=True)
class Frame:
    """A view, drawn. Failures take the rows that are left of `height`, if it has a limit."""

    view: View
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, blank = self.view, Text()
        above = Group(
            *(_header(view), blank, panels.now(view), blank, panels.latencies(view), blank),
            *(panels.venues(view), blank),
        )
        used = len(console.render_lines(above, options.update(height=None), pad=False))
        rows = self.height - used - 1 if self.height else MANY
        yield above
        yield from _failures(view, max(rows, 0))


def _header(view: View) -> RenderableType:
    apis = [reading.url for reading in view.readings if reading.kind == "API"]
    versions = sorted({version for reading in view.reached for version in reading.versions})
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_row(
        _one_line(("order engine ", TITLE), ", ".join(versions) or "-", "  ", ", ".join(apis)),
        f"up {_age(view)}  {view.now:%H:%M:%S}Z",
    )
    told = ", ".join(_reached(view, kind) for kind in ("API", "worker"))
    away = [
        _one_line((f"{each.kind} {each.url}: {units.printable(each.error)}", "red"))
        for each in view.readings
        if each.error is not None
    ]
    return Group(line, Text(f"reached: {told}"), *away[:AWAY], *_more(len(away) - AWAY))


def _age(view: View) -> str:
    """Since when processes run: the youngest and the oldest."""
    began = [reading.began for reading in view.reached if reading.began]
    if not began:
        return units.UNKNOWN
    ages = (units.age(view.now.timestamp() - at) for at in (max(began), min(began)))
    return " to ".join(dict.fromkeys(ages))


def _reached(view: View, kind: str) -> str:
    asked = [reading for reading in view.readings if reading.kind == kind]
    return f"{sum(each.error is None for each in asked)} of {len(asked)} {kind}s"


def _more(count: int) -> Iterator[Text]:
    if count > 0:
        yield Text(f"and {count} more", "red")


def _failures(view: View, rows: int) -> RenderResult:
    codes = view.ever.by("code", "order_engine_failures_total").items()
    often = sorted(codes, key=lambda each: (-each[1], each[0]))
    told = ", ".join(f"{code} {units.count(number)}" for code, number in often if number)
    yield _one_line(("failures since start  ", TITLE), told or "none")
    if isinstance(view.failures, str):
        yield _one_line((units.printable(view.failures), "red"))
        return
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for failure in view.failures[:rows]:
        age = units.age((view.now - failure.at).total_seconds())
        detail = Text(units.printable(failure.detail), "dim")
        table.add_row(age, Text(failure.code, "red"), failure.order_id, detail)
    yield table


def _one_line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
