"""What one sweep costs, and one look at the oldest received order: each is done every second."""

import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from benchmarks.cpu import Meter
from benchmarks.figures import Figures
from benchmarks.stage import Stage
from orders.recovery import Recovery
from orders.settings import Settings
from services.worker.app import make

TIMES = 20


async def swept(stage: Stage) -> Figures:
    """By the engine's own parts, run here, while no worker runs: PostgreSQL's CPU and ours, and
    how long it takes. They change what they find, as a worker's do."""
    urls = {"DATABASE_URL": stage.postgres.url, "REDIS_URL": stage.redis.url}
    parts = make(Settings.read(urls | dict(stage.settings)))
    recovery = Recovery(store=parts.store, queue=parts.queue, clock=parts.clock)
    await parts.store.open()
    try:
        sweep = await _cost(stage, "sweep", recovery.sweep)
        look = await _cost(stage, "look", parts.store.survey)
    finally:
        await parts.store.close()
        await parts.queue.drain()
        await parts.redis.aclose()
    return sweep | look


async def _cost(stage: Stage, name: str, work: Callable[[], Awaitable[Any]]) -> Figures:
    await work()
    meter, own = Meter({"postgres": stage.pids()["postgres"]}), time.process_time()
    before, took = meter.read(), []
    for _ in range(TIMES):
        start = time.perf_counter()
        await work()
        took.append(time.perf_counter() - start)
    used = meter.read()["postgres"] - before["postgres"] + time.process_time() - own
    return {f"{name}_ms": 1000 * median(took), f"{name}_cpu_ms": 1000 * used / TIMES}
