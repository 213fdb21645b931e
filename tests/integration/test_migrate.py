"""`python -m services.worker.migrate`, as a deployment runs it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from errno import ECONNREFUSED
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from orders.store.migrate import LOCK
from services.cli.ports import free_port
from tests.eventually import eventually
from tests.paths import PYTHONPATH, ROOT

PASSWORD = "sEcr3t"
APPLIED = "orders.0001_orders\norders.0002_indexes\n"
FAILED = "order-engine migrate: the database could not be brought up to date: "
EXPECTS = (
    "expects a URL that starts with postgresql:// or postgres://, with a port that is a number\n"
)
WAITING = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    output: str
    errors: str


@asynccontextmanager
async def started(settings: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A migration that knows no other settings. It does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.worker.migrate"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, **settings},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def end(process: asyncio.subprocess.Process) -> Ended:
    """How it ends by itself."""
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, output.decode(), errors.decode())


async def migrate(**settings: str) -> Ended:
    """How a migration with these settings ends."""
    async with started(settings) as process:
        return await end(process)


def with_secret(url: str, **parts: str) -> str:
    """`url` with a password, and with other parts."""
    split = urlsplit(url)
    host = parts.pop("netloc", split.netloc.rpartition("@")[2])
    return urlunsplit(split._replace(netloc=f"postgres:{PASSWORD}@{host}", **parts))


async def test_it_needs_one_setting_tells_what_it_applied_and_is_safe_to_repeat(
    empty_database_url: str,
) -> None:
    first = await migrate(DATABASE_URL=empty_database_url, LEASE_SECONDS="not read here")
    second = await migrate(DATABASE_URL=empty_database_url)

    assert first == Ended(0, APPLIED, "")
    assert second == Ended(0, "nothing to do\n", "")


async def test_two_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    ended = await asyncio.gather(*(migrate(DATABASE_URL=empty_database_url) for _ in range(2)))

    assert sorted(each.output for each in ended) == ["nothing to do\n", APPLIED]
    assert [(each.code, each.errors) for each in ended] == [(0, ""), (0, "")]


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    port = free_port()
    url = f"postgresql://user:{PASSWORD}@127.0.0.1:{port}/orders"

    ended = await migrate(DATABASE_URL=url)

    where = f"[Errno {ECONNREFUSED}] Connect call failed ('127.0.0.1', {port})"
    refused = f"ConnectionRefusedError: {where}\n"
    assert ended == Ended(1, "", FAILED + refused)


async def test_a_database_that_is_not_there_is_told_without_the_password(
    empty_database_url: str,
) -> None:
    ended = await migrate(DATABASE_URL=with_secret(empty_database_url, path="/nowhere"))

    missing = 'InvalidCatalogNameError: database "nowhere" does not exist\n'
    assert ended == Ended(1, "", FAILED + missing)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, f"is missing; {EXPECTS}"),
        ({"DATABASE_URL": ""}, EXPECTS),
        ({"DATABASE_URL": f"mysql://user:{PASSWORD}@127.0.0.1/orders"}, EXPECTS),
        ({"DATABASE_URL": f"postgresql://user:{PASSWORD}@127.0.0.1:port/orders"}, EXPECTS),
    ],
)
async def test_a_url_that_makes_no_sense_is_named_and_not_shown(
    settings: dict[str, str], told: str
) -> None:
    ended = await migrate(**settings)

    assert ended == Ended(2, "", f"order-engine migrate: DATABASE_URL: {told}")


async def test_told_to_stop_it_leaves_the_database_as_it_was(empty_database_url: str) -> None:
    other = await asyncpg.connect(empty_database_url)
    await other.execute("SELECT pg_advisory_lock($1)", LOCK)

    async with started({"DATABASE_URL": empty_database_url}) as process:
        await eventually(lambda: other.fetchval(WAITING))
        process.terminate()
        ended = await end(process)
    tables = await other.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    await other.close()

    assert ended == Ended(
        1, "", "order-engine migrate: told to stop; what was not finished is undone\n"
    )
    assert tables == 0
