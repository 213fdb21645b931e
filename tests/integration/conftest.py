"""What tests on real servers share."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from sanic import Sanic

from orders.redis import pool


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the Redis that a test is given."""
    client = Redis.from_pool(pool(redis_url))
    yield client
    await client.aclose()


@pytest.fixture(autouse=True)
def names_free(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sanic keeps every app by its name; in test mode a name may come again."""
    monkeypatch.setattr(Sanic, "test_mode", True)
    yield
    Sanic._app_registry.clear()
