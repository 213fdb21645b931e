"""An API on a database and a Redis of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from tests.integration.api.serving import Hand, Server, a_hand, serving

Counts = Callable[[], Awaitable[dict[str, int]]]


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    """The settings of an API; a test adds what it is about."""
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LOG_LEVEL": "ERROR"}


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Server]:
    """A server with every setting at its default."""
    async with serving(environment) as server:
        yield server


@pytest.fixture
async def hand(database_url: str, redis_url: str) -> AsyncIterator[Hand]:
    """Steps orders as a worker would."""
    async with a_hand(database_url, redis_url) as stepping:
        yield stepping


@pytest.fixture
async def counts(database_url: str) -> AsyncIterator[Counts]:
    """How many rows the tables that accepting writes to have now."""
    connection = await asyncpg.connect(database_url)

    async def count() -> dict[str, int]:
        tables = ("orders", "order_events", "idempotency_keys")
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in tables}

    yield count
    await connection.close()
