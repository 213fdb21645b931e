"""Orders, their history, their transactions and their idempotency keys."""

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

from orders.store.migrations._table import CreateTable

# A batch steps most orders of a page at once, and HOT updates need room for all of the new rows
# there: of 400 steps in batches of 100, 41 % were HOT at a fillfactor of 75, and 65 % at 60.
ORDERS = """
CREATE TABLE orders (
    order_id         UUID PRIMARY KEY,
    input_mint       TEXT NOT NULL,
    output_mint      TEXT NOT NULL,
    amount_in        BIGINT NOT NULL,
    dex              TEXT,
    status           TEXT NOT NULL CONSTRAINT orders_status_check CHECK (status IN
                     ('received', 'routing', 'building', 'submitted', 'confirmed', 'failed')),
    tx_hash          TEXT,
    expected_out     BIGINT,
    failure_reason   TEXT,
    created_at       TIMESTAMPTZ DEFAULT NOW(),
    updated_at       TIMESTAMPTZ DEFAULT NOW(),
    seq              INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
    tries            INTEGER NOT NULL DEFAULT 0,
    crashes          INTEGER NOT NULL DEFAULT 0,
    slippage_bps     INTEGER NOT NULL,
    min_out          BIGINT,
    actual_out       BIGINT,
    failure_code     TEXT,
    wake_at          TIMESTAMPTZ,
    held             BOOLEAN NOT NULL DEFAULT FALSE,
    lease            BIGINT NOT NULL DEFAULT 0,
    hints            INTEGER NOT NULL DEFAULT 0,
    client_order_id  TEXT,
    owner            TEXT NOT NULL,
    CONSTRAINT orders_amounts_check CHECK (amount_in > 0 AND slippage_bps BETWEEN 0 AND 5000),
    CONSTRAINT orders_final_check CHECK (
        (status IN ('confirmed', 'failed')) = (wake_at IS NULL)
        AND (status = 'failed') = (failure_code IS NOT NULL)
        AND (status = 'confirmed') = (actual_out IS NOT NULL))
) WITH (fillfactor = 60)
"""

EVENTS = """
CREATE TABLE order_events (
    order_id  UUID NOT NULL,
    seq       INTEGER NOT NULL,
    status    TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    data      JSONB NOT NULL,
    at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (order_id, seq)
)
"""

ATTEMPTS = """
CREATE TABLE order_attempts (
    order_id           UUID NOT NULL,
    attempt            INTEGER NOT NULL,
    dex                TEXT NOT NULL,
    tx_hash            TEXT NOT NULL UNIQUE,
    raw_tx             BYTEA NOT NULL,
    expected_out       BIGINT NOT NULL,
    min_out            BIGINT NOT NULL,
    last_valid_height  BIGINT NOT NULL,
    state              TEXT NOT NULL CONSTRAINT order_attempts_state_check
                       CHECK (state IN ('live', 'landed', 'dead')),
    PRIMARY KEY (order_id, attempt)
) WITH (fillfactor = 90)
"""

KEYS = """
CREATE TABLE idempotency_keys (
    owner        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    key          TEXT NOT NULL,
    order_id     UUID NOT NULL REFERENCES orders (order_id),
    fingerprint  TEXT NOT NULL,
    PRIMARY KEY (owner, kind, key)
)
"""

# None of these mentions a column that every step moves, or steps could not be HOT updates.
INDEXES = [
    "CREATE INDEX orders_wake_at ON orders (wake_at) WHERE wake_at IS NOT NULL",
    "CREATE INDEX orders_failed ON orders (order_id) WHERE failure_code IS NOT NULL",
    "CREATE UNIQUE INDEX order_attempts_one_live ON order_attempts (order_id) WHERE state = 'live'",
]


class Migration(TortoiseMigration):
    """The first schema."""

    initial = True

    operations = [  # noqa: RUF012 - Tortoise declares it so
        CreateTable(
            "OrderRow",
            "orders",
            {
                "order_id": fields.UUIDField(primary_key=True),
                "input_mint": fields.TextField(),
                "output_mint": fields.TextField(),
                "amount_in": fields.BigIntField(),
                "dex": fields.TextField(null=True),
                "status": fields.TextField(),
                "tx_hash": fields.TextField(null=True),
                "expected_out": fields.BigIntField(null=True),
                "failure_reason": fields.TextField(null=True),
                "created_at": fields.DatetimeField(),
                "updated_at": fields.DatetimeField(),
                "seq": fields.IntField(),
                "attempt": fields.IntField(),
                "tries": fields.IntField(),
                "crashes": fields.IntField(),
                "slippage_bps": fields.IntField(),
                "min_out": fields.BigIntField(null=True),
                "actual_out": fields.BigIntField(null=True),
                "failure_code": fields.TextField(null=True),
                "wake_at": fields.DatetimeField(null=True),
                "held": fields.BooleanField(),
                "lease": fields.BigIntField(),
                "hints": fields.IntField(),
                "client_order_id": fields.TextField(null=True),
                "owner": fields.TextField(),
            },
            ORDERS,
        ),
        CreateTable(
            "EventRow",
            "order_events",
            {
                "order_id": fields.UUIDField(primary_key=True),
                "seq": fields.IntField(),
                "status": fields.TextField(),
                "attempt": fields.IntField(),
                "data": fields.JSONField(),
                "at": fields.DatetimeField(),
            },
            EVENTS,
        ),
        CreateTable(
            "AttemptRow",
            "order_attempts",
            {
                "order_id": fields.UUIDField(primary_key=True),
                "attempt": fields.IntField(),
                "dex": fields.TextField(),
                "tx_hash": fields.TextField(),
                "raw_tx": fields.BinaryField(),
                "expected_out": fields.BigIntField(),
                "min_out": fields.BigIntField(),
                "last_valid_height": fields.BigIntField(),
                "state": fields.TextField(),
            },
            ATTEMPTS,
        ),
        CreateTable(
            "KeyRow",
            "idempotency_keys",
            {
                "order_id": fields.UUIDField(primary_key=True),
                "owner": fields.TextField(),
                "kind": fields.TextField(),
                "key": fields.TextField(),
                "fingerprint": fields.TextField(),
            },
            KEYS,
        ),
        ops.RunSQL(INDEXES, "DROP INDEX order_attempts_one_live, orders_failed, orders_wake_at"),
    ]
