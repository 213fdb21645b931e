"""The schema that is really in the database."""

import asyncpg
import pytest
from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

from orders.store import rows
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

    assert (first, second) == (["orders.0001_orders", "orders.0002_indexes"], [])


async def test_the_models_and_the_migrations_tell_of_the_same_tables(database_url: str) -> None:
    context = await Tortoise.init(config=config(database_url))
    assert context.apps is not None

    changes = await MigrationAutodetector(context.apps, config(database_url)["apps"]).changes()

    assert changes == []
    await context.close_connections()


@pytest.mark.parametrize(
    ("name", "attributes"), [("new_order", rows.INSERT), ("order_step", rows.STEP)]
)
async def test_a_row_of_a_batch_has_the_attributes_of_its_type_in_order(
    database_url: str, name: str, attributes: tuple[str, ...]
) -> None:
    found = await _about(
        database_url,
        name,
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND NOT attisdropped"
        " ORDER BY attnum",
    )

    assert tuple(row["attname"] for row in found) == attributes


async def _constraints(url: str, table: str) -> dict[str, str]:
    found = await _about(
        url,
        table,
        "SELECT conname, pg_get_constraintdef(oid) AS text FROM pg_constraint "
        "WHERE conrelid = $1::regclass",
    )
    return {row["conname"]: row["text"] for row in found}


async def _about(url: str, name: str, query: str) -> list[asyncpg.Record]:
    """What the catalogue says of a table or type."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch(query, name)
    await connection.close()
    return list(found)
