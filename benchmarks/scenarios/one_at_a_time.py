"""One order at a time: what an order takes when nothing else is under way."""

import asyncio
import time

from benchmarks.figures import Case, Figures, percentiles
from benchmarks.measuring import Lap, confirmed
from benchmarks.options import Options
from benchmarks.posting import REQUEST
from benchmarks.stage import Stage, staged
from benchmarks.told import listening

ORDERS = 500


async def run(options: Options) -> list[Case]:
    """The next order is posted when the last one's final step was heard."""
    orders = options.orders or ORDERS
    async with staged() as stage:
        await unloaded(stage, max(50, orders // 4))
        runs = [await unloaded(stage, orders) for _ in range(options.runs)]
    return [Case("unloaded", runs)]


async def unloaded(stage: Stage, orders: int) -> Figures:
    """`post` is until the 201; `heard` until the final step came over Redis, both by the client's
    clock from when the request was sent; `confirmed` is by the database's clock."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.api_port)
    posts, heards = [], []
    async with stage.database() as database, listening(stage.redis.port) as told:
        since = await database.fetchval("SELECT now()")
        lap = Lap(stage)
        for n in range(1, orders + 1):
            sent = time.perf_counter()
            writer.write(REQUEST)
            await reader.readuntil(b"}")
            posts.append(time.perf_counter() - sent)
            heards.append(await told.final(n) - sent)
        figures = lap.end(orders)
        latencies = await confirmed(database, since, orders)
    writer.close()
    return {
        **figures,
        **latencies,
        **percentiles("heard", heards, scale=0.001),
        **percentiles("post", posts, scale=0.001),
    }
