"""End to end: from POST to the final step of every order, as fast as the machine allows."""

from benchmarks.client import client
from benchmarks.figures import Case, Figures, percentiles
from benchmarks.measuring import STEPS, Lap, LostOrder, confirmed
from benchmarks.options import Options
from benchmarks.stage import Stage, staged
from benchmarks.told import listening

ORDERS = 20_000
CONNECTIONS = (64, 256)
CONCURRENCY = 250
"""How many orders a worker works on at once."""


async def run(options: Options) -> list[Case]:
    """A closed loop over 64 and over 256 connections, without and with idempotency keys; each run
    ends when all are confirmed in the database and every step was published."""
    cases = []
    for connections in [options.connections] if options.connections else CONNECTIONS:
        for keys in options.with_keys:
            cases.append(await case(options, connections, keys))
    return cases


async def case(options: Options, connections: int, keys: bool) -> Case:
    """One engine, a warm-up, and the runs."""
    orders = options.orders or ORDERS
    concurrency = options.concurrency or CONCURRENCY
    async with staged({"WORKER_CONCURRENCY": str(concurrency)}) as stage:
        await loaded(stage, max(1000, orders // 4), connections, keys)
        runs = [await loaded(stage, orders, connections, keys) for _ in range(options.runs)]
    return Case(f"{connections} connections" + (", with keys" if keys else ""), runs)


async def loaded(stage: Stage, orders: int, connections: int, keys: bool = False) -> Figures:
    """Post `orders` and wait until all are confirmed and told. Raises `LostOrder`."""
    wanted = {"orders": orders, "connections": connections, "keys": keys}
    async with (
        stage.database() as database,
        listening(stage.redis.port) as told,
        client("load", port=stage.api_port, **wanted) as load,
    ):
        since = await database.fetchval("SELECT now()")
        lap = Lap(stage)
        posted = await load.ask()
        figures = lap.end(orders, await told.final(orders))
        latencies = await confirmed(database, since, orders)
        if told.steps != orders * STEPS:
            raise LostOrder(f"of {orders * STEPS} steps {told.steps} were told")
    return {
        **figures,
        "client_cpu_us": posted["cpu_seconds"] * 1e6 / orders,
        **percentiles("post", posted["latencies_us"], scale=1000),
        **latencies,
    }
