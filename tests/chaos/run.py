"""One run: load and harm together, then quiet, then judgement."""

import argparse
import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

from tests.chaos import figures
from tests.chaos.checker import check
from tests.chaos.evidence import Engine, Evidence, Ledger
from tests.chaos.harm import Caught
from tests.chaos.history import History, read_history
from tests.chaos.load import Load
from tests.chaos.nemesis import Nemesis
from tests.chaos.outcome import Figure, Run
from tests.chaos.points import Action, Rested, Sprung, rested, sprung
from tests.chaos.reading import read_engine
from tests.chaos.report import Spread
from tests.chaos.slowness import Slowness
from tests.chaos.stage import Stage, keep, staged
from tests.chaos.venue import ledger
from tests.chaos.venue.faults import Fault
from tests.eventually import eventually

RATES = {
    Fault.BURST_429: 0.0005,
    Fault.QUOTE_ERROR: 0.01,
    Fault.BUILD_ERROR: 0.01,
    Fault.HANG: 0.002,
    Fault.SLOW: 0.005,
    Fault.DUPLICATE_REPLY: 0.01,
    Fault.DROP_REPLY: 0.02,
    Fault.ERROR_AFTER_SUCCESS: 0.02,
    Fault.ERROR_WITH_SIGNATURE: 0.02,
    Fault.LATE_LANDING_BEFORE_EXPIRY: 0.02,
    Fault.LATE_LANDING_AFTER_EXPIRY: 0.01,
    Fault.FORK: 0.02,
    Fault.REVERT: 0.01,
    Fault.PRICE_JUMP: 0.03,
    Fault.NULL_STATUS: 0.03,
}
"""How often a call, or a trade, meets each trouble of the venues, all through the run."""
LONGEST = 3
"""The load goes on until every fault has struck, up to so many times the minutes asked for."""
HISTORY = "history.jsonl"


async def run(options: argparse.Namespace, tell: Callable[[str], None]) -> Run:
    """Do harm to an engine under load as `options` say, and judge it."""
    begun = time.time()
    async with staged(
        seed=options.seed,
        apis=options.apis,
        workers=options.workers,
        managers=options.managers,
        mutant=options.mutant,
        tell=tell,
    ) as stage:
        tell(f"ready after {time.time() - begun:.0f} s; the logs are in {stage.folder}")
        try:
            return await _judged(stage, options, tell, begun)
        finally:
            if options.keep:
                await asyncio.to_thread(keep, stage, Path(options.keep))


async def _judged(
    stage: Stage, options: argparse.Namespace, tell: Callable[[str], None], begun: float
) -> Run:
    history = History(stage.folder / HISTORY)
    nemesis = Nemesis(
        stage,
        Random(options.seed),
        tell=tell,
        history=history,
        longest_freeze=timedelta(seconds=options.freeze),
        only=options.only,
    )
    rates = {fault: rate * options.trouble for fault, rate in RATES.items()}
    seconds = options.minutes * 60
    slowness = Slowness()
    usual = options.orders / seconds
    load = Load(
        stage.api_urls,
        seed=options.seed,
        rate=usual / slowness.look(),
        orders=LONGEST * options.orders,
        history=history,
    )
    await stage.trouble(rates)
    async with load:
        loading, loaded = asyncio.create_task(load.run()), time.monotonic()
        while not loading.done():
            await asyncio.sleep(nemesis.dice.uniform(*options.every))
            await nemesis.strike()
            load.rate = usual / slowness.look()
            longest = LONGEST * seconds if nemesis.unstruck() else seconds
            if time.monotonic() - loaded > longest:
                load.stop()
        await loading
        await stage.trouble(dict.fromkeys(RATES, 0))
        patience = timedelta(seconds=options.patience * slowness.worst)
        tell(f"quiet; {load.counts.total():,} requests, {await _open(stage):,} orders still open")
        quiet = time.time()
        late = await _late(stage, patience)
        tell(f"{late or 'every order is final'} after {time.time() - quiet:.0f} s of quiet")
        await load.finish(patience)
    late = late or await _late(stage, patience)  # of orders that clients have placed since
    history.close()
    engine = await read_engine(stage.servers.database_url)
    books = await asyncio.to_thread(ledger.read, stage.ledger)
    seen = Evidence(
        clients=read_history(stage.folder / HISTORY),
        engine=engine,
        ledger=Ledger(books.executions, books.balances),
    )
    traps = sprung(stage.folder)
    orders = Counter(str(each.status) for each in engine.orders.values())
    orders.update(
        f"failed: {each.failure_code}" for each in engine.orders.values() if each.failure_code
    )
    return Run(
        verdicts=await asyncio.to_thread(check, seen),
        struck=nemesis.struck,
        sprung=traps,
        venue_faults={fault: books.struck.get(fault, 0) for fault, p in rates.items() if p},
        requests=load.counts,
        orders=orders,
        figures=_figures(engine, traps, rested(stage.folder), nemesis),
        seconds=time.time() - begun,
        slowness=slowness.worst,
        deaths=list(_unasked(stage)),
        late=late,
        unstruck=nemesis.unstruck(),
        is_partial=bool(options.only),
    )


async def _open(stage: Stage) -> int:
    async with stage.postgres() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM orders WHERE wake_at IS NOT NULL"
        )
    return count


async def _late(stage: Stage, within: timedelta) -> str:
    """Wait for every order to be final and every trade to be settled. Answers what is not."""

    async def left() -> str:
        if count := await _open(stage):
            return f"{count} orders are still open"
        books = await asyncio.to_thread(ledger.read, stage.ledger)
        return "" if books.is_settled else "trades are open"

    async def nothing_is_left() -> bool:
        return not await left()

    try:
        await eventually(nothing_is_left, within, poll=timedelta(seconds=0.5))
    except AssertionError:
        return await left()
    return ""


def _unasked(stage: Stage) -> Iterator[str]:
    """Processes that ended more often than they were made to, or in a way that nobody asked for."""
    for service in stage.fleet:
        if len(service.deaths) > service.asked or set(service.deaths) - {0, -signal.SIGKILL}:
            ends = ", ".join(map(str, service.deaths))
            yield f"{service.name} was ended {service.asked} times and ended with {ends}"


def _figures(
    engine: Engine, traps: list[Sprung], rests: list[Rested], nemesis: Nemesis
) -> list[Figure]:
    def resumed(caught: Iterable[Caught]) -> Spread:
        return Spread.of(figures.resumed(engine, caught, rests))

    killed, frozen, stopped = (
        resumed(figures.held(traps, action)) for action in (Action.KILL, Action.FREEZE, Action.STOP)
    )
    lost = resumed(figures.forgotten(nemesis.struck))
    accepting = Spread.of(nemesis.postgres.accepting_after)
    ten, five, one = (timedelta(seconds=seconds) for seconds in (10, 5, 1))
    return [
        Figure("orders of a killed worker resumed after", ten, killed),
        Figure("orders of a frozen worker resumed after", ten, frozen),
        Figure("orders of a stopped worker taken over after", one, stopped),
        Figure("orders whose hint Redis lost resumed after", ten, lost),
        Figure("accepting again, PostgreSQL being back, after", five, accepting),
    ]
