"""Brings a database to the schema of this release. Run by one job before a release starts."""

import asyncpg
from tortoise import Tortoise
from tortoise.migrations.api import migrate as apply

from orders.domain.errors import StoreUnavailable
from orders.store.database import config, translated
from orders.store.group import Conflict

LOCK = 0x6F72_6465_7273  # "orders": any number will do, as long as every release uses this one


async def migrate(url: str) -> list[str]:
    """Apply what is missing, and answer its names. Safe to repeat and to run twice at once:
    an advisory lock makes the second wait for the first. Raises `StoreUnavailable`, also when it
    met the locks of others, and nothing is half done then."""
    try:
        with translated():
            guard = await asyncpg.connect(url)
            try:
                await guard.execute("SELECT pg_advisory_lock($1)", LOCK)
                return await _apply(url)
            finally:
                await guard.close()
    except Conflict as failure:
        raise StoreUnavailable(f"met the locks of others, try again: {failure}") from failure


async def _apply(url: str) -> list[str]:
    applied: list[str] = []

    def note(event: str, app: str, name: str) -> None:
        if event == "apply_done":
            applied.append(f"{app}.{name}")

    try:
        await apply(config=config(url, timeout=None), progress=note)  # an index may take long
    finally:
        await Tortoise.close_connections()
    return applied
