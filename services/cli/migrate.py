"""`migrate`: brings the tables up to date."""

import asyncio


async def apply(database_url: str) -> list[str]:
    """The names of the migrations that were missing, in order. Safe to repeat."""
    from orders.store.migrate import migrate

    return await migrate(database_url)


def run(database_url: str) -> int:
    for name in asyncio.run(apply(database_url)) or ["nothing to do"]:
        print(name)
    return 0
