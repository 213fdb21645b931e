"""taskiq's stream broker, made to lose nothing that it need not and to outlive Redis."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq import AckableMessage
from taskiq_redis import RedisStreamBroker

from orders import observe
from orders.cancelling import end
from orders.consumer import Consumer, Entry, milliseconds
from orders.flush import Flush
from orders.pace import Pace
from orders.ports import Clock
from orders.queue import EPOCH, STREAM
from orders.redis import Link, options

GROUP = "workers"
FETCH_PACE, ACK_PACE = 0.001, 0.005
"""Seconds between calls. Nobody waits for an acknowledgement."""


class StreamBroker(RedisStreamBroker):
    """Fetches no more than may start at once, so nothing waits here that another could start.

    `slots` is how many tasks may run at once. `reclaim_after` is how long an entry may go
    without a sign of life from its consumer before another takes it; it is looked for
    every `tick`, with or without traffic, and signs of life are given as often.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        slots: int,
        stream: str = STREAM,
        epoch: str = EPOCH,
        reclaim_after: timedelta = timedelta(seconds=5),
        tick: timedelta = timedelta(seconds=1),
    ) -> None:
        super().__init__(
            url,
            queue_name=stream,
            consumer_group_name=GROUP,
            consumer_id="0",  # a group that is made late still gets what was sent before it
            xread_block=milliseconds(tick),  # or an idle worker would miss its timer
            max_connection_pool_size=8,
            **options(block=tick),
        )
        self._clock = clock
        self._slots = slots
        self._epoch = epoch
        self._reclaim_after = reclaim_after
        self._tick = tick
        self._redis = Redis(connection_pool=self.connection_pool)
        self._consumer = Consumer(self._redis, stream, GROUP, self.consumer_name)
        self._reading, self._acking = Link(self.connection_pool), Link(self.connection_pool)
        self._acks: Flush[bytes] = Flush(self._acknowledge, self._unacknowledged, pace=ACK_PACE)
        self._fetches = Pace(FETCH_PACE)
        self._in_flight: set[bytes] = set()
        self._slot_free = asyncio.Event()
        self._slot_free.set()
        self._next_reclaim = timedelta(0)
        self._fetched = clock.monotonic()
        self._living: asyncio.Task[None] | None = None

    async def shutdown(self) -> None:
        """Acknowledge what is done, hand back what is not, and leave the group.

        The orders are let go of first, by the handlers of the shutdown event, so that whoever
        gets what is handed back can take them up.
        """
        if self._living:
            await end([self._living])
        await super().shutdown()
        await self._acks.drain()
        if self.is_worker_process:
            try:
                await self._consumer.leave()
            except (RedisError, OSError) as failure:
                observe.redis_failed("leave", failure)
        await self.connection_pool.disconnect()

    def is_stuck(self, patience: timedelta = timedelta(seconds=30)) -> bool:
        """Whether it listens, has free slots, and yet asked for nothing for so long."""
        if self._living is None:
            return False
        idle = self._clock.monotonic() - self._fetched
        return len(self._in_flight) < self._slots and idle > patience

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Messages, as there are slots for them. No failure of Redis ends it.

        What was fetched and not taken when the caller stops is handed back.
        """
        fetching: asyncio.Task[list[Entry]] | None = None
        self._fetched = self._clock.monotonic()
        if self._living is None:  # until shutdown: what runs goes on when listening has ended
            self._living = asyncio.create_task(self._show_life())
        try:
            while True:
                # In a task of its own, or redis-py could lose the cancellation that ends this.
                fetching = asyncio.create_task(self._fetch())
                fetched = await asyncio.shield(fetching)
                while fetched:
                    entry, fields = fetched.pop(0)
                    yield AckableMessage(data=fields.get(b"data", b""), ack=self._ack(entry))
        finally:
            if fetching:
                await asyncio.shield(self._stop(fetching))

    def _ack(self, entry: bytes) -> Callable[[], Awaitable[None]]:
        async def ack() -> None:
            self._forget([entry])
            self._acks([entry])

        return ack

    def _forget(self, entries: Iterable[bytes]) -> None:
        self._in_flight.difference_update(entries)
        if len(self._in_flight) < self._slots:
            self._slot_free.set()

    async def _fetch(self) -> list[Entry]:
        """The next entries, once there is a slot; none after a failure or an idle tick."""
        await self._slot_free.wait()
        await self._fetches.wait()
        self._fetched = self._clock.monotonic()
        free = self._slots - len(self._in_flight)
        try:
            entries = await self._reclaim(free) or await self._read(free)
        except (RedisError, OSError) as failure:
            observe.redis_failed("fetch", failure)
            if _tells_of_loss(failure):
                await self._remake_group()
            await self._clock.sleep(self._tick)
            return []
        self._in_flight.update(entry for entry, _ in entries)
        if len(self._in_flight) >= self._slots:
            self._slot_free.clear()
        return entries

    async def _read(self, free: int) -> list[Entry]:
        (found,) = await self._reading(
            (
                *("XREADGROUP", "GROUP", self.consumer_group_name, self.consumer_name),
                *("COUNT", free, "BLOCK", self.block, "STREAMS", self.queue_name, ">"),
            )
        )
        if not found:
            return []
        ((_, entries),) = found.items() if isinstance(found, dict) else found  # RESP3 or RESP2
        return [
            (entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in entries
        ]

    async def _reclaim(self, free: int) -> list[Entry]:
        """Entries whose consumer gives no sign of life, when it is time to look for them."""
        now = self._clock.monotonic()
        if now < self._next_reclaim:
            return []
        self._next_reclaim = now + self._tick
        entries = await self._consumer.reclaim(self._reclaim_after, free)
        return [entry for entry in entries if entry[0] not in self._in_flight]

    async def _show_life(self) -> None:
        """Keep what is in flight here from being reclaimed."""
        while True:
            await self._clock.sleep(self._tick)
            if not self._in_flight:
                continue
            try:
                await self._consumer.show_life(self._in_flight)
            except (RedisError, OSError) as failure:
                observe.redis_failed("show_life", failure)

    async def _remake_group(self) -> None:
        """Start anew after a loss. The mark goes too, so that the sweep learns of it."""
        try:
            await self._redis.delete(self._epoch)
        except (RedisError, OSError) as failure:
            observe.redis_failed("remake_group", failure)
        else:
            await self._declare_consumer_group()

    async def _declare_consumer_group(self) -> None:
        """Make the group. Without Redis go on, since `listen` keeps trying."""
        with suppress(RedisError, OSError):
            await super()._declare_consumer_group()

    async def _stop(self, fetching: asyncio.Task[list[Entry]]) -> None:
        """End the fetch if it is under way. What is left of its entries is handed back."""
        await end([fetching])
        if not fetching.cancelled() and not fetching.exception():
            await self._hand_back(fetching.result())

    async def _hand_back(self, entries: Sequence[Entry]) -> None:
        """Let anyone start what was fetched here. Else it is reclaimed, in its time."""
        self._forget(entry for entry, _ in entries)
        try:
            await self._consumer.give_back(entries)
        except (RedisError, OSError) as failure:
            observe.redis_failed("hand_back", failure)

    async def _acknowledge(self, entries: Sequence[bytes]) -> None:
        """Acknowledge and delete, both or neither: an entry that is acknowledged and still
        there could never be reclaimed."""
        await self._acking.transaction(
            ("XACK", self.queue_name, self.consumer_group_name, *entries),
            ("XDEL", self.queue_name, *entries),
        )

    def _unacknowledged(self, count: int, failure: Exception | None) -> None:
        """They will be delivered again, and dropped then: their orders have moved."""
        observe.redis_failed("ack", failure or OverflowError(f"{count} entries"))


def _tells_of_loss(failure: Exception) -> bool:
    """Whether the stream is gone, and its hints with it."""
    return isinstance(failure, ResponseError) and str(failure).startswith(("NOGROUP", "UNBLOCKED"))
