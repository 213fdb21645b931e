"""What one would write at first: a row at a time to PostgreSQL, and one PUBLISH for each step.

It keeps orders as safe as the engine does, by the same guards, except that it does not count
crashes.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from redis.asyncio import Redis

from benchmarks.baselines.ungrouped import UngroupedStore
from orders.domain.errors import StaleOrder
from orders.domain.order import Order
from orders.feed import RedisFeed
from orders.flush import Flush
from orders.ports import Added, Key
from orders.store import rows

INSERT = """
INSERT INTO orders (order_id, owner, client_order_id, input_mint, output_mint, amount_in,
                    slippage_bps, min_out, status, seq, attempt, hints, wake_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'received', 1, 1, 1, now() + $9::interval)
RETURNING created_at AS at
"""
UPDATE = """
UPDATE orders SET
    status = $2, seq = $3, attempt = $4, tries = $5, dex = $6, tx_hash = $7, expected_out = $8,
    min_out = $9, actual_out = $10, failure_code = $11, failure_reason = $12, updated_at = now(),
    hints = 0, crashes = 0, lease = lease + $13, held = NOT $14 AND $15::interval IS NULL,
    wake_at = CASE
        WHEN $14 THEN NULL
        WHEN $15::interval IS NOT NULL THEN now() + $15
        WHEN wake_at BETWEEN now() + $16::interval / 2 AND now() + $16 THEN wake_at
        ELSE now() + $16 END
WHERE order_id = $1 AND seq = $3 - 1 AND status NOT IN ('confirmed', 'failed')
  AND CASE WHEN $13 > 0 THEN NOT held OR wake_at <= now() ELSE held AND lease = $17 END
RETURNING lease, crashes, updated_at AS at
"""
UPDATED = (
    *("order_id", "status", "seq", "attempt", "tries", "dex", "tx_hash", "expected_out"),
    *("min_out", "actual_out", "failure_code", "failure_reason", "claim", "final", "wait"),
)
EVENT = """
INSERT INTO order_events (order_id, seq, status, attempt, data, at)
VALUES ($1, $2, $3, $4, $5::text::jsonb, now())
"""
EVENTS = ("order_id", "seq", "status", "attempt", "data")
SIGNED = """
INSERT INTO order_attempts (order_id, attempt, dex, tx_hash, expected_out, min_out, raw_tx,
                            last_valid_height, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'live')
"""
SIGN = (
    *("order_id", "attempt", "dex", "tx_hash", "expected_out", "min_out", "raw_tx"),
    "last_valid_height",
)
SETTLED = "UPDATE order_attempts SET state = $3 WHERE order_id = $1 AND attempt = $2"
SETTLE = ("order_id", "closes", "fate")


class PlainStore(UngroupedStore):
    """Fits `orders.ports.Store`: a transaction with a statement for each row."""

    async def get(self, order_id: UUID) -> Order | None:
        (found,) = await self._get_all([order_id])
        assert found is None or isinstance(found, Order)
        return found

    async def add(self, order: Order, keys: Sequence[Key], fingerprint: str) -> Added:
        if keys:
            return await super().add(order, keys, fingerprint)
        row = dict(zip(rows.INSERT, rows.insert(order, 0), strict=True))
        data = row.pop("data")
        del row["keys"]
        async with self._database.connection() as connection, connection.transaction():
            at = await connection.fetchval(INSERT, *row.values(), self._lease)
            await connection.execute(EVENT, order.id, 1, order.status.value, order.attempt, data)
        return Added(replace(order, created_at=at, updated_at=at), replayed=False)

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        row = dict(zip(rows.STEP, rows.step(order, claim), strict=True))
        async with self._database.connection() as connection, connection.transaction():
            won = await connection.fetchrow(UPDATE, *_of(row, UPDATED), self._lease, order.lease)
            if won is None:
                raise StaleOrder(f"order {order.id} has moved on")
            await connection.execute(EVENT, *_of(row, EVENTS))
            if row["raw_tx"] is not None:
                await connection.execute(SIGNED, *_of(row, SIGN))
            if row["closes"] is not None:
                await connection.execute(SETTLED, *_of(row, SETTLE))
        return replace(order, lease=won["lease"], crashes=won["crashes"], updated_at=won["at"])


class PlainFeed(RedisFeed):
    """Fits `orders.ports.Feed`."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._flush = Flush(self._send, self._lose, most=1)


def _of(row: dict[str, Any], names: Sequence[str]) -> list[Any]:
    return [row[name] for name in names]
