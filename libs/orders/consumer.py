"""One consumer of the queue, as Redis knows it: what is pending there, and how it leaves."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TypeAlias

from redis.asyncio import Redis

Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]
"""An entry's id and its fields."""


class Consumer:
    """The consumer `name` of `group`. Every call raises what Redis or the network does."""

    def __init__(self, redis: Redis, stream: str, group: str, name: str) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._name = name
        self._cursor: bytes | str = "0-0"

    async def reclaim(self, idle: timedelta, count: int) -> list[Entry]:
        """At most `count` entries whose consumers gave no sign of life for `idle`: they are ours
        now. Each call goes on where the last one ended."""
        self._cursor, entries, *_ = await self._redis.xautoclaim(
            self._stream,
            self._group,
            self._name,
            min_idle_time=milliseconds(idle),
            start_id=self._cursor,
            count=count,
        )
        return list(entries)

    async def show_life(self, entries: Collection[bytes]) -> None:
        """Keep these entries of ours from being reclaimed."""
        await self._redis.xclaim(
            self._stream,
            self._group,
            self._name,
            min_idle_time=0,
            message_ids=list(entries),
            justid=True,
        )

    async def give_back(self, entries: Sequence[Entry]) -> None:
        """Put entries at the end of the stream, where they are nobody's."""
        if not entries:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            for entry, fields in entries:
                pipe.xadd(self._stream, fields)  # type: ignore[arg-type]
                pipe.xack(self._stream, self._group, entry)
                pipe.xdel(self._stream, entry)
            await pipe.execute()

    async def leave(self) -> None:
        """Give back what is still pending here: tasks that were not waited for, and entries
        whose delivery was cut off.

        Only then may the consumer go, since an entry that goes with it stays in the stream
        and is never delivered again.
        """
        pending = await self._redis.xpending_range(
            self._stream, self._group, min="-", max="+", count=10_000, consumername=self._name
        )
        async with self._redis.pipeline(transaction=False) as pipe:
            for each in pending:
                pipe.xrange(self._stream, each["message_id"], each["message_id"])
            kept: list[list[Entry]] = await pipe.execute()
        await self.give_back([entry for found in kept for entry in found])
        await self._redis.xgroup_delconsumer(self._stream, self._group, self._name)


def milliseconds(length: timedelta) -> int:
    """As Redis wants it."""
    return int(length.total_seconds() * 1000)
