"""Tables: what an order costs when the tables are full, against when they are empty."""

import sys

from benchmarks import backlog, filling
from benchmarks.figures import Case, Figures
from benchmarks.listing import listed
from benchmarks.measuring import Lap
from benchmarks.options import Options
from benchmarks.scenarios.accept import accepted
from benchmarks.scenarios.end_to_end import loaded
from benchmarks.stage import Stage, staged
from benchmarks.sweeping import swept
from benchmarks.told import listening

SIZES = (0, 10_000, 100_000, 1_000_000)
OPEN = 10  # finished orders for each open one
ORDERS = 10_000
SAMPLES = 1000
SETTLING = 2000  # orders that a worker which has just started executes first


async def run(options: Options) -> list[Case]:
    """Each size on an engine of its own. The open orders are a real backlog, made by POST while no
    worker runs, so that both stores hold it as they would. Accepting is measured on new orders,
    which go behind it; executing, by one worker, on the oldest, which are at its front."""
    return [await case(options, size) for size in options.sizes or SIZES]


async def case(options: Options, size: int) -> Case:
    """Fill, then accept and execute as many orders again and again."""
    orders = options.orders or ORDERS
    async with staged() as stage:
        await loaded(stage, SAMPLES, 64)
        await stage.stop_workers()
        print(f"  filling: {size} finished, {size // OPEN} open", file=sys.stderr, flush=True)
        await filling.fill(stage, size)
        if size >= OPEN:
            await backlog.place(stage, size // OPEN)
        await filling.settle(stage)
        await accepted(stage, SETTLING * 2, 64)
        runs = [await once(stage, orders) for _ in range(options.runs)]
    return Case(f"{size} finished, {size // OPEN} open", [{"finished": size, **r} for r in runs])


async def once(stage: Stage, orders: int) -> Figures:
    """Everything that is asked of full tables."""
    accept = await accepted(stage, orders, 64)
    standing = await swept(stage) | await listed(stage)
    execute = await executed(stage, orders)
    return (
        {f"accept_{name}": value for name, value in accept.items()}
        | {f"execute_{name}": value for name, value in execute.items()}
        | standing
    )


async def executed(stage: Stage, orders: int) -> Figures:
    """Let a worker execute `orders` orders of the backlog at full speed, after some more that it
    warms up with, and stop it."""
    async with listening(stage.redis.port) as told:
        await stage.start_workers()
        await told.final(SETTLING)
        lap = Lap(stage)
        begun = told.finals
        end = await told.final(begun + orders)
        figures = lap.end(orders, end)
        await stage.stop_workers()
        extra = told.finals - begun - orders
    await accepted(stage, max(1, SETTLING + extra), 64)  # as many as were executed come anew
    return figures
