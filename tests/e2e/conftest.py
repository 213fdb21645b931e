"""An engine of the test's own."""

from collections.abc import AsyncIterator

import pytest

from services.cli.servers import Servers
from tests.backing import Backing
from tests.e2e.engine import Engine, an_engine


@pytest.fixture
async def engine(database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    """No process runs yet. Whatever the test starts is ended with it."""
    async with an_engine(database_url, redis_url) as made:
        yield made


@pytest.fixture
async def unmigrated(empty_database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    """The same on a database that has no tables yet."""
    async with an_engine(empty_database_url, redis_url) as made:
        yield made


@pytest.fixture
def embedded(servers: Backing) -> Servers:
    """The servers, which the test may stop and start."""
    if servers.embedded is None:
        pytest.skip(f"the servers, {servers.name}, are not ours to stop")
    return servers.embedded
