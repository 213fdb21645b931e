"""`demo`: five orders at once through a real engine, live, and what the database says of them."""

import asyncio
import time
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

import asyncpg

from services.cli.board import Board, Row, board
from services.cli.client import NewOrder, place
from services.cli.errors import CliError, TooSlow
from services.cli.local import Engine, engine
from services.cli.stream import steps

PATIENCE = timedelta(seconds=60)
PAUSE = 0.2  # seconds
ORDERS = (
    NewOrder("SOL", "USDC", "1000000000"),
    NewOrder("USDC", "SOL", "150000000"),
    NewOrder("SOL", "JUP", "2500000000"),
    NewOrder("USDT", "BONK", "25000000"),
    NewOrder("mSOL", "SOL", "500000000"),
)
STORED = """
    SELECT order_id, status, dex, expected_out, actual_out, tx_hash,
           (SELECT count(*) FROM order_events WHERE order_id = orders.order_id) AS events
      FROM orders WHERE order_id = ANY($1) ORDER BY array_position($1, order_id)
"""


def run() -> int:
    """Raises `CliError` unless all orders are confirmed in time."""
    started = time.monotonic()
    with engine() as running:
        print(f"\n{len(ORDERS)} orders at once:")
        left = PATIENCE.total_seconds() - (time.monotonic() - started)
        asyncio.run(_in_time(running, left))
    print(f"\nAll {len(ORDERS)} orders confirmed. Everything is stopped and removed.")
    return 0


async def _in_time(running: Engine, seconds: float) -> None:
    start = time.monotonic()
    rows = [Row(order, start) for order in ORDERS]
    try:
        async with asyncio.timeout(seconds):
            ids = await _execute(running, rows)
            await _print_stored(running.database_url, ids)
    except TimeoutError as late:
        at = ", ".join(f"{row.order.pair} is {row.status}" for row in rows)
        raise TooSlow(f"not done within {PATIENCE.total_seconds():g} s: {at}") from late
    failed = [f"{row.order.pair} {_reason(row)}" for row in rows if row.status != "confirmed"]
    if failed:
        raise CliError(f"{len(failed)} of {len(rows)} orders did not confirm: {'; '.join(failed)}")


async def _execute(running: Engine, rows: list[Row]) -> list[str]:
    """The orders' ids, once each has taken its last step. A process that dies ends it at once."""
    with board(rows) as shown:
        guard = asyncio.create_task(_guard(running))
        work = asyncio.create_task(_follow_all(running.api_url, rows, shown))
        both: list[asyncio.Task[Any]] = [guard, work]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and work.exception():  # perhaps because a process has just died
                await asyncio.wait({guard}, timeout=3 * PAUSE)
            return guard.result() if guard.done() else work.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)


async def _guard(running: Engine) -> NoReturn:
    while True:
        running.check()
        await asyncio.sleep(PAUSE)


async def _follow_all(url: str, rows: list[Row], shown: Board) -> list[str]:
    return await asyncio.gather(*(_follow(url, row, shown) for row in rows))


async def _follow(url: str, row: Row, shown: Board) -> str:
    order_id = await place(url, row.order)
    async for step in steps(url, order_id):
        row.add(step)
        shown.show(row)
    return order_id


def _reason(row: Row) -> str:
    error = row.steps[-1][1].get("error") if row.steps else None
    return f"{row.status} ({error['code']}: {error['detail']})" if error else row.status


async def _print_stored(database_url: str, ids: list[str]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        stored = await connection.fetch(STORED, [UUID(order_id) for order_id in ids])
    finally:
        await connection.close()
    print("\nWhat the database holds:")
    for row in stored:
        print(f"  {row['order_id']}  {row['status']}  {row['dex']}  {row['events']} events")
        print(f"    expected_out {row['expected_out']}  actual_out {row['actual_out']}")
        print(f"    tx_hash {row['tx_hash']}")
