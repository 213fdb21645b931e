"""Fills the tables with finished orders, far faster than the engine makes them.

They are copies of orders that the engine did make, whatever columns those have, with ids, times,
transaction ids and pairs of tokens of their own.
"""

from itertools import permutations
from typing import Any

from benchmarks.stage import Stage
from orders.domain.tokens import KNOWN

CHUNK = 50_000  # orders a statement
APART = "86 milliseconds"  # so a million orders are a day's
TABLES = ("orders", "order_events", "order_attempts")

# Ids of version 7, as the engine's are, a day ago and on.
COPIES = f"""
CREATE TEMP TABLE copies AS
SELECT n, was, shift, uuidv7(shift) AS id, pairs.sold, pairs.bought
FROM (SELECT n, -(($1 - n) * interval '{APART}' + interval '1 hour') AS shift
      FROM generate_series(1, $1) AS n) AS made
JOIN (SELECT order_id AS was, row_number() OVER () - 1 AS place, count(*) OVER () AS several
      FROM orders WHERE status = 'confirmed') AS samples ON place = n % several
JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY AS pairs (sold, bought, pair)
     ON pair = 1 + n % cardinality($2::text[])
"""

OWN = {
    "order_id": "copies.id",
    "created_at": "created_at + shift",
    "updated_at": "updated_at + shift",
    "at": "at + shift",
    "tx_hash": "left(replace(copies.id::text, '-', '') || tx_hash, length(tx_hash))",
    "input_mint": "sold",
    "output_mint": "bought",
}
"""What a copy has of its own, by column."""


async def fill(stage: Stage, finished: int) -> None:
    """Add `finished` orders. At least one order must have been confirmed."""
    pairs = list(permutations((token.mint for token in KNOWN), 2))
    sold, bought = (list(side) for side in zip(*pairs, strict=True))
    async with stage.database() as database:
        await database.execute("SET synchronous_commit = off")
        await database.fetch(COPIES, finished, sold, bought)
        await database.execute("CREATE INDEX ON copies (n)")
        await database.execute("ANALYZE copies")
        for table in TABLES:
            statement = await _copying(database, table)
            for first in range(1, finished + 1, CHUNK):
                await database.execute(statement, first, first + CHUNK - 1)


async def settle(stage: Stage) -> None:
    """Let PostgreSQL do now what it would do in the middle of a run."""
    async with stage.database() as database:
        for table in TABLES:
            await database.execute(f"VACUUM (ANALYZE) {table}")
        await database.execute("CHECKPOINT")


async def _copying(database: Any, table: str) -> str:
    """The statement that copies a table's rows for copies `$1` to `$2`."""
    columns = await database.fetch(
        "SELECT column_name AS name FROM information_schema.columns"
        " WHERE table_name = $1 AND table_schema = 'public' ORDER BY ordinal_position",
        table,
    )
    names = [row["name"] for row in columns]
    values = [OWN.get(name, name) for name in names]
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)}"
        f" FROM copies JOIN {table} ON {table}.order_id = copies.was"
        " WHERE copies.n BETWEEN $1 AND $2"
    )
