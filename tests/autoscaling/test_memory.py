"""What a queued order takes of Redis' memory, as docs/scaling.md says."""

import re

from redis.asyncio import Redis

from orders.broker import GROUP
from orders.queue import STREAM, RedisQueue
from tests.autoscaling.signals import entries
from tests.autoscaling.sizing import PAGE
from tests.autoscaling.taking import send

ORDERS = 20_000
TOLD = re.compile(r"(\d+) bytes of the stream on Valkey 9 and (\d+) on Redis 7, and (\d+) more")


def told() -> tuple[int, int, int]:
    """Bytes that an order takes by the page: while it waits, on either, and at most beside that."""
    (found,) = TOLD.findall(PAGE.read_text().replace("\n", " "))
    valkey, redis, in_flight = map(int, found)
    return valkey, redis, in_flight


async def _used(redis: Redis) -> int:
    return int(await redis.memory_usage(STREAM, samples=0) or 0)  # exact: nothing is sampled


async def _used_by_all(redis: Redis) -> int:
    """MEMORY USAGE of Redis 7 guesses the pending entries, at six times what they take."""
    return int((await redis.info("memory"))["used_memory"])


async def test_an_order_that_waits_takes_what_the_page_says(
    redis: Redis, queue: RedisQueue
) -> None:
    await send(queue, ORDERS)

    each = await _used(redis) / ORDERS

    valkey, other, _ = told()
    assert valkey - 1 < each < other + 1


async def test_an_order_that_is_worked_on_takes_no_more_than_the_page_says(
    redis: Redis, queue: RedisQueue
) -> None:
    await send(queue, ORDERS)
    await redis.xgroup_create(STREAM, GROUP, id="0")
    queued = await _used_by_all(redis)

    for _ in range(ORDERS // 250):
        await redis.xreadgroup(GROUP, "a", {STREAM: ">"}, count=250)
    each = (await _used_by_all(redis) - queued) / ORDERS

    *_, most = told()
    assert 0.6 * most < each < 1.1 * most


async def test_a_drained_queue_gives_its_memory_back(redis: Redis, queue: RedisQueue) -> None:
    await send(queue, ORDERS)
    await redis.xgroup_create(STREAM, GROUP, id="0")
    ids = await entries(redis)

    await redis.xack(STREAM, GROUP, *ids)
    await redis.xdel(STREAM, *ids)

    assert await _used(redis) < 2_000
