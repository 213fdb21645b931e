"""What KEDA reads off a worker, when it is told to read that: the same backlog."""

from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import generate_latest
from redis.asyncio import Redis

from orders.metrics import QUEUE_BACKLOG
from orders.queue import RedisQueue
from orders.redis import pool
from tests.autoscaling.conftest import Hired
from tests.autoscaling.signals import exposed, length
from tests.autoscaling.taking import send
from tests.e2e.engine import Engine, Service, an_engine
from tests.eventually import eventually

(GAUGE,) = (metric.name for metric in QUEUE_BACKLOG.describe())
BUSY = {"WORKER_CONCURRENCY": "5", "PAPER_EXECUTION_LATENCY_MS": "600000"}
"""Takes five orders, and finishes none while a test lasts."""


@pytest.fixture
async def engine(database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    async with an_engine(database_url, redis_url) as made:
        yield made


async def gauge(worker: Service) -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return exposed((await client.get(f"{worker.url}/metrics")).text, GAUGE)


async def test_the_gauge_of_every_worker_is_the_length_of_the_stream(
    engine: Engine, redis: Redis
) -> None:
    _, first = await engine.whole(**BUSY)
    second = await engine.worker(**BUSY)
    for _ in range(23):
        await engine.place()

    async def told() -> bool:
        return [await gauge(first), await gauge(second)] == [23, 23]

    await eventually(told)
    assert await length(redis) == 23  # 10 of them worked on, 13 waiting


async def test_each_look_at_the_queue_sets_the_gauge_and_one_that_fails_leaves_it(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    seen = []
    await send(queue, 30)
    worker = hired(10)
    taken = await worker.take(10)
    await queue.horizon()
    seen.append(published())
    await worker.finish(taken)

    async def finished() -> bool:
        return await length(redis) == 20

    await eventually(finished)
    await queue.horizon()
    seen.append(published())
    async with Redis.from_pool(pool("redis://127.0.0.1:1")) as nobody:
        away = await RedisQueue(nobody).horizon()
    seen.append(published())

    assert away is None
    assert seen == [30, 20, 20]  # blind, it asks for the workers that there are


def published() -> int:
    """What this process would tell whoever reads its metrics."""
    return exposed(generate_latest().decode(), GAUGE)
