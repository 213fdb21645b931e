"""How this engine talks to Redis: with short timeouts, and without retrying on its own."""

import asyncio
import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

A = TypeVar("A", bound=Iterable[Any])

TIMEOUT = timedelta(seconds=5)

Command: TypeAlias = tuple[str | bytes | int, ...]


def pool(url: str, *, size: int = 10, block: timedelta = timedelta(0)) -> BlockingConnectionPool:
    """Connections to the Redis at `url` (`redis://`, `rediss://` or `unix://`).

    redis-py answers a blocking read that outlasts its socket timeout with an error, so the
    timeout is set past `block`, the longest such read.
    """
    return BlockingConnectionPool.from_url(url, max_connections=size, **options(block))


def options(block: timedelta = timedelta(0)) -> dict[str, Any]:
    """What every connection is made with. Callers repeat what is worth repeating, themselves.

    Of RESP3 redis-py makes less: it writes out whole pub/sub messages for a log that nobody
    reads, and its pool does not see that Redis hung up.
    """
    return {
        "socket_timeout": (TIMEOUT + block).total_seconds(),
        "socket_connect_timeout": TIMEOUT.total_seconds(),
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


class Link:
    """A connection of a pool, kept for calls that come so often that to borrow one for each,
    as redis-py does, would cost more than the call.

    Made on first use, and anew whenever it was lost. It is the pool's, which ends it.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._connection: AbstractConnection | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, *commands: Command) -> list[Any]:
        """What Redis answers to each of the commands, which are sent in one piece.

        The answers are as they come, not as redis-py would present them. Raises the first
        that is an error, once all have come; else the next call would read what is left.
        """
        async with self._turn:
            connection = await self._ready()
            await connection.send_packed_command(
                b"".join(pack_command(command) for command in commands)  # type: ignore[arg-type]
            )
            async with asyncio.timeout(connection.socket_timeout):
                return _checked([await _answer(connection) for _ in commands])

    async def transaction(self, *commands: Command) -> list[Any]:
        """The same, and either all commands are done or none."""
        *_, done = await self(("MULTI",), *commands, ("EXEC",))
        return _checked(done)

    async def _ready(self) -> AbstractConnection:
        """The connection, with nothing left to read: an end, say."""
        if self._connection is None:
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        elif self._connection.is_connected and await self._connection.can_read():
            await self._connection.disconnect(nowait=True)
        return self._connection  # it connects as it sends


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as refusal:
        return refusal


def _checked(answers: A) -> A:
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
    return answers
