"""The queue of hints: entries of a Redis stream, each one a taskiq task.

An entry is deleted with its acknowledgement, so the stream's length is the backlog and its
first entry is the oldest work that Redis still knows. What Redis loses, the sweep makes up for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orders import observe
from orders.flush import Flush
from orders.ports import Hint, Horizon
from orders.redis import Link

STREAM = "order-engine:queue"
EPOCH = "order-engine:epoch"
TASK = "orders.execute"

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Message(msgspec.Struct):
    """A task as taskiq writes it: its own format, made without its cost."""

    task_id: str
    task_name: str
    labels: dict[str, Any]
    labels_types: None
    args: tuple[str, int]
    kwargs: dict[str, Any]


_decode = msgspec.json.Decoder(_Message).decode


def encode(hint: Hint) -> bytes:
    """The task `TASK(order_id, hinted_at)`, the time in microseconds since 1970 UTC."""
    microseconds = (hint.at - _FIRST) // _MICROSECOND
    arguments = (str(hint.order_id), microseconds)
    carried = {"traceparent": hint.traceparent} if hint.traceparent else {}
    return msgspec.json.encode(_Message(hint.order_id.hex, TASK, {}, None, arguments, carried))


def arguments(message: bytes) -> tuple[str, int, str | None] | None:
    """What `TASK` was called with: order, time, `traceparent`. None if this is no such message."""
    try:
        decoded = _decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if decoded.task_name != TASK:
        return None
    traceparent = decoded.kwargs.get("traceparent")
    return (*decoded.args, traceparent if isinstance(traceparent, str) else None)


def instant(microseconds: int) -> datetime:
    """The time that a message carries."""
    return _FIRST + microseconds * _MICROSECOND


class RedisQueue:
    """Fits `orders.ports.Queue`."""

    def __init__(self, redis: Redis, *, stream: str = STREAM, epoch: str = EPOCH) -> None:
        self._redis = redis
        self._link = Link(redis.connection_pool)
        self._stream = stream
        self._epoch = epoch
        self._flush: Flush[Hint] = Flush(self._send, self._lose)

    def enqueue(self, hints: Sequence[Hint]) -> None:
        self._flush(hints)

    async def drain(self) -> None:
        """Return when all that was enqueued is sent or lost."""
        await self._flush.drain()

    async def horizon(self) -> Horizon | None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.exists(self._epoch)
                pipe.xrange(self._stream, count=1)
                pipe.xlen(self._stream)
                known, first, length = await pipe.execute()
        except (RedisError, OSError) as failure:
            observe.redis_failed("horizon", failure)
            return None
        observe.backlog(length)
        return Horizon(_hinted_at(first[0][1]) if first else None, lost=not known)

    async def mark(self) -> None:
        """Redis forgets this mark with all else, and a broker that finds its group gone
        takes it away."""
        try:
            await self._redis.set(self._epoch, "1")
        except (RedisError, OSError) as failure:
            observe.redis_failed("mark", failure)

    async def _send(self, hints: Sequence[Hint]) -> None:
        await self._link(*[("XADD", self._stream, "*", "data", encode(hint)) for hint in hints])

    def _lose(self, count: int, failure: Exception | None) -> None:
        observe.hints_dropped(count)
        if failure:
            observe.redis_failed("enqueue", failure)


def _hinted_at(fields: dict[bytes, bytes]) -> datetime:
    """The time that an entry carries; of one that is not ours, a time before all."""
    try:
        called_with = arguments(fields[b"data"])
        return instant(called_with[1]) if called_with else _FIRST
    except (KeyError, OverflowError):
        return _FIRST
