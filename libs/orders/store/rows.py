"""Orders as rows and back, and the guard that keeps one bad value from failing a batch."""

import re
from collections.abc import Mapping
from typing import Any

from orders import wire
from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import FailureCode, Unstorable
from orders.domain.lifecycle import Status
from orders.domain.order import Failure, Order
from orders.domain.quote import Transaction

INSERT = {
    "order_id": "uuid",
    "owner": "text",
    "client_order_id": "text",
    "input_mint": "text",
    "output_mint": "text",
    "amount_in": "bigint",
    "slippage_bps": "int",
    "min_out": "bigint",
    "data": "text",
    "keys": "int",
}
"""The columns of a batch of new orders, after their ordinals, and their types."""

STEP = {
    "order_id": "uuid",
    "seq": "int",
    "lease": "bigint",
    "claim": "int",
    "final": "bool",
    "wait": "interval",
    "status": "text",
    "attempt": "int",
    "tries": "int",
    "dex": "text",
    "tx_hash": "text",
    "expected_out": "bigint",
    "min_out": "bigint",
    "actual_out": "bigint",
    "failure_code": "text",
    "failure_reason": "text",
    "data": "text",
    "raw_tx": "bytea",
    "last_valid_height": "bigint",
    "closes": "int",
    "fate": "text",
}
"""The columns of a batch of steps, after their ordinals. `raw_tx` is set by the step that signs;
a step leaves the transaction of attempt `closes` in the state `fate`. (Attempts are found by
their key: an index on the few live ones holds all the dead until they are vacuumed.)"""

# Not the end of an escaped backslash that text of a client's own has before "u0000".
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def insert(order: Order, keys: int) -> tuple[Any, ...]:
    """A new order as the values of `INSERT`. Raises `Unstorable`."""
    return (
        order.id,
        text(order.owner),
        text(order.client_order_id),
        text(order.input_mint),
        text(order.output_mint),
        integer(order.amount_in),
        integer(order.slippage_bps),
        integer(order.min_out),
        json(order),
        keys,
    )


def step(order: Order, claim: int) -> tuple[Any, ...]:
    """A stepped order as the values of `STEP`. Raises `Unstorable`."""
    transaction, failure = order.transaction, order.failure
    signs = order.status is Status.SUBMITTED and not claim and order.retry is None
    signed = transaction if signs else None
    return (
        order.id,
        order.seq,
        order.lease,
        claim,
        order.is_final,
        order.retry.wait if order.retry and not order.is_held else None,
        order.status.value,
        order.attempt,
        order.tries,
        text(order.dex),
        text(transaction.tx_hash) if transaction else None,
        integer(order.expected_out),
        integer(order.min_out),
        integer(order.actual_out),
        failure.code.value if failure else None,
        text(failure.detail) if failure else None,
        json(order),
        signed.raw if signed else None,
        integer(signed.last_valid_height) if signed else None,
        *_closed(order),
    )


def order(row: Mapping[str, Any]) -> Order:
    """The order that a row holds, with its live transaction's bytes if those were read too."""
    transaction = None
    if row["tx_hash"] is not None:
        transaction = Transaction(
            dex=row["dex"],
            tx_hash=row["tx_hash"],
            raw=row.get("raw_tx") or b"",
            min_out=Amount(row["min_out"] or 0),
            last_valid_height=row.get("last_valid_height") or 0,
        )
    failure = None
    if row["failure_code"] is not None:
        failure = Failure(FailureCode(row["failure_code"]), row["failure_reason"] or "")
    return Order(
        id=row["order_id"],
        owner=row["owner"],
        client_order_id=row["client_order_id"],
        input_mint=row["input_mint"],
        output_mint=row["output_mint"],
        amount_in=Amount(row["amount_in"]),
        slippage_bps=row["slippage_bps"],
        min_out=_amount(row["min_out"]),
        status=Status(row["status"]),
        seq=row["seq"],
        attempt=row["attempt"],
        tries=row["tries"],
        crashes=row["crashes"],
        lease=row["lease"],
        dex=row["dex"],
        expected_out=_amount(row["expected_out"]),
        transaction=transaction,
        actual_out=_amount(row["actual_out"]),
        failure=failure,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def text(value: str | None) -> str | None:
    """`value` without the one character that PostgreSQL's text cannot hold."""
    return value.replace("\0", "") if value and "\0" in value else value


def integer(value: int | None) -> int | None:
    """`value`, if a BIGINT holds it. Raises `Unstorable`."""
    if value is not None and not -MAX_AMOUNT <= value <= MAX_AMOUNT:
        raise Unstorable(f"{value} does not fit into 64 bits")
    return value


def json(order: Order) -> str:
    """What the step tells, as JSON that PostgreSQL takes. Raises `Unstorable`."""
    try:
        told = wire.encode(wire.data(order)).decode()
    except (ValueError, OverflowError, TypeError) as failure:
        raise Unstorable(str(failure)) from failure
    return _ESCAPED_NUL.sub(r"\1", told) if "\\u0000" in told else told


def _closed(order: Order) -> tuple[int | None, str | None]:
    """The attempt that a step closes, if it was ever signed, and the state it is left in."""
    match order.status:
        case Status.CONFIRMED:
            return order.attempt, "landed"
        case Status.FAILED:
            return order.attempt, "dead"
        case Status.ROUTING:
            return order.attempt - 1, "dead"
        case _:
            return None, None


def _amount(value: int | None) -> Amount | None:
    return None if value is None else Amount(value)
