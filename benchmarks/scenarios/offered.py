"""Offered: an open loop at one rate after another, from idle to more than is possible."""

import asyncio

from benchmarks.client import client
from benchmarks.figures import Case, Figures, percentiles
from benchmarks.measuring import Lap, confirmed
from benchmarks.options import Options
from benchmarks.scenarios.end_to_end import loaded
from benchmarks.stage import Stage, staged
from benchmarks.told import Told, listening

RATES = (250, 500, 1000, 2000, 3000, 4000, 5000, 6000)
SECONDS = 8.0
CONNECTIONS = 256
NEVER = 1e6  # seconds
SETTLING = 1.0  # seconds at the beginning of each run that its throughput leaves out


async def run(options: Options) -> list[Case]:
    """Every rate for some seconds, each time until what was accepted is confirmed."""
    rates, seconds = options.rates or RATES, options.seconds or SECONDS
    settings = {"WORKER_CONCURRENCY": str(options.concurrency or 250)}
    async with staged(settings) as stage:
        await loaded(stage, 5000, 64)
        runs: dict[int, list[Figures]] = {rate: [] for rate in rates}
        for _ in range(options.runs):
            for rate in rates:
                runs[rate].append(await offered(stage, rate, seconds, options))
    return [Case(f"{rate} orders/s", each) for rate, each in runs.items()]


async def offered(stage: Stage, rate: int, seconds: float, options: Options) -> Figures:
    """`offered` a second for `seconds`; CPU is until all that were accepted are confirmed."""
    connections = options.connections or CONNECTIONS
    async with (
        stage.database() as database,
        listening(stage.redis.port) as told,
        client(
            "offer", port=stage.api_port, connections=connections, keys=bool(options.keys)
        ) as offer,
    ):
        since = await database.fetchval("SELECT now()")
        lap = Lap(stage)
        offer.tell(rate=rate, seconds=seconds, every=NEVER)
        throughput = await _throughput(told, seconds)
        posted = await offer.answer()
        accepted = len(posted["latencies_us"])
        await told.final(accepted)
        figures = lap.end(accepted)
        latencies = await confirmed(database, since, accepted)
    return {
        "offered_per_second": rate,
        **figures,
        "orders_per_second": throughput,
        "refused_percent": 100 * posted["refused"] / (accepted + posted["refused"]),
        "client_cpu_us": posted["cpu_seconds"] * 1e6 / accepted,
        **percentiles("post", posted["latencies_us"], scale=1000),
        **latencies,
    }


async def _throughput(told: Told, seconds: float) -> float:
    """Orders confirmed a second while orders arrive."""
    await asyncio.sleep(SETTLING)
    before = told.finals
    await asyncio.sleep(seconds - SETTLING)
    return (told.finals - before) / (seconds - SETTLING)
