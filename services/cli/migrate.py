"""`migrate`: brings the tables up to date."""

import asyncio

from services.cli.errors import CliError


async def apply(database_url: str) -> list[str]:
    """The names of the migrations that were missing, in order. Safe to repeat.

    Raises `CliError`.
    """
    from orders.domain.errors import StoreError
    from orders.store.migrate import migrate

    try:
        return await migrate(database_url)
    except (StoreError, ValueError) as failure:
        raise CliError(f"the database could not be brought up to date: {failure}") from failure


def run(database_url: str) -> int:
    for name in asyncio.run(apply(database_url)) or ["nothing to do"]:
        print(name)
    return 0
