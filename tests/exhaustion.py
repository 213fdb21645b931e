"""PostgreSQL without a connection to spare."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import asyncpg

from tests.eventually import eventually

TAKEN_WITHIN = timedelta(seconds=60)
"""A race for each slot against the engine's own pools: the slower the machine, the longer."""


@asynccontextmanager
async def no_connection_left(database_url: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """All of PostgreSQL's connections are taken, those of the engine's processes too.

    Gives what frees them again.
    """
    async with AsyncExitStack() as taken:
        connections: list[asyncpg.Connection] = []
        first = await asyncpg.connect(database_url)
        taken.push_async_callback(first.close)

        async def free() -> None:
            await asyncio.gather(*(each.close() for each in connections))

        async def take() -> None:
            while True:
                try:
                    connections.append(await asyncpg.connect(database_url))
                except asyncpg.TooManyConnectionsError:
                    return

        ours = "FROM pg_stat_activity WHERE application_name = 'orders'"

        async def none_of_ours() -> bool:
            await first.execute(f"SELECT pg_terminate_backend(pid) {ours}")
            await asyncio.gather(*(take() for _ in range(8)))
            return bool(await first.fetchval(f"SELECT count(*) {ours}") == 0)

        taken.push_async_callback(free)
        await take()
        await eventually(none_of_ours, TAKEN_WITHIN)
        yield free
