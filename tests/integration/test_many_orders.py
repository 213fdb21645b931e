"""What a long backlog and a long past cost: how many orders each statement reads."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from tortoise import Tortoise

from orders.domain.ids import uuid7
from orders.domain.lifecycle import Status
from orders.ports import Filter
from orders.store import find, sql
from orders.store.database import SESSION, config

LEASE, BACKSTOP, LIMIT = timedelta(seconds=5), timedelta(seconds=60), 10
BACKLOG, FINISHED = 20_000, 20_000
LEVELS = 7  # of hints: from 0 to 6

# Half of the backlog was hinted once, ten seconds ago; half of it six times, ten minutes ago. So
# all of it is past its lease, and past the first term of the backstop or before it, and nothing
# of it is lost or overlooked. What is finished is older.
MANY = f"""
INSERT INTO orders (order_id, input_mint, output_mint, amount_in, status, seq, attempt,
                    slippage_bps, created_at, hints, wake_at, owner)
SELECT uuid, 'a', 'b', 1, 'received', 1, 1, 50, now() - interval '1 hour',
       CASE n % 2 WHEN 0 THEN 1 ELSE 6 END,
       now() + interval '5 seconds' - CASE n % 2 WHEN 0 THEN interval '10 seconds'
                                                 ELSE interval '10 minutes' END,
       'public'
FROM unnest($1::uuid[]) WITH ORDINALITY AS made (uuid, n) WHERE n > {FINISHED};
"""
PAST = f"""
INSERT INTO orders (order_id, input_mint, output_mint, amount_in, status, seq, attempt,
                    slippage_bps, created_at, actual_out, lease, owner)
SELECT uuid, 'a', 'b', 1, 'confirmed', 5, 1, 50, now() - interval '2 hours', 1, 1, 'public'
FROM unnest($1::uuid[]) WITH ORDINALITY AS made (uuid, n) WHERE n <= {FINISHED};
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """As the store connects to it, with many orders in it."""
    connection = await asyncpg.connect(database_url, server_settings=SESSION)
    now = await connection.fetchval("SELECT now()")
    ids = [uuid7(now + timedelta(milliseconds=n)) for n in range(FINISHED + BACKLOG)]
    await connection.execute(PAST, ids)
    await connection.execute(MANY, ids)
    await connection.execute("ANALYZE orders")
    yield connection
    await connection.close()


@pytest.fixture
async def oldest(database: asyncpg.Connection) -> datetime:
    """The time of the oldest hint that the queue holds: none is lost."""
    oldest: datetime = await database.fetchval("SELECT now() - interval '1 day'")
    return oldest


async def test_a_backlog_that_waits_in_the_queue_is_not_read_by_the_sweep(
    database: asyncpg.Connection, oldest: datetime
) -> None:
    due = await _read(database, sql.DUE, LEASE, LIMIT, oldest, None)
    overlooked = await _read(database, sql.OVERLOOKED, LEASE, LIMIT, BACKSTOP)
    unsettled = await _read(database, sql.UNSETTLED, LIMIT)

    assert (due, overlooked, unsettled) == (0, 0, 0)


async def test_of_a_backlog_that_was_lost_a_pass_reads_what_it_takes(
    database: asyncpg.Connection,
) -> None:
    due = await _read(database, sql.DUE, LEASE, LIMIT, None, None)
    overlooked = await _read(database, sql.OVERLOOKED, LEASE, LIMIT, timedelta(seconds=1))

    assert LIMIT <= due <= LEVELS * LIMIT + LIMIT
    assert LIMIT <= overlooked <= LEVELS * LIMIT + LIMIT


async def test_a_survey_reads_no_more_than_it_counts(
    database: asyncpg.Connection,
) -> None:
    read = await _read(database, sql.SURVEY, LIMIT, timedelta(minutes=1))

    assert read <= 100 + 100 + LEVELS * LIMIT + LIMIT


@pytest.mark.parametrize("status", [None, *Status])
async def test_a_list_by_status_reads_no_more_than_its_page(
    database: asyncpg.Connection, database_url: str, status: Status | None
) -> None:
    context = await Tortoise.init(config=config(database_url))
    page = find.query(Filter("public", status=status)).limit(LIMIT).sql(params_inline=True)
    await context.close_connections()

    assert await _read(database, page) <= LIMIT


async def _read(database: asyncpg.Connection, statement: str, *values: Any) -> int:
    """How many orders the statement looks at, whether or not it takes them."""
    async with database.transaction():
        plan = await database.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    return _rows(json.loads(plan)[0]["Plan"])


def _rows(node: dict[str, Any]) -> int:
    looked_at = 0.0
    if node.get("Relation Name") == "orders" and "Scan" in node["Node Type"]:
        rejected = (node.get(f"Rows Removed by {by}", 0) for by in ("Filter", "Index Recheck"))
        looked_at = (node["Actual Rows"] + sum(rejected)) * node["Actual Loops"]
    return round(looked_at + sum(_rows(below) for below in node.get("Plans", [])))
