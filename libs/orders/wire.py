"""The public JSON of an order and its steps: one for history, feed, WebSocket and HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.domain.quote import Answer
from orders.ports import Frame, Step

# Sorted, since PostgreSQL's JSONB gives keys back in an order of its own.
encode = msgspec.json.Encoder(order="deterministic").encode


def frame(order: Order) -> Frame:
    """The stored step that `order` is, as clients see it."""
    assert order.updated_at is not None, "only a stored step is told"
    body = _body(order.id, order.status, order.seq, order.attempt, order.updated_at, data(order))
    return Frame(order.seq, order.is_final, encode(body))


def replayed(step: Step) -> Frame:
    """A step read back from history, the same to the letter as when it was told."""
    body = _body(step.order_id, step.status, step.seq, step.attempt, step.at, step.data)
    return Frame(step.seq, step.status.is_final, encode(body))


def data(order: Order) -> dict[str, Any]:
    """What a step tells beyond its status: the part of the frame that is kept as its history."""
    told: dict[str, Any] = {}
    if order.retry:
        told["retry"] = {
            "detail": order.retry.detail,
            "waitMs": milliseconds(order.retry.wait),
        }
    if order.answers:
        told["route"] = {
            "dex": order.dex,
            "expectedOut": amount(order.expected_out),
            "minOut": amount(order.min_out),
            "quotes": [_answer(answer) for answer in order.answers],
        }
    if order.status is Status.SUBMITTED and order.transaction:
        told["transaction"] = {
            "dex": order.transaction.dex,
            "txHash": order.transaction.tx_hash,
            "minOut": amount(order.transaction.min_out),
            "lastValidHeight": order.transaction.last_valid_height,
        }
    if order.status is Status.CONFIRMED:
        told["result"] = result(order)
    if order.failure:
        told["error"] = {"code": order.failure.code, "detail": order.failure.detail}
    return told


def result(order: Order) -> dict[str, Any]:
    """A confirmed order's fill."""
    return {
        "dex": order.dex,
        "txHash": order.transaction.tx_hash if order.transaction else None,
        "expectedOut": amount(order.expected_out),
        "minOut": amount(order.min_out),
        "actualOut": amount(order.actual_out),
    }


def summary(order: Order) -> dict[str, Any]:
    """An order as it stands."""
    told: dict[str, Any] = {
        "orderId": str(order.id),
        "status": order.status,
        "seq": order.seq,
        "attempt": order.attempt,
        "inputMint": order.input_mint,
        "outputMint": order.output_mint,
        "amountIn": amount(order.amount_in),
        "slippageBps": order.slippage_bps,
        "minOut": amount(order.min_out),
        "clientOrderId": order.client_order_id,
        "createdAt": instant(order.created_at) if order.created_at else None,
        "updatedAt": instant(order.updated_at) if order.updated_at else None,
    }
    if order.status is Status.CONFIRMED:
        told["result"] = result(order)
    if order.failure:
        told["error"] = {"code": order.failure.code, "detail": order.failure.detail}
    return told


def amount(value: int | None) -> str | None:
    """An amount as it goes out: decimal digits in a string, always."""
    return None if value is None else str(value)


def instant(at: datetime) -> str:
    """An instant as RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(length: timedelta) -> int:
    """A length as it goes out, rounded down."""
    return length // timedelta(milliseconds=1)


def _body(
    order_id: UUID, status: Status, seq: int, attempt: int, at: datetime, told: Mapping[str, Any]
) -> dict[str, Any]:
    body = {
        "orderId": str(order_id),
        "status": status,
        "seq": seq,
        "attempt": attempt,
        "at": instant(at),
        **told,
    }
    if status.is_final:
        body["final"] = True
    return body


def _answer(answer: Answer) -> dict[str, Any]:
    said = {"out": amount(answer.quote.out)} if answer.quote else {"error": answer.error}
    return {"dex": answer.dex, **said, "latencyMs": milliseconds(answer.latency)}
