"""`top`: what a running engine does, from the metrics of its processes and from its API."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

from services.cli.errors import CliError
from services.cli.top.frame import Frame
from services.cli.top.scrape import Failure, Process, Reading, processes, read
from services.cli.top.tally import Tally
from services.cli.top.view import View

LEAST_PAUSE = 0.1  # seconds between looks that take longer than they may
FAILURES = 50  # as many as the tallest terminal may show
PIPE_WIDTH = 120  # columns, where there is no terminal and COLUMNS does not say

Show = Callable[[View], None]


def run(apis: Sequence[str], workers: Sequence[str], *, every: float, once: bool) -> int:
    """Draws a frame each `every` seconds until it is told to stop, which ends with 0.

    Raises `CliError` when at first none of them answers, or one is no engine's.
    """
    try:
        asyncio.run(_run(apis, workers, every, once))
    except KeyboardInterrupt:
        if once:
            raise
    return 0


async def _run(apis: Sequence[str], workers: Sequence[str], every: float, once: bool) -> None:
    tally, begun = Tally(), time.monotonic()
    async with processes(apis, workers) as asked:
        view = await _look(asked, tally)
        _check(view.readings)
        with _screen(once) as show:
            while True:
                if not once:
                    show(view)
                await asyncio.sleep(max(begun + every - time.monotonic(), LEAST_PAUSE))
                begun = time.monotonic()
                view = await _look(asked, tally)
                if once:
                    show(view)
                    return


async def _look(asked: Sequence[Process], tally: Tally) -> View:
    readings, failures = await asyncio.gather(read(asked), _failures(asked))
    now = datetime.now(UTC)
    tally.add(readings, at=time.monotonic(), now=now.timestamp())
    return View(readings, tally.last, tally.minute, failures, now)


async def _failures(asked: Sequence[Process]) -> Sequence[Failure] | str:
    """From the first API that answers."""
    told = "no API to ask"
    for process in asked:
        if process.kind == "API":
            try:
                return await process.failures(FAILURES)
            except CliError as error:
                told = str(error)
    return told


def _check(readings: Sequence[Reading]) -> None:
    """Where nothing was ever seen, an address is more likely wrong than a process gone."""
    wrong = [reading for reading in readings if reading.is_stranger]
    if not wrong and any(reading.error is None for reading in readings):
        return
    told = "; ".join(f"{each.kind} {each.url}: {each.error}" for each in wrong or readings)
    raise CliError(f"{told}. Say where they are with --api and --worker.")


@contextmanager
def _screen(once: bool) -> Iterator[Show]:
    """A terminal's other screen, which leaves what was there as it was; else frame after frame."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    console = Console()
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    if once or not sys.stdout.isatty() or not console.is_terminal or console.is_dumb_terminal:
        yield lambda view: _print(console, view, blank=not once)
    else:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield lambda view: live.update(Frame(view, console.height), refresh=True)


def _print(console: Console, view: View, *, blank: bool) -> None:
    console.print(Frame(view))
    if blank:
        console.print()
    console.file.flush()
