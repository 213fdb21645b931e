"""Scale-out: workers where they matter, at venues that take as long as real ones do."""

from typing import Any

from benchmarks import backlog
from benchmarks.figures import Case, Figures
from benchmarks.measuring import Lap
from benchmarks.options import Options
from benchmarks.stage import Stage, staged
from benchmarks.told import listening

LATENCY = "20-300"  # milliseconds
WORKERS, CONCURRENCIES = (1, 2, 4), (50, 250)
SECONDS = 8.0
EXPECTED_HELD = 0.45  # seconds; only decides how long a run takes
MOST = 20_000  # orders a run

# The middle of a run, when every worker has as much as it can hold.
MIDDLE = """
SELECT extract(epoch FROM percentile_disc(0.8) WITHIN GROUP (ORDER BY at)
                        - percentile_disc(0.2) WITHIN GROUP (ORDER BY at))
FROM order_events WHERE status = 'confirmed' AND order_id = ANY ($1::uuid[])
"""
# The first `routing` is the claim.
HELD = """
SELECT extract(epoch FROM avg(confirmed.at - routing.at))
FROM order_events AS routing JOIN order_events AS confirmed USING (order_id)
WHERE routing.seq = 2 AND confirmed.status = 'confirmed' AND order_id = ANY ($1::uuid[])
"""


async def run(options: Options) -> list[Case]:
    """Workers take up a backlog. By Little's law, throughput = workers × concurrency ÷ the time
    for which an order is held; that is compared with what was measured."""
    concurrencies = [options.concurrency] if options.concurrency else CONCURRENCIES
    return [case for each in concurrencies for case in await _cases(options, each)]


async def _cases(options: Options, concurrency: int) -> list[Case]:
    settings = {
        "WORKER_CONCURRENCY": str(concurrency),
        "PAPER_QUOTE_LATENCY_MS": LATENCY,
        "PAPER_EXECUTION_LATENCY_MS": LATENCY,
    }
    seconds = options.seconds or SECONDS
    cases = []
    async with staged(settings, workers=0) as stage:
        for workers in WORKERS:
            orders = min(MOST, int(workers * concurrency / EXPECTED_HELD * seconds))
            runs = [await scaled(stage, workers, concurrency, orders) for _ in range(options.runs)]
            cases.append(Case(f"{workers} workers, concurrency {concurrency}", runs))
    return cases


async def scaled(stage: Stage, workers: int, concurrency: int, orders: int) -> Figures:
    """From 20 % to 80 % of a backlog."""
    ids = await backlog.place(stage, orders)
    async with stage.database() as database, listening(stage.redis.port) as told:
        await stage.start_workers(workers)
        lap = Lap(stage)
        left = max(1, orders - told.finals)  # those first to be ready did some meanwhile
        await told.final(orders)
        figures = lap.end(left)
        await stage.stop_workers()
        throughput = 0.6 * orders / await _seconds(database, MIDDLE, ids)
        held = await _seconds(database, HELD, ids)
    formula = workers * concurrency / held
    return {
        **figures,
        "workers": workers,
        "concurrency": concurrency,
        "orders_per_second": throughput,
        "held_ms": held * 1000,
        "formula_per_second": formula,
        "of_formula_percent": 100 * throughput / formula,
    }


async def _seconds(database: Any, query: str, ids: list[str]) -> float:
    return float(await database.fetchval(query, ids))
