"""What every feed owes the engine, in memory or over Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from orders import wire
from orders.clock import SystemClock
from orders.domain.order import Order
from orders.feed import RedisFeed, RedisWatching
from orders.periodic import Periodic
from orders.ports import Feed, Frame, Gap, Watch, Watching
from orders.redis import pool
from tests.factories import a_confirmed_order, a_routing_order, an_order
from tests.fakes.feed import FakeFeed

NOWHERE = "redis://127.0.0.1:1/0"
"""Where nobody listens."""


@dataclass(frozen=True)
class Backend:
    """A feed, its receiving side, and what can be done to it."""

    feed: Feed
    watching: Watching
    lose: Callable[[Order], Awaitable[None]]
    """Publishes a step of which nobody hears."""
    cut: Callable[[], Awaitable[object]]
    """Breaks the connection of those who watch."""


@pytest.fixture(params=["fake", "redis"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "fake":
        fake = FakeFeed()

        async def lose(order: Order) -> None:
            fake.lose_next()
            fake.publish(order)

        async def cut() -> None:
            fake.gap()

        yield Backend(fake, fake, lose, cut)
    else:
        redis = Redis.from_pool(pool(request.getfixturevalue("redis_url")))
        feed, watching = RedisFeed(redis), RedisWatching(redis, clock=SystemClock())

        async def cut_off() -> None:
            await redis.client_kill_filter(_type="pubsub")

        kept = Periodic(clock=SystemClock())
        with watching.watch(an_order().id) as subscribed:
            kept.keep("feed", timedelta(milliseconds=20), watching.listen)
            await told(subscribed)
        yield Backend(feed, watching, _lose_over_redis, cut_off)
        await feed.drain()
        await kept.stop()
        await redis.aclose()


async def _lose_over_redis(order: Order) -> None:
    redis = Redis.from_pool(pool(NOWHERE))
    feed = RedisFeed(redis)
    feed.publish(order)
    await feed.drain()
    await redis.aclose()


async def told(watch: Watch, count: int = 1) -> list[Frame | Gap]:
    """What is told next."""
    heard: list[Frame | Gap] = []
    async with asyncio.timeout(10):
        async for what in watch:
            heard.append(what)
            if len(heard) == count:
                break
    return heard


async def test_a_watcher_is_told_each_step_as_clients_see_it(backend: Backend) -> None:
    first, second = a_routing_order(), a_confirmed_order()
    with backend.watching.watch(second.id) as watch:
        backend.feed.publish(first)
        backend.feed.publish(second)

        heard = await told(watch)

    assert heard == [wire.frame(second)]
    assert heard == [Frame(seq=5, is_final=True, body=wire.frame(second).body)]


async def test_steps_are_told_in_their_order(backend: Backend) -> None:
    first = an_order()
    last = a_confirmed_order(id=first.id)
    second = a_routing_order(id=first.id)
    with backend.watching.watch(first.id) as watch:
        for step in (first, second, last):
            backend.feed.publish(step)

        heard = await told(watch, 3)

    assert heard == [wire.frame(step) for step in (first, second, last)]


async def test_every_watcher_of_an_order_is_told(backend: Backend) -> None:
    order = an_order()
    with backend.watching.watch(order.id) as one, backend.watching.watch(order.id) as another:
        backend.feed.publish(order)

        assert await told(one) == await told(another) == [wire.frame(order)]


async def test_a_watcher_that_leaves_takes_nobody_with_it(backend: Backend) -> None:
    order = an_order()
    with backend.watching.watch(order.id) as one:
        with backend.watching.watch(order.id):
            pass
        backend.feed.publish(order)

        assert await told(one) == [wire.frame(order)]


async def test_what_is_told_is_kept_until_it_is_taken(backend: Backend) -> None:
    first = an_order()
    second = a_routing_order(id=first.id)
    with backend.watching.watch(first.id) as late, backend.watching.watch(first.id) as prompt:
        backend.feed.publish(first)
        backend.feed.publish(second)
        await told(prompt, 2)

        assert await told(late, 2) == [wire.frame(first), wire.frame(second)]


async def test_a_lost_step_shows_in_the_numbers(backend: Backend) -> None:
    order = an_order()
    with backend.watching.watch(order.id) as watch:
        backend.feed.publish(order)
        await backend.lose(a_routing_order(id=order.id))
        backend.feed.publish(a_confirmed_order(id=order.id))

        heard = await told(watch, 2)

    assert [what.seq for what in heard if isinstance(what, Frame)] == [1, 5]


async def test_a_watcher_that_was_cut_off_is_told_of_a_gap(backend: Backend) -> None:
    order = an_order()
    with backend.watching.watch(order.id) as watch:
        await backend.cut()

        assert await told(watch) == [Gap()]

        backend.feed.publish(order)

        assert await told(watch) == [wire.frame(order)]
