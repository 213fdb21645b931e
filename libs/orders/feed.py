"""The feed: every step told to whoever watches, over one Redis channel.

One PUBLISH carries a batch of steps as a JSON array. An API process holds one subscription
and dispatches by order; whenever that subscription is made anew, every watcher is told of a gap.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from orders import observe, wire
from orders.domain.order import Order
from orders.flush import Flush
from orders.ports import Clock, Frame, Gap
from orders.redis import TIMEOUT, Link

CHANNEL = "order-engine:steps"


class RedisFeed:
    """Fits `orders.ports.Feed`. One batch is on its way at a time, so steps keep their order."""

    def __init__(self, redis: Redis, *, channel: str = CHANNEL) -> None:
        self._link = Link(redis.connection_pool)
        self._channel = channel
        self._flush: Flush[bytes] = Flush(self._send, self._lose)

    def publish(self, order: Order) -> None:
        self._flush([wire.frame(order).body])

    async def drain(self) -> None:
        """Return when all that was published is told or lost."""
        await self._flush.drain()

    async def _send(self, bodies: Sequence[bytes]) -> None:
        await self._link(("PUBLISH", self._channel, b"[" + b",".join(bodies) + b"]"))

    def _lose(self, count: int, failure: Exception | None) -> None:
        observe.steps_untold(count)
        if failure:
            observe.redis_failed("publish", failure)


class Watcher:
    """What one watcher has not taken yet. Fits `orders.ports.Watch`."""

    __slots__ = ("_heard", "_nudged", "_told", "_waiting", "last_seq", "order_id")

    def __init__(self, order_id: UUID) -> None:
        self.order_id = order_id
        self.last_seq = 0
        """The last step that is known to be stored."""
        self._told: list[Frame | Gap] = []
        self._waiting: asyncio.Future[None] | None = None
        self._heard = False
        self._nudged = False

    def tell(self, what: Frame | Gap) -> None:
        """Add to what is to be taken."""
        self._heard = True
        self._told.append(what)
        self._wake()

    def nudge(self) -> None:
        """Let whoever waits go on, though nothing is told."""
        self._nudged = True
        self._wake()

    def was_quiet(self) -> bool:
        """Whether nothing was told since this was last asked."""
        was_quiet, self._heard = not self._heard, False
        return was_quiet

    async def next(self) -> Frame | Gap | None:
        """What is told next; None after a nudge."""
        while not self._told and not self._nudged:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self._told:
            return self._told.pop(0)
        self._nudged = False
        return None

    def __aiter__(self) -> AsyncIterator[Frame | Gap]:
        return self

    async def __anext__(self) -> Frame | Gap:
        while (told := await self.next()) is None:
            pass
        return told

    def _wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)


class _Header(msgspec.Struct):
    """What dispatch needs of a frame; the rest of it is passed on unread."""

    orderId: str  # noqa: N815 - the wire's name
    seq: int
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    final: bool = False


class RedisWatching:
    """Fits `orders.ports.Watching`. `listen` must run for anything to be told.

    Redis is asked for a sign of life when nothing came for `patience`, and given up when
    nothing has come for as long again.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        clock: Clock,
        channel: str = CHANNEL,
        patience: timedelta = TIMEOUT,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._channel = channel
        self._patience = patience
        self._watchers: dict[str, set[Watcher]] = {}
        self._all: set[Watcher] = set()
        self._headers = msgspec.json.Decoder(list[_Header]).decode
        self._split = msgspec.json.Decoder(list[msgspec.Raw]).decode

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[Watcher]:
        watcher, named = Watcher(order_id), str(order_id)
        self._watchers.setdefault(named, set()).add(watcher)
        self._all.add(watcher)
        try:
            yield watcher
        finally:
            self._all.discard(watcher)
            self._watchers[named].discard(watcher)
            if not self._watchers[named]:
                del self._watchers[named]

    def watchers(self) -> list[Watcher]:
        """All that watch now."""
        return list(self._all)

    async def listen(self) -> None:
        """Stay subscribed until cancelled. Raises when Redis is lost: listen again then."""
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(self._channel)
            is_asked = False
            while True:
                # `get_message` would take twice as long to do the same.
                message = await subscription.connection.read_response(
                    timeout=self._patience.total_seconds(), push_request=True
                )
                match message:
                    case [b"message", _, batch]:
                        self._dispatch(batch)
                    case [b"subscribe", *_]:
                        self._gap()
                    case None if is_asked:
                        raise TimeoutError("Redis gave no sign of life")
                    case None:
                        await subscription.ping()
                is_asked = message is None

    def _dispatch(self, batch: bytes) -> None:
        """Tell those who watch. Most steps are watched by nobody: these are not even copied."""
        try:
            headers = self._headers(batch)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
            observe.redis_failed("decode", failure)
            return self._gap()
        if headers:
            observe.heard(headers[-1].at, self._clock.now())
        watched = [n for n, header in enumerate(headers) if header.orderId in self._watchers]
        bodies = self._split(batch) if watched else []
        for n in watched:
            frame = Frame(headers[n].seq, headers[n].final, bytes(bodies[n]))
            for watcher in self._watchers[headers[n].orderId]:
                watcher.tell(frame)

    def _gap(self) -> None:
        for watcher in self.watchers():
            watcher.tell(Gap())
