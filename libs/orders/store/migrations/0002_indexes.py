"""What the sweep and the lists go by, however many orders are finished or wait; and what batches
are arrays of."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# `lease` and `hints` move only as an order changes hands: so a claim is no HOT update, and costs
# an entry here, but what follows it is. An order that was hinted more than 6 times, or while it is
# held, would be found by no sweep.
SWEEP = [
    "UPDATE orders SET hints = 6 WHERE hints > 6",
    """
    ALTER TABLE orders ADD CONSTRAINT orders_hints_check
    CHECK (hints BETWEEN 0 AND 6 AND (hints = 0 OR NOT held))
    """,
    "CREATE INDEX orders_fresh ON orders (hints, wake_at) WHERE wake_at IS NOT NULL AND lease = 0",
    "CREATE INDEX orders_taken ON orders (hints, wake_at) WHERE wake_at IS NOT NULL AND lease > 0",
    "DROP INDEX orders_wake_at",
]

# By status, with `orders_failed`. An order is in one of these at a time.
LISTS = [
    "CREATE INDEX orders_received ON orders (order_id) WHERE lease = 0",
    """
    CREATE INDEX orders_under_way ON orders (order_id) WHERE wake_at IS NOT NULL AND lease > 0
    """,
    "CREATE INDEX orders_confirmed ON orders (order_id) WHERE actual_out IS NOT NULL",
]

# A sweep passes over the dead entries of every order since the last vacuum, 60,000 in 0.7 ms; to
# vacuum those away takes 0.2 s beside a million finished orders. By default, PostgreSQL would wait
# until a fifth of the table is dead.
UPKEEP = [
    "ALTER TABLE orders SET (autovacuum_vacuum_threshold = 50000)",
    "ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.01)",
]

# What a batch is an array of: asyncpg writes an array of rows at a third of the cost of as many
# arrays as there are columns. A release that needs other attributes makes a type of another name,
# so that it can run beside this one.
TYPES = [
    """
    CREATE TYPE new_order AS (
        order_id         UUID,
        owner            TEXT,
        client_order_id  TEXT,
        input_mint       TEXT,
        output_mint      TEXT,
        amount_in        BIGINT,
        slippage_bps     INTEGER,
        min_out          BIGINT,
        data             TEXT,
        keys             INTEGER
    )
    """,
    """
    CREATE TYPE order_key AS (owner TEXT, kind TEXT, key TEXT, order_id UUID, fingerprint TEXT)
    """,
    """
    CREATE TYPE order_step AS (
        order_id           UUID,
        seq                INTEGER,
        lease              BIGINT,
        claim              INTEGER,
        final              BOOLEAN,
        wait               INTERVAL,
        status             TEXT,
        attempt            INTEGER,
        tries              INTEGER,
        dex                TEXT,
        tx_hash            TEXT,
        expected_out       BIGINT,
        min_out            BIGINT,
        actual_out         BIGINT,
        failure_code       TEXT,
        failure_reason     TEXT,
        data               TEXT,
        raw_tx             BYTEA,
        last_valid_height  BIGINT,
        closes             INTEGER,
        fate               TEXT
    )
    """,
]


class Migration(TortoiseMigration):
    """Indexes for a long backlog and a long past."""

    dependencies = [("orders", "0001_orders")]  # noqa: RUF012 - Tortoise declares it so

    operations = [  # noqa: RUF012
        ops.RunSQL(TYPES, "DROP TYPE order_step, order_key, new_order"),
        ops.RunSQL(
            SWEEP,
            [
                "CREATE INDEX orders_wake_at ON orders (wake_at) WHERE wake_at IS NOT NULL",
                "DROP INDEX orders_taken, orders_fresh",
                "ALTER TABLE orders DROP CONSTRAINT orders_hints_check",
            ],
        ),
        ops.RunSQL(LISTS, "DROP INDEX orders_confirmed, orders_under_way, orders_received"),
        ops.RunSQL(
            UPKEEP,
            [
                "ALTER TABLE orders RESET (autovacuum_vacuum_scale_factor)",
                "ALTER TABLE orders RESET (autovacuum_vacuum_threshold)",
            ],
        ),
    ]
