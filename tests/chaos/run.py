"""One run: load and harm together, then quiet, then judgement."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import asyncpg
import httpx

from tests.chaos import evidence, figures
from tests.chaos.checker import Verdict, check
from tests.chaos.evidence import Engine, Evidence
from tests.chaos.history import History, read_history
from tests.chaos.load import Load
from tests.chaos.nemesis import Nemesis, Struck
from tests.chaos.points import API_POINTS, WORKER_POINTS, Action, Sprung, sprung
from tests.chaos.reading import read_engine
from tests.chaos.report import Spread
from tests.chaos.stage import Stage, keep, staged
from tests.chaos.venue import ledger
from tests.eventually import eventually

RATES = {
    "burst_429": 0.0005,
    "quote_error": 0.01,
    "build_error": 0.01,
    "hang": 0.002,
    "slow": 0.005,
    "duplicate_reply": 0.01,
    "drop_reply": 0.02,
    "error_after_success": 0.02,
    "error_with_signature": 0.02,
    "late_landing_before_expiry": 0.02,
    "late_landing_after_expiry": 0.01,
    "fork": 0.02,
    "revert": 0.01,
    "price_jump": 0.03,
    "null_status": 0.03,
}
"""How often a call, or a trade, meets each trouble of the venues, all through the run."""
LONGEST = 2
"""The load goes on until every fault has struck, up to so many times the orders asked for."""
HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    verdicts: list[Verdict]
    struck: list[Struck]
    sprung: list[Sprung]
    venue_faults: Counter[str]
    requests: Counter[str]
    deaths: list[str]
    """Processes that ended though nobody had made them."""
    spreads: dict[str, Spread]
    statuses: Counter[str]
    failures: Counter[str]
    seconds: float

    def wrong(self) -> Iterator[str]:
        """Everything but the verdicts that makes this run a failure."""
        yield from self.deaths

    def unmet(self) -> Iterator[str]:
        """The kill points that no process died at, and the venue's troubles that never came."""
        met = Counter(each.point for each in self.sprung if each.action is Action.KILL)
        yield from (f"nobody died at {p}" for p in (*API_POINTS, *WORKER_POINTS) if not met[p])
        yield from (f"no venue met {each}" for each in RATES if not self.venue_faults[each])


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
    patience = timedelta(seconds=options.patience)
    nemesis = Nemesis(stage, Random(options.seed), tell, only=options.only)
    nemesis.longest_freeze = timedelta(seconds=options.freeze)
    load = Load(
        stage.api_urls,
        seed=options.seed,
        rate=options.orders / (options.minutes * 60),
        orders=LONGEST * options.orders,
        history=history,
    )
    await _trouble(stage, RATES)
    async with load:
        loading = asyncio.create_task(load.run())
        while not loading.done():
            await asyncio.sleep(nemesis.random.uniform(*options.every))
            await nemesis.strike()
            if nemesis.is_done and load.asked >= options.orders:
                load.stop()
        await loading
        await _trouble(stage, dict.fromkeys(RATES, 0))
        tell(f"quiet; {load.counts.total():,} requests, {await _open(stage):,} orders still open")
        quiet = time.time()
        late = await _ended(stage, patience)
        tell(f"{late or 'every order is final'} after {time.time() - quiet:.0f} s of quiet")
        await load.finish(patience)
    await _ended(stage, patience)  # of the orders too that clients placed once all was quiet
    history.close()
    engine = await read_engine(stage.servers.database_url)
    books = await asyncio.to_thread(ledger.read, stage.ledger)
    seen = Evidence(
        clients=read_history(stage.folder / HISTORY),
        engine=engine,
        ledger=_ledger(books),
    )
    traps = sprung(stage.folder)
    return Run(
        verdicts=await asyncio.to_thread(check, seen),
        struck=nemesis.struck,
        sprung=traps,
        venue_faults=Counter({str(mode): n for mode, n in books.struck.items()}),
        requests=load.counts,
        deaths=list(_unasked(stage)),
        spreads=_spreads(engine, traps, nemesis),
        statuses=Counter(str(each.status) for each in engine.orders.values()),
        failures=Counter(str(each.failure_code) for each in engine.orders.values()),
        seconds=time.time() - begun,
    )


async def _trouble(stage: Stage, rates: dict[str, float]) -> None:
    """Tell the venues how much trouble to make."""
    async with httpx.AsyncClient(base_url=stage.venue_url, trust_env=False) as client:
        (await client.post("/control", json=rates)).raise_for_status()


async def _open(stage: Stage) -> int:
    connection = await asyncpg.connect(stage.servers.database_url)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM orders WHERE wake_at IS NOT NULL"
        )
        return count
    finally:
        await connection.close()


async def _ended(stage: Stage, within: timedelta) -> str:
    """Wait for every order to be final. Answers what is late, if anything is."""

    async def none_is_open() -> bool:
        assert await _open(stage) == 0
        assert (await asyncio.to_thread(ledger.read, stage.ledger)).is_settled
        return True

    try:
        await eventually(none_is_open, within, poll=timedelta(seconds=0.5))
    except AssertionError:
        return f"{await _open(stage)} orders are still open"
    return ""


def _ledger(books: ledger.Books) -> evidence.Ledger:
    return evidence.Ledger(
        [
            evidence.Execution(
                tx_id=each.tx_id,
                order_id=each.order_id,
                attempt=each.attempt,
                dex=each.dex,
                input_mint=each.input_mint,
                amount_in=each.amount_in,
                output_mint=each.output_mint,
                out=each.out,
                min_out=each.min_out,
            )
            for each in books.executions
        ],
        books.balances,
    )


def _unasked(stage: Stage) -> Iterator[str]:
    """Ends that are neither a kill, nor the orderly end of what was told to stop."""
    for service in stage.fleet:
        for at, code in service.deaths:
            if code not in (0, -9):
                yield f"{service.name} ended by itself with {code} at {at:.1f}"


def _spreads(engine: Engine, traps: list[Sprung], nemesis: Nemesis) -> dict[str, Spread]:
    killed, frozen, stopped = (
        Spread.of(figures.resumed(engine, figures.held(traps, action)))
        for action in (Action.KILL, Action.FREEZE, Action.STOP)
    )
    return {
        "orders of a killed worker resumed after": killed,
        "orders of a frozen worker resumed after": frozen,
        "orders of a stopped worker taken over after": stopped,
        "orders whose hint Redis lost resumed after": Spread.of(
            figures.resumed(engine, figures.forgotten(nemesis.struck))
        ),
        "accepting again, PostgreSQL being back, after": Spread.of(
            timedelta(seconds=each) for each in nemesis.accepting_after
        ),
    }
