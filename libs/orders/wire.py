"""The public JSON of an order and its steps: one for history, feed, WebSocket and HTTP.

Keys go out in alphabetical order, since PostgreSQL's JSONB gives them back in an order of its
own. msgspec sorts those of a dict; the fields of a struct are declared sorted.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from orders.domain.errors import FailureCode
from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.domain.quote import Answer
from orders.ports import Frame, Step

_MILLISECOND = timedelta(milliseconds=1)

encode = msgspec.json.Encoder(order="deterministic").encode


class _Part(msgspec.Struct, rename="camel", gc=False):
    """Part of a frame."""


class _Error(_Part, kw_only=True):
    code: FailureCode
    detail: str


class _Result(_Part, kw_only=True):
    actual_out: str | None
    dex: str | None
    expected_out: str | None
    min_out: str | None
    tx_hash: str | None


class _Retry(_Part, kw_only=True):
    detail: str
    wait_ms: int


class _Quote(_Part, kw_only=True, omit_defaults=True):
    dex: str
    error: str | None = None
    latency_ms: int
    out: str | None = None


class _Route(_Part, kw_only=True):
    dex: str | None
    expected_out: str | None
    min_out: str | None
    quotes: list[_Quote]


class _Transaction(_Part, kw_only=True):
    dex: str
    last_valid_height: int
    min_out: str | None
    tx_hash: str


class Told(_Part, kw_only=True, omit_defaults=True):
    """What a step tells beyond its status: the part of the frame that is kept as its history."""

    error: _Error | None = None
    result: _Result | None = None
    retry: _Retry | None = None
    route: _Route | None = None
    transaction: _Transaction | None = None


class _Frame(_Part, kw_only=True, omit_defaults=True):
    at: str
    attempt: int
    error: _Error | None = None
    final: bool = False
    order_id: UUID
    result: _Result | None = None
    retry: _Retry | None = None
    route: _Route | None = None
    seq: int
    status: Status
    transaction: _Transaction | None = None


def frame(order: Order) -> Frame:
    """The stored step that `order` is, as clients see it."""
    assert order.updated_at is not None, "only a stored step is told"
    told, is_final = data(order), order.is_final
    body = _Frame(
        at=instant(order.updated_at),
        attempt=order.attempt,
        error=told.error,
        final=is_final,
        order_id=order.id,
        result=told.result,
        retry=told.retry,
        route=told.route,
        seq=order.seq,
        status=order.status,
        transaction=told.transaction,
    )
    return Frame(order.seq, is_final, encode(body))


def replayed(step: Step) -> Frame:
    """A step read back from history, the same to the letter as when it was told."""
    body = {
        "orderId": step.order_id,
        "status": step.status,
        "seq": step.seq,
        "attempt": step.attempt,
        "at": instant(step.at),
        **step.data,
    }
    if step.status.is_final:
        body["final"] = True
    return Frame(step.seq, step.status.is_final, encode(body))


def data(order: Order) -> Told:
    """What the step that `order` is tells beyond its status."""
    transaction, failure, retry = order.transaction, order.failure, order.retry
    return Told(
        error=_Error(code=failure.code, detail=failure.detail) if failure else None,
        result=result(order) if order.status is Status.CONFIRMED else None,
        retry=_Retry(detail=retry.detail, wait_ms=milliseconds(retry.wait)) if retry else None,
        route=_route(order) if order.answers else None,
        transaction=_Transaction(
            dex=transaction.dex,
            last_valid_height=transaction.last_valid_height,
            min_out=amount(transaction.min_out),
            tx_hash=transaction.tx_hash,
        )
        if transaction and order.status is Status.SUBMITTED
        else None,
    )


def result(order: Order) -> _Result:
    """A confirmed order's fill."""
    return _Result(
        actual_out=amount(order.actual_out),
        dex=order.dex,
        expected_out=amount(order.expected_out),
        min_out=amount(order.min_out),
        tx_hash=order.transaction.tx_hash if order.transaction else None,
    )


def summary(order: Order) -> dict[str, Any]:
    """An order as it stands."""
    told: dict[str, Any] = {
        "orderId": order.id,
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


@lru_cache(maxsize=64)
def instant(at: datetime) -> str:
    """An instant as RFC 3339 in UTC with milliseconds. Those of a batch are one and the same."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def milliseconds(length: timedelta) -> int:
    """A length as it goes out, rounded down."""
    return length // _MILLISECOND


def _route(order: Order) -> _Route:
    return _Route(
        dex=order.dex,
        expected_out=amount(order.expected_out),
        min_out=amount(order.min_out),
        quotes=[_quote(answer) for answer in order.answers],
    )


def _quote(answer: Answer) -> _Quote:
    return _Quote(
        dex=answer.dex,
        error=None if answer.quote else answer.error,
        latency_ms=milliseconds(answer.latency),
        out=amount(answer.quote.out) if answer.quote else None,
    )
