"""The schema that is really in the database."""

import asyncpg
from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

from orders.store.database import config
from orders.store.migrate import migrate


async def test_the_status_check_is_really_in_the_database(database_url: str) -> None:
    checks = await _constraints(database_url, "orders")

    assert checks["orders_status_check"] == (
        "CHECK ((status = ANY (ARRAY['received'::text, 'routing'::text, 'building'::text, "
        "'submitted'::text, 'confirmed'::text, 'failed'::text])))"
    )


async def test_migrating_twice_applies_nothing_the_second_time(empty_database_url: str) -> None:
    first = await migrate(empty_database_url)
    second = await migrate(empty_database_url)

    assert (first, second) == (["orders.0001_orders"], [])


async def test_the_models_and_the_migrations_tell_of_the_same_tables(database_url: str) -> None:
    context = await Tortoise.init(config=config(database_url))
    assert context.apps is not None

    changes = await MigrationAutodetector(context.apps, config(database_url)["apps"]).changes()

    assert changes == []
    await context.close_connections()


async def _constraints(url: str, table: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT conname, pg_get_constraintdef(oid) AS text FROM pg_constraint "
        "WHERE conrelid = $1::regclass",
        table,
    )
    await connection.close()
    return {row["conname"]: row["text"] for row in rows}
