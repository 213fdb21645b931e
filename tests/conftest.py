"""The servers that tests run against: embedded ones, a Docker engine's, or those named.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers of your own; the first must be allowed
to create databases, and the second is emptied before each test that uses it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis as blocking
from redis.asyncio import Redis
from sanic import Sanic
from structlog.testing import capture_logs
from structlog.typing import EventDict

from orders import logger
from orders.queue import RedisQueue
from orders.redis import pool
from orders.store.migrate import migrate
from tests.backing import Backing, backing

_numbers = count(1)


def pytest_configure() -> None:
    """A run in a shell's background is deaf to SIGINT, and so would be all that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Backing]:
    """PostgreSQL and Redis for the whole run."""
    with backing() as chosen:
        pytestconfig.stash[_CHOICE] = chosen.name
        yield chosen


_CHOICE = pytest.StashKey[str]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.write_line(f"servers: {config.stash.get(_CHOICE, 'none were needed')}")
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"skipped: {skipped}, each with its reason above")


@pytest.fixture(scope="session")
def template(servers: Backing) -> str:
    """The name of a migrated database, to be copied."""
    name = f"order_engine_template_{os.getpid()}"
    _run(_execute(servers.database_url, f"CREATE DATABASE {name}"))
    _run(migrate(_named(servers.database_url, name)))
    return name


@pytest.fixture
def empty_database_url(servers: Backing) -> Iterator[str]:
    """A database of the test's own, without tables."""
    yield from _database(servers, "template1")


@pytest.fixture
def database_url(servers: Backing, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(servers, template)


@pytest.fixture
def redis_url(servers: Backing) -> str:
    """A Redis that holds nothing."""
    with blocking.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    return servers.redis_url


@pytest.fixture(name="redis")
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client of that Redis, as the engine makes them."""
    client = Redis.from_pool(pool(redis_url))
    yield client
    await client.aclose()


@pytest.fixture
async def queue(redis: Redis) -> AsyncIterator[RedisQueue]:
    """The engine's queue on it."""
    queue = RedisQueue(redis)
    yield queue
    await queue.drain()


@pytest.fixture
def names_free(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sanic keeps every app by its name; in test mode a name may come again."""
    monkeypatch.setattr(Sanic, "test_mode", True)
    yield
    Sanic._app_registry.clear()


@pytest.fixture
def told() -> Iterator[list[EventDict]]:
    """What the engine tells of itself meanwhile, from DEBUG on."""
    before = type(logger.log)
    logger.tell_from("DEBUG")
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        logger.log.__class__ = before


def _run(work: Coroutine[Any, Any, object]) -> None:
    """Run `work` on a loop in a thread of its own: pytest-asyncio minds the main thread's."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _database(servers: Backing, template: str) -> Iterator[str]:
    name = f"order_engine_test_{os.getpid()}_{next(_numbers)}"
    _run(_execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield _named(servers.database_url, name)
    _run(_execute(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)"))


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
