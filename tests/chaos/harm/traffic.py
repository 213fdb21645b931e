"""Harm to what comes in from outside: the queue's messages, and the venues' answers."""

import asyncio
from datetime import UTC, datetime
from random import Random
from uuid import UUID

from orders.ports import Hint
from orders.queue import STREAM, encode
from tests.chaos.harm import Faults
from tests.chaos.stage import Stage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Traffic:
    """Repeats, shuffles and poisons messages, and lets the venues of `stage` run wild."""

    def __init__(self, stage: Stage, dice: Random) -> None:
        self._stage = stage
        self._dice = dice

    def faults(self) -> Faults:
        """Every fault by name."""
        return {
            "hints duplicated and reordered": self._repeat_hints,
            "queue poisoned": self._poison_queue,
            "venues out of order": self._storm,
        }

    async def _repeat_hints(self) -> None:
        """Up to 200 open orders and 100 finished ones, ten times over and shuffled."""
        async with self._stage.postgres() as connection:
            rows = await connection.fetch(
                "(SELECT order_id, now() AS at FROM orders WHERE wake_at IS NOT NULL LIMIT 200)"
                " UNION ALL (SELECT order_id, created_at FROM orders WHERE wake_at IS NULL"
                " ORDER BY 1 DESC LIMIT 100)"
            )
        hints = [Hint(row["order_id"], row["at"]) for row in rows] * 10
        self._dice.shuffle(hints)
        await self._add([{b"data": encode(hint)} for hint in hints])

    async def _poison_queue(self) -> None:
        unknown = Hint(UUID(int=self._dice.getrandbits(128)), NOON)
        await self._add(
            [
                {b"data": b"\xff\x00garbage"},
                {b"other": b"field"},
                {b"data": b'{"task_id": 1}'},
                {b"data": encode(unknown)},
                {b"data": encode(unknown).replace(b"orders.execute", b"nobody.knows")},
            ]
            * 20
        )

    async def _add(self, entries: list[dict[bytes, bytes]]) -> None:
        async with self._stage.redis() as redis, redis.pipeline(transaction=False) as pipe:
            for fields in entries:
                pipe.xadd(STREAM, fields)  # type: ignore[arg-type]
            await pipe.execute()

    async def _storm(self) -> None:
        """Everything that venues do wrong, ten times as often."""
        async with self._stage.troubled(lambda _, rate: min(1, 10 * rate)):
            await asyncio.sleep(self._dice.uniform(2, 6))
