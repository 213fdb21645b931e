"""A link to a real Redis, and the subscription that is kept there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError, ExecAbortError, ResponseError

from orders import wire
from orders.broker import StreamBroker
from orders.clock import SystemClock
from orders.feed import RedisFeed, RedisWatching
from orders.periodic import Periodic
from orders.ports import Gap, Hint
from orders.queue import RedisQueue, encode
from orders.redis import Link, options, pool
from tests.eventually import eventually
from tests.factories import AT, an_order

NOWHERE = "redis://127.0.0.1:1/0"
"""Where nobody listens."""
FOR_EVER = 0
PATIENCE = timedelta(milliseconds=100)


@pytest.fixture
def link(redis: Redis) -> Link:
    return Link(redis.connection_pool)


async def connection(link: Link) -> object:
    """What Redis calls the connection that is used."""
    return await link(("CLIENT", "ID"))


async def test_each_command_is_answered_in_its_turn(link: Link) -> None:
    answers = await link(("SET", "a", 1), ("INCR", b"a"), ("GET", "a"), ("GET", "b"))

    assert answers == [b"OK", 2, b"2", None]


async def test_calls_that_are_made_at_once_each_get_their_own_answers(link: Link) -> None:
    answers = await asyncio.gather(*(link(("ECHO", n), ("ECHO", -n)) for n in range(50)))

    assert answers == [[b"%d" % n, b"%d" % -n] for n in range(50)]


async def test_a_refusal_is_raised_and_leaves_nothing_for_the_next_call(link: Link) -> None:
    before = await connection(link)

    with pytest.raises(ResponseError, match="not an integer"):
        await link(("SET", "a", "x"), ("INCR", "a"), ("GET", "a"))

    assert await connection(link) == before
    assert await link(("ECHO", "next")) == [b"next"]


async def test_of_a_transaction_all_is_done_or_none(link: Link) -> None:
    assert await link.transaction(("SET", "a", 1), ("INCR", "a")) == [b"OK", 2]

    with pytest.raises((ResponseError, ExecAbortError)):
        await link.transaction(("SET", "a", 9), ("NO-SUCH-COMMAND",))

    assert await link(("GET", "a")) == [b"2"]


async def test_a_refusal_within_a_transaction_is_raised(link: Link) -> None:
    with pytest.raises(ResponseError, match="not an integer"):
        await link.transaction(("SET", "a", "x"), ("INCR", "a"))


async def test_a_link_that_redis_cut_is_made_anew_and_nobody_notices(
    link: Link, redis: Redis
) -> None:
    before = await connection(link)
    await redis.client_kill_filter(_type="normal", skipme=True)
    await redis.ping()  # by now the end has arrived

    assert await connection(link) != before


async def test_a_call_that_is_given_up_leaves_no_answer_to_the_next(
    link: Link, redis: Redis
) -> None:
    async def is_blocked() -> bool:
        return bool((await redis.info("clients"))["blocked_clients"])

    call = asyncio.create_task(link(("BLPOP", "list", FOR_EVER)))
    await eventually(is_blocked)
    call.cancel()
    await asyncio.wait([call])
    await redis.rpush("list", "late")

    assert call.cancelled()
    assert await link(("ECHO", "next")) == [b"next"]


async def test_a_redis_that_does_not_answer_is_given_up(redis_url: str) -> None:
    short = options() | {"socket_timeout": 0.05}
    async with Redis.from_pool(BlockingConnectionPool.from_url(redis_url, **short)) as redis:
        link = Link(redis.connection_pool)

        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                await link(("BLPOP", "list", FOR_EVER))

        assert await link(("ECHO", "next")) == [b"next"]


async def test_a_redis_that_is_not_there_is_told_as_a_failure_each_time() -> None:
    async with Redis.from_pool(pool(NOWHERE)) as redis:
        link = Link(redis.connection_pool)

        for _ in range(2):
            with pytest.raises(ConnectionError):
                await link(("PING",))


@pytest.fixture
async def watching(redis: Redis) -> AsyncIterator[RedisWatching]:
    """A subscription with little patience, which is kept."""
    watching = RedisWatching(redis, clock=SystemClock(), patience=PATIENCE)
    kept = Periodic(clock=SystemClock())
    kept.keep("listen", PATIENCE, watching.listen)
    yield watching
    await kept.stop()


async def test_a_subscription_that_falls_silent_is_made_anew(
    watching: RedisWatching, redis: Redis
) -> None:
    with watching.watch(an_order().id) as watcher:
        async with asyncio.timeout(10):
            assert await anext(watcher) == Gap()  # the subscription stands

            await redis.client_pause(1000, all=True)

            assert await anext(watcher) == Gap()


async def test_a_subscription_on_which_nothing_happens_is_kept(
    watching: RedisWatching, redis: Redis
) -> None:
    async def pings() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"])

    async def is_asked_often() -> bool:
        return await pings() >= before + 3

    order, feed = an_order(), RedisFeed(redis)
    with watching.watch(order.id) as watcher:
        async with asyncio.timeout(10):
            assert await anext(watcher) == Gap()
            before = await pings()
            await eventually(is_asked_often)

            feed.publish(order)
            await feed.drain()

            assert await anext(watcher) == wire.frame(order)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_url_may_choose_the_protocol(redis_url: str, protocol: int) -> None:
    url, order, hint = f"{redis_url}?protocol={protocol}", an_order(), Hint(an_order().id, AT)
    broker = StreamBroker(url, clock=SystemClock(), slots=1, tick=PATIENCE)
    async with Redis.from_pool(pool(url)) as redis:
        feed, queue, watching = (
            RedisFeed(redis),
            RedisQueue(redis),
            RedisWatching(redis, clock=SystemClock()),
        )
        kept = Periodic(clock=SystemClock())
        await broker.startup()
        try:
            async with asyncio.timeout(10), aclosing(broker.listen()) as messages:
                with watching.watch(order.id) as watcher:
                    kept.keep("listen", PATIENCE, watching.listen)
                    told = [await anext(watcher)]
                    feed.publish(order)
                    told.append(await anext(watcher))
                queue.enqueue([hint])
                message = await anext(messages)
        finally:
            await kept.stop()
            await queue.drain()
            await feed.drain()
            await broker.shutdown()

    assert told == [Gap(), wire.frame(order)]
    assert message.data == encode(hint)
