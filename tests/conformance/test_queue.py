"""What every queue of hints owes the engine, in memory or on Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from orders.ports import Hint, Horizon, Queue
from orders.queue import STREAM, RedisQueue
from orders.redis import pool
from tests.factories import AT
from tests.fakes.queue import FakeQueue

NOWHERE = "redis://127.0.0.1:1/0"
"""Where nobody listens."""


@dataclass(frozen=True)
class Backend:
    """A queue, and what can be done to it."""

    queue: Queue
    settle: Callable[[], Awaitable[None]]
    """Returns when all that was enqueued is held."""
    take: Callable[[], Awaitable[object]]
    """Delivers the first hint."""
    lose_all: Callable[[], Awaitable[object]]


@pytest.fixture(params=["fake", "redis"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "fake":
        fake = FakeQueue()
        yield Backend(fake, _at_once(lambda: None), _at_once(fake.take), _at_once(fake.lose_all))
    else:
        redis = Redis.from_pool(pool(request.getfixturevalue("redis_url")))
        queue = RedisQueue(redis)

        async def take() -> None:
            entries: Any = await redis.xrange(STREAM, count=1)
            await redis.xdel(STREAM, entries[0][0])

        yield Backend(queue, queue.drain, take, redis.flushall)
        await queue.drain()
        await redis.aclose()


@pytest.fixture(params=["fake", "redis"])
async def unreachable(request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    if request.param == "fake":
        fake = FakeQueue()
        fake.unreachable = True
        yield fake
    else:
        redis = Redis.from_pool(pool(NOWHERE))
        queue = RedisQueue(redis)
        yield queue
        await queue.drain()
        await redis.aclose()


def _at_once(act: Callable[[], object]) -> Callable[[], Awaitable[None]]:
    async def done() -> None:
        act()

    return done


def a_hint(seconds: int) -> Hint:
    """A hint given so long after noon."""
    return Hint(UUID(int=seconds), AT + timedelta(seconds=seconds, microseconds=7))


async def test_an_empty_queue_knows_no_hint_and_that_it_was_never_marked(backend: Backend) -> None:
    assert await backend.queue.horizon() == Horizon(oldest=None, lost=True)


async def test_the_horizon_is_the_time_of_the_oldest_hint(backend: Backend) -> None:
    backend.queue.enqueue([a_hint(1), a_hint(2)])
    backend.queue.enqueue([a_hint(3)])
    await backend.settle()

    horizon = await backend.queue.horizon()

    assert horizon is not None
    assert horizon.oldest == AT + timedelta(seconds=1, microseconds=7)


async def test_the_horizon_moves_on_as_hints_are_taken(backend: Backend) -> None:
    backend.queue.enqueue([a_hint(1), a_hint(2)])
    await backend.settle()
    seen = []

    for _ in range(2):
        await backend.take()
        seen.append(await backend.queue.horizon())

    assert [horizon.oldest if horizon else 0 for horizon in seen] == [a_hint(2).at, None]


async def test_nothing_is_lost_once_it_is_marked(backend: Backend) -> None:
    await backend.queue.mark()
    backend.queue.enqueue([a_hint(1)])
    await backend.settle()

    assert await backend.queue.horizon() == Horizon(a_hint(1).at, lost=False)


async def test_a_queue_that_forgets_everything_knows_that_it_did(backend: Backend) -> None:
    await backend.queue.mark()
    backend.queue.enqueue([a_hint(1)])
    await backend.settle()

    await backend.lose_all()
    lost = await backend.queue.horizon()
    await backend.queue.mark()
    marked = await backend.queue.horizon()

    assert lost == Horizon(oldest=None, lost=True)
    assert marked == Horizon(oldest=None, lost=False)


async def test_no_hints_are_no_trouble(backend: Backend) -> None:
    backend.queue.enqueue([])
    await backend.settle()

    assert await backend.queue.horizon() == Horizon(oldest=None, lost=True)


async def test_a_queue_that_cannot_be_reached_says_so_and_raises_nothing(
    unreachable: Queue,
) -> None:
    unreachable.enqueue([a_hint(1)])
    await unreachable.mark()

    assert await unreachable.horizon() is None
