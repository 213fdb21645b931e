"""The demo's orders on the screen: a live table on a terminal, a line per step elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.cli.client import NewOrder
from services.cli.stream import Step
from services.cli.telling import details, offer, price, whole

COLOURS = {"confirmed": "green", "failed": "red"}


@dataclass
class Row:
    """One order: what was asked, and what came of it so far. Offsets are seconds from `start`."""

    order: NewOrder
    start: float
    steps: list[tuple[float, Step]] = field(default_factory=list)

    def add(self, step: Step) -> None:
        self.steps.append((time.monotonic() - self.start, step))

    @property
    def status(self) -> str:
        return str(self.steps[-1][1]["status"]) if self.steps else "placing"

    def told(self, name: str) -> str:
        """The latest word on the venue or a price, or nothing."""
        words = [offer(step)[name] for _, step in self.steps if offer(step).get(name)]
        return str(words[-1]) if words else ""

    @property
    def out(self) -> str:
        """What arrived, or is expected to, in the token's smallest unit."""
        return self.told("actualOut") or self.told("expectedOut")

    @property
    def price(self) -> str:
        """What one whole token sold brings."""
        return price(self.order, self.out)


class Board(Protocol):
    """Told of every change of a row."""

    def show(self, row: Row) -> None: ...


@contextmanager
def board(rows: list[Row]) -> Iterator[Board]:
    console = Console()
    if sys.stdout.isatty() and console.is_terminal and not console.is_dumb_terminal:
        with Live(_table(rows), console=console, refresh_per_second=12) as live:
            yield _Screen(rows, live)
    else:
        yield _Lines()


@dataclass
class _Screen:
    rows: list[Row]
    live: Live

    def show(self, row: Row) -> None:
        self.live.update(_table(self.rows))


class _Lines:
    def show(self, row: Row) -> None:
        offset, step = row.steps[-1]
        priced = f"price {row.price}  " if offer(step) else ""
        line = f"  +{offset:.2f} s  {row.order.pair:<10}  {row.status:<9}  {priced}{details(step)}"
        print(line.rstrip(), flush=True)


def _table(rows: list[Row]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("sells", "gets", "price", "venue", "status"):
        numeric = name in ("sells", "gets", "price")
        table.add_column(name, no_wrap=True, justify="right" if numeric else "left")
    table.add_column("steps, with seconds since the start")
    for row in rows:
        table.add_row(
            whole(row.order.sell, row.order.amount),
            whole(row.order.buy, row.out) or row.order.buy,
            row.price,
            row.told("dex"),
            f"[{COLOURS.get(row.status, 'yellow')}]{row.status}",
            " ".join(f"{step['status']}+{offset:.2f}" for offset, step in row.steps),
        )
    return table
