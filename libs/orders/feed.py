"""The feed: every step told to whoever watches, over one Redis channel.

One PUBLISH carries a batch of steps as a JSON array. An API process holds one subscription
and dispatches by order; whenever that subscription is made anew, every watcher is told of a gap.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from orders import observe, wire
from orders.domain.order import Order
from orders.flush import Flush
from orders.ports import Frame, Gap

CHANNEL = "order-engine:steps"
IDLE = timedelta(seconds=1)
"""How long a read waits before the connection's health is looked at."""


class RedisFeed:
    """Fits `orders.ports.Feed`. One batch is on its way at a time, so steps keep their order."""

    def __init__(self, redis: Redis, *, channel: str = CHANNEL) -> None:
        self._redis = redis
        self._channel = channel
        self._flush: Flush[bytes] = Flush(self._send, self._lose)

    def publish(self, order: Order) -> None:
        self._flush([wire.frame(order).body])

    async def drain(self) -> None:
        """Return when all that was published is told or lost."""
        await self._flush.drain()

    async def _send(self, bodies: Sequence[bytes]) -> None:
        await self._redis.publish(self._channel, b"[" + b",".join(bodies) + b"]")

    def _lose(self, count: int, failure: Exception | None) -> None:
        observe.steps_untold(count)
        if failure:
            observe.redis_failed("publish", failure)


class Watcher:
    """What one watcher has not taken yet. Fits `orders.ports.Watch`."""

    def __init__(self, order_id: UUID) -> None:
        self.order_id = order_id
        self.last_seq = 0
        """The last step that is known to be stored."""
        self._told: asyncio.Queue[Frame | Gap] = asyncio.Queue()
        self._heard = False

    def tell(self, what: Frame | Gap) -> None:
        """Add to what is to be taken."""
        self._heard = True
        self._told.put_nowait(what)

    def was_quiet(self) -> bool:
        """Whether nothing was told since this was last asked."""
        was_quiet, self._heard = not self._heard, False
        return was_quiet

    def __aiter__(self) -> AsyncIterator[Frame | Gap]:
        return self

    async def __anext__(self) -> Frame | Gap:
        return await self._told.get()


class _Header(msgspec.Struct):
    """What dispatch needs of a frame; the rest of it is passed on unread."""

    orderId: UUID  # noqa: N815 - the wire's name
    seq: int
    final: bool = False


class RedisWatching:
    """Fits `orders.ports.Watching`. `listen` must run for anything to be told."""

    def __init__(self, redis: Redis, *, channel: str = CHANNEL) -> None:
        self._redis = redis
        self._channel = channel
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._split = msgspec.json.Decoder(list[msgspec.Raw]).decode
        self._header = msgspec.json.Decoder(_Header).decode

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[Watcher]:
        watcher = Watcher(order_id)
        self._watchers.setdefault(order_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[order_id].discard(watcher)
            if not self._watchers[order_id]:
                del self._watchers[order_id]

    def watchers(self) -> list[Watcher]:
        """All that watch now."""
        return [watcher for several in self._watchers.values() for watcher in several]

    async def listen(self) -> None:
        """Stay subscribed until cancelled. Raises when Redis is lost: listen again then."""
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(self._channel)
            while True:
                message = await subscription.get_message(timeout=IDLE.total_seconds())
                if message is None:
                    continue
                if message["type"] == "message":
                    self._dispatch(message["data"])
                elif message["type"] == "subscribe":
                    self._gap()

    def _dispatch(self, batch: bytes) -> None:
        try:
            frames = [(self._header(raw), bytes(raw)) for raw in self._split(batch)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
            observe.redis_failed("decode", failure)
            return self._gap()
        for header, body in frames:
            for watcher in self._watchers.get(header.orderId, ()):
                watcher.tell(Frame(header.seq, header.final, body))

    def _gap(self) -> None:
        for watcher in self.watchers():
            watcher.tell(Gap())
