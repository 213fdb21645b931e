"""Orders as rows and back, and the guard that keeps one bad value from failing a batch."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from orders import wire
from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import FailureCode, Unstorable
from orders.domain.lifecycle import Status
from orders.domain.order import Failure, Order
from orders.domain.quote import Transaction
from orders.ports import Step

INSERT = (
    "order_id",
    "owner",
    "client_order_id",
    "input_mint",
    "output_mint",
    "amount_in",
    "slippage_bps",
    "min_out",
    "data",
    "keys",
)
"""The attributes of PostgreSQL's type `new_order`."""

STEP = (
    "order_id",
    "seq",
    "lease",
    "claim",
    "final",
    "wait",
    "status",
    "attempt",
    "tries",
    "dex",
    "tx_hash",
    "expected_out",
    "min_out",
    "actual_out",
    "failure_code",
    "failure_reason",
    "data",
    "raw_tx",
    "last_valid_height",
    "closes",
    "fate",
)
"""The attributes of PostgreSQL's type `order_step`. `raw_tx` is set by the step that signs;
a step leaves the transaction of attempt `closes` in the state `fate`. (Attempts are found by
their key: an index on the few live ones holds all the dead until they are vacuumed.)"""

_decode = msgspec.json.Decoder(dict[str, Any]).decode

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
    transaction, failure, retry = order.transaction, order.failure, order.retry
    is_final = order.is_final
    signs = order.status is Status.SUBMITTED and not claim and retry is None
    signed = transaction if signs else None
    return (
        order.id,
        order.seq,
        order.lease,
        claim,
        is_final,
        retry.wait if retry and retry.wait and not is_final else None,
        order.status,
        order.attempt,
        order.tries,
        text(order.dex),
        text(transaction.tx_hash) if transaction else None,
        integer(order.expected_out),
        integer(order.min_out),
        integer(order.actual_out),
        failure.code if failure else None,
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


def told(row: Mapping[str, Any]) -> Step:
    """The step that a row of the history holds."""
    status, data = Status(row["status"]), _decode(row["data"])
    return Step(row["order_id"], row["seq"], status, row["attempt"], row["at"], data)


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
