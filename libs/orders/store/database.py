"""The connection to PostgreSQL: one pool, for Tortoise to read and group commit to write.

Named as a Tortoise backend: Tortoise imports this module by name and takes `client_class`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, copy_context
from datetime import timedelta
from typing import Any, Self, TypeVar

import asyncpg
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.exceptions import BaseORMException, OperationalError

from orders.domain.errors import StoreError, StoreUnavailable, Unstorable
from orders.store.group import Conflict

T = TypeVar("T")

APP = "orders"
STATEMENT_TIMEOUT = timedelta(seconds=10)
CONNECT_TIMEOUT = timedelta(seconds=5)
# Every statement here has an index to go by. While the tables are small the planner would
# rather read them whole, batch after batch.
SESSION = {"application_name": APP, "enable_seqscan": "off"}


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection with nothing to reset: no statement here leaves a session changed.

    asyncpg would else pay one more round trip each time that a connection is returned.
    """

    def get_reset_query(self) -> str:
        return ""


class Database(AsyncpgDBClient):
    """A Tortoise client made from a URL.

    asyncpg reads the URL itself, so every form that it knows works: `sslmode`,
    `sslrootcert`, several hosts, unix sockets. (Tortoise would pass `sslmode` on as a
    keyword, which asyncpg refuses.)
    """

    connection_class = _Connection
    _context: Context

    async def create_pool(self, **options: Any) -> asyncpg.Pool:
        url = self.extra["url"]
        return await asyncpg.create_pool(
            url,
            min_size=options["min_size"],
            max_size=options["max_size"],
            connection_class=options["connection_class"],
            command_timeout=self.extra.get("seconds", STATEMENT_TIMEOUT.total_seconds()),
            timeout=CONNECT_TIMEOUT.total_seconds(),
            server_settings=SESSION,
        )

    async def open(self) -> None:
        """Get ready. Connects on first use, and again whenever the connection is lost."""
        self._context = copy_context()
        await self._in_context(Tortoise.init(config=config("")))

    async def read(self, query: Callable[[Self], Awaitable[T]]) -> T:
        """What a Tortoise query answers; `query` is given the client to use.

        Tortoise 1.1 keeps its state in a context variable, which tasks made elsewhere do
        not see: so every query runs in the context that `open` made.
        """

        async def run() -> T:
            return await query(self)

        with translated():
            return await self._in_context(run())

    async def _in_context(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.create_task(work, context=self._context)

    def in_use(self) -> int:
        """How many connections are in somebody's hands now."""
        pool = self._pool
        return pool.get_size() - pool.get_idle_size() if pool else 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A pooled connection; its failures are raised as the store's errors."""
        with translated():
            async with self.acquire_connection() as connection:
                yield connection

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """The rows of one statement, which is its own transaction."""
        async with self.connection() as connection:
            return list(await connection.fetch(query, *values))


client_class = Database


def config(url: str, *, timeout: timedelta | None = STATEMENT_TIMEOUT) -> dict[str, Any]:
    """Tortoise's configuration for the database at `url`. No statement takes longer than
    `timeout`."""
    seconds = timeout.total_seconds() if timeout else None
    credentials = {"url": url, "minsize": 1, "maxsize": 1, "seconds": seconds}
    return {
        "connections": {"default": {"engine": __name__, "credentials": credentials}},
        "apps": {
            APP: {
                "models": ["orders.store.tables"],
                "migrations": "orders.store.migrations",
                "default_connection": "default",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


@contextmanager
def translated() -> Iterator[None]:
    """Raise what goes wrong with the database as the store's own errors."""
    try:
        yield
    except (StoreError, Conflict):
        raise
    except (
        asyncpg.SerializationError,
        asyncpg.DeadlockDetectedError,
        asyncpg.ForeignKeyViolationError,  # of two keys, one was lost to another process
    ) as failure:
        raise Conflict(str(failure)) from failure
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as failure:
        raise Unstorable(str(failure)) from failure
    except OperationalError as failure:  # what Tortoise makes of several kinds of errors
        guilty = isinstance(failure.__cause__, asyncpg.DataError)
        raise (Unstorable if guilty else StoreUnavailable)(str(failure)) from failure
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # of a connection that dies as it is handed out
        BaseORMException,
        OSError,
        TimeoutError,
    ) as failure:
        raise StoreUnavailable(f"{type(failure).__name__}: {failure}") from failure
