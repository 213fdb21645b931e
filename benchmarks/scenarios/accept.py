"""Accepting alone: POSTs that are durable and hinted, with no worker to take the hints."""

from benchmarks.client import client
from benchmarks.figures import Case, Figures, percentiles
from benchmarks.measuring import Lap, LostOrder
from benchmarks.options import Options
from benchmarks.stage import Stage, staged

ORDERS = 20_000
CONNECTIONS = 64


async def run(options: Options) -> list[Case]:
    """A closed loop over 64 connections against an API without a worker, without and with keys."""
    cases = []
    for keys in options.with_keys:
        orders, connections = options.orders or ORDERS, options.connections or CONNECTIONS
        async with staged(workers=0) as stage:
            await accepted(stage, max(1000, orders // 4), connections, keys)
            runs = [await accepted(stage, orders, connections, keys) for _ in range(options.runs)]
        cases.append(Case(f"{connections} connections" + (", with keys" if keys else ""), runs))
    return cases


async def accepted(stage: Stage, orders: int, connections: int, keys: bool = False) -> Figures:
    """Post `orders` and wait for the last 201. Raises `LostOrder`."""
    count = "SELECT count(*) FROM orders"
    wanted = {"orders": orders, "connections": connections, "keys": keys}
    async with (
        stage.database() as database,
        client("load", port=stage.api_port, **wanted) as load,
    ):
        before = await database.fetchval(count)
        lap = Lap(stage)
        posted = await load.ask()
        figures = lap.end(orders)
        if await database.fetchval(count) - before != orders:
            raise LostOrder(f"not all of {orders} orders were stored")
    return {
        **figures,
        "client_cpu_us": posted["cpu_seconds"] * 1e6 / orders,
        **percentiles("post", posted["latencies_us"], scale=1000),
    }
