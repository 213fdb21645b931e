"""The tables as Tortoise reads them. What they really are stands in `migrations`.

Comments tell of the models, since Tortoise takes a docstring for a part of the schema.
"""

from tortoise import fields
from tortoise.models import Model


# An order as it stands.
class OrderRow(Model):
    order_id = fields.UUIDField(primary_key=True)
    input_mint = fields.TextField()
    output_mint = fields.TextField()
    amount_in = fields.BigIntField()
    dex = fields.TextField(null=True)
    status = fields.TextField()
    tx_hash = fields.TextField(null=True)
    expected_out = fields.BigIntField(null=True)
    failure_reason = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    seq = fields.IntField()
    attempt = fields.IntField()
    tries = fields.IntField()
    crashes = fields.IntField()
    slippage_bps = fields.IntField()
    min_out = fields.BigIntField(null=True)
    actual_out = fields.BigIntField(null=True)
    failure_code = fields.TextField(null=True)
    wake_at = fields.DatetimeField(null=True)
    held = fields.BooleanField()
    lease = fields.BigIntField()
    hints = fields.IntField()
    client_order_id = fields.TextField(null=True)
    owner = fields.TextField()

    class Meta:
        table = "orders"


# A step of an order: append-only. Its key is (order_id, seq).
class EventRow(Model):
    order_id = fields.UUIDField(primary_key=True)
    seq = fields.IntField()
    status = fields.TextField()
    attempt = fields.IntField()
    data: fields.JSONField[dict[str, object]] = fields.JSONField()
    at = fields.DatetimeField()

    class Meta:
        table = "order_events"


# A signed transaction. Its key is (order_id, attempt); at most one an order is live.
class AttemptRow(Model):
    order_id = fields.UUIDField(primary_key=True)
    attempt = fields.IntField()
    dex = fields.TextField()
    tx_hash = fields.TextField()
    raw_tx = fields.BinaryField()
    expected_out = fields.BigIntField()
    min_out = fields.BigIntField()
    last_valid_height = fields.BigIntField()
    state = fields.TextField()

    class Meta:
        table = "order_attempts"


# A name that a client gave to its request. Its key is (owner, kind, key).
class KeyRow(Model):
    order_id = fields.UUIDField(primary_key=True)
    owner = fields.TextField()
    kind = fields.TextField()
    key = fields.TextField()
    fingerprint = fields.TextField()

    class Meta:
        table = "idempotency_keys"
