"""The engine's own story, read from PostgreSQL."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg

from orders.domain.lifecycle import Status
from tests.chaos.evidence import Engine, EventRow, OrderRow

PAGE = 5_000
"""Rows that are fetched at a time."""

ORDERS = """
SELECT order_id, client_order_id, status, seq, attempt, dex, input_mint, amount_in, output_mint,
       min_out, actual_out, tx_hash, failure_code
FROM orders
"""

# What a step tells stands under `transaction` once it is signed and under `result` once filled.
EVENTS = """
SELECT order_id, seq, status, attempt, at,
       coalesce(data #>> '{transaction,txHash}', data #>> '{result,txHash}'),
       coalesce(data #>> '{route,minOut}', data #>> '{transaction,minOut}',
                data #>> '{result,minOut}')::bigint,
       (data #>> '{result,actualOut}')::bigint,
       data #>> '{error,code}',
       coalesce((data #>> '{retry,waitMs}')::bigint > 0, FALSE)
FROM order_events
ORDER BY order_id, seq
"""


async def read_engine(database_url: str) -> Engine:
    """Everything that the engine stored, as of one instant. Rows are fetched a page at a time."""
    connection = await asyncpg.connect(database_url)
    orders: dict[UUID, OrderRow] = {}
    events: dict[UUID, list[EventRow]] = {}
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            async for order_id, name, status, *rest in connection.cursor(ORDERS, prefetch=PAGE):
                orders[order_id] = OrderRow(order_id, name, Status(status), *rest)
            async for row in connection.cursor(EVENTS, prefetch=PAGE):
                _append(events, row)
    finally:
        await connection.close()
    return Engine(orders, events)


def _append(events: dict[UUID, list[EventRow]], row: Iterable[Any]) -> None:
    order_id, seq, status, *rest = row
    steps = events.get(order_id)
    if steps is None:
        events[order_id] = [EventRow(order_id, seq, Status(status), *rest)]
    else:  # one id for all steps of an order
        steps.append(EventRow(steps[0].order_id, seq, Status(status), *rest))
