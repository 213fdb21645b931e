"""Servers that take nothing but TLS, by every URL form that the settings promise."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orders.broker import StreamBroker
from orders.clock import SystemClock
from orders.domain.errors import StoreUnavailable
from orders.feed import RedisFeed, RedisWatching
from orders.ports import Frame, Hint
from orders.queue import RedisQueue
from orders.redis import pool
from orders.settings import Settings
from orders.store import PostgresStore
from orders.store.migrate import migrate
from tests.e2e.engine import STORY, an_engine, statuses, story
from tests.factories import an_order
from tests.tls import Secured, secured


class Told:
    """Says at the end of the run which servers there were."""

    def __init__(self, choice: str) -> None:
        self._choice = choice

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"TLS: {self._choice}")


@pytest.fixture(scope="module")
def tls(pytestconfig: pytest.Config) -> Iterator[Secured]:
    with secured() as both:
        pytestconfig.pluginmanager.register(Told(both.choice))
        yield both


@pytest.fixture
async def empty_redis(tls: Secured) -> None:
    async with Redis.from_url(f"{tls.redis_url}?ssl_cert_reqs=none") as redis:
        await redis.flushall()


def postgres_urls(tls: Secured) -> dict[str, str]:
    """Those that must work."""
    return {
        "require": f"{tls.database_url}?sslmode=require",
        "verify-ca": f"{tls.database_url}?sslmode=verify-ca&sslrootcert={tls.authority}",
        "verify-full": f"{tls.database_url}?sslmode=verify-full&sslrootcert={tls.authority}",
    }


def redis_urls(tls: Secured) -> dict[str, str]:
    """Those that must work."""
    return {
        "authority": f"{tls.redis_url}?ssl_ca_certs={tls.authority}",
        "unverified": f"{tls.redis_url}?ssl_cert_reqs=none",
    }


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_tables_are_made_and_orders_stored_over_tls(tls: Secured, mode: str) -> None:
    url = postgres_urls(tls)[mode]
    await migrate(url)
    store = PostgresStore(url)
    await store.open()
    try:
        order = an_order(id=uuid4())
        await store.add(order, [], order.id.hex)

        found = await store.get(order.id)
        steps = await store.history(order.id)
    finally:
        await store.close()

    assert found is not None
    assert found.id == order.id
    assert [step.seq for step in steps] == [1]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("plain", "no encryption|takes TLS connections only|unexpected connection_lost|closed"),
        ("wrong authority", "CERTIFICATE_VERIFY_FAILED"),
        ("wrong name", "CERTIFICATE_VERIFY_FAILED"),
    ],
)
async def test_postgresql_is_not_reached_without_the_right_trust(
    tls: Secured, how: str, said: str
) -> None:
    url = {
        "plain": f"{tls.database_url}?sslmode=disable",
        "wrong authority": f"{tls.database_url}?sslmode=verify-full&sslrootcert={tls.stranger}",
        "wrong name": f"{tls.database_url}?sslmode=verify-full&sslrootcert={tls.authority}".replace(
            "127.0.0.1", "localhost"
        ),
    }[how]
    store = PostgresStore(url)
    await store.open()
    try:
        with pytest.raises(StoreUnavailable, match=said):
            await store.ping()
        with pytest.raises(StoreUnavailable, match=said):
            await migrate(url)
    finally:
        await store.close()


@pytest.mark.usefixtures("empty_redis")
@pytest.mark.parametrize("trust", ["authority", "unverified"])
async def test_hints_and_steps_go_over_tls(tls: Secured, trust: str) -> None:
    url = redis_urls(tls)[trust]
    redis = Redis.from_pool(pool(url))
    queue, feed, watching = (
        RedisQueue(redis),
        RedisFeed(redis),
        RedisWatching(redis, clock=SystemClock()),
    )
    order = an_order(id=uuid4())
    broker = StreamBroker(url, clock=SystemClock(), slots=1, tick=timedelta(seconds=0.1))
    listening = asyncio.create_task(watching.listen())
    try:
        with watching.watch(order.id) as watcher:
            async with asyncio.timeout(10):
                await anext(watcher)  # a gap: the subscription stands
                feed.publish(order)
                told = await anext(watcher)
        await broker.startup()
        queue.enqueue([Hint(order.id, SystemClock().now())])
        async with asyncio.timeout(10), aclosing(broker.listen()) as messages:
            message = await anext(messages)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await queue.drain()
        await feed.drain()
        await broker.shutdown()
        await redis.aclose()

    assert isinstance(told, Frame)
    assert told.seq == 1
    assert str(order.id).encode() in message.data


@pytest.mark.parametrize("how", ["plain", "wrong authority", "no authority"])
async def test_redis_is_not_reached_without_the_right_trust(tls: Secured, how: str) -> None:
    url = {
        "plain": tls.redis_url.replace("rediss://", "redis://"),
        "wrong authority": f"{tls.redis_url}?ssl_ca_certs={tls.stranger}",
        "no authority": tls.redis_url,
    }[how]
    async with Redis.from_pool(pool(url)) as redis:
        with pytest.raises((RedisError, OSError)):
            await redis.ping()
        assert await RedisQueue(redis).horizon() is None


@pytest.mark.usefixtures("empty_redis")
async def test_an_order_goes_all_the_way_over_tls(tls: Secured) -> None:
    database_url, redis_url = postgres_urls(tls)["verify-full"], redis_urls(tls)["authority"]
    await migrate(database_url)
    async with an_engine(database_url, redis_url) as engine:
        await engine.whole()
        order_id = await engine.place()
        async with engine.stream(order_id) as socket:
            steps, code = await story(socket)
        encrypted = await engine.one(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE application_name = 'orders' AND NOT ssl"
        )

    assert (statuses(steps), code) == (STORY, 1000)
    assert encrypted == 0 or "PostgreSQL behind a terminator" in tls.choice


def test_settings_take_every_form_that_works(tls: Secured) -> None:
    for database_url in postgres_urls(tls).values():
        for redis_url in redis_urls(tls).values():
            read = Settings.read({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
            assert (read.database_url, read.redis_url) == (database_url, redis_url)


async def test_the_server_itself_refuses_a_plain_connection(tls: Secured) -> None:
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await asyncpg.connect(f"{tls.database_url}?sslmode=disable", timeout=5)
