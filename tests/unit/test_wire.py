from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from orders import wire
from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import FailureCode
from orders.domain.order import Order
from orders.domain.quote import Answer, Route
from orders.ports import Step
from tests.factories import (
    a_building_order,
    a_confirmed_order,
    a_failed_order,
    a_quote,
    a_routing_order,
    a_submitted_order,
    a_transaction,
    an_answer,
    an_order,
    stored,
)

ID = UUID("019aab2e-f800-7000-8000-000000000001")
SIGNED = a_transaction(tx_hash="5igned", last_valid_height=1_151)
TWO_ANSWERS = Route(
    a_quote("alpha", 1_000_000),
    (an_answer("alpha", 1_000_000, 182), an_answer("beta", 990_000, 201)),
)
ONE_REFUSAL = Route(
    a_quote("alpha", 1_000_000),
    (
        an_answer("alpha", 1_000_000, 182),
        Answer("beta", timedelta(milliseconds=201), error="beta has no pool"),
    ),
)
HALF_A_SECOND = timedelta(seconds=0.5)

TOLD: dict[str, tuple[Callable[[], Order], dict[str, Any]]] = {
    "received": (lambda: an_order(id=ID), {"status": "received", "seq": 1}),
    "routing": (lambda: a_routing_order(id=ID), {"status": "routing", "seq": 2}),
    "waiting": (
        lambda: stored(a_routing_order(id=ID).repeat("no venue gave a quote", HALF_A_SECOND)),
        {
            "status": "routing",
            "seq": 3,
            "retry": {"detail": "no venue gave a quote", "waitMs": 500},
        },
    ),
    "building": (
        lambda: a_building_order(TWO_ANSWERS, id=ID),
        {
            "status": "building",
            "seq": 3,
            "route": {
                "dex": "alpha",
                "expectedOut": "1000000",
                "minOut": "995000",
                "quotes": [
                    {"dex": "alpha", "out": "1000000", "latencyMs": 182},
                    {"dex": "beta", "out": "990000", "latencyMs": 201},
                ],
            },
        },
    ),
    "building with one refusal": (
        lambda: a_building_order(ONE_REFUSAL, id=ID),
        {
            "status": "building",
            "seq": 3,
            "route": {
                "dex": "alpha",
                "expectedOut": "1000000",
                "minOut": "995000",
                "quotes": [
                    {"dex": "alpha", "out": "1000000", "latencyMs": 182},
                    {"dex": "beta", "error": "beta has no pool", "latencyMs": 201},
                ],
            },
        },
    ),
    "submitted": (
        lambda: a_submitted_order(SIGNED, id=ID),
        {
            "status": "submitted",
            "seq": 4,
            "transaction": {
                "dex": "alpha",
                "txHash": "5igned",
                "minOut": "995000",
                "lastValidHeight": 1_151,
            },
        },
    ),
    "rerouted": (
        lambda: stored(a_submitted_order(SIGNED, id=ID).reroute("expired unseen")),
        {
            "status": "routing",
            "seq": 5,
            "attempt": 2,
            "retry": {"detail": "expired unseen", "waitMs": 0},
        },
    ),
    "confirmed": (
        lambda: a_confirmed_order(999_900, transaction=SIGNED, id=ID),
        {
            "status": "confirmed",
            "seq": 5,
            "result": {
                "dex": "alpha",
                "txHash": "5igned",
                "expectedOut": "1000000",
                "minOut": "995000",
                "actualOut": "999900",
            },
            "final": True,
        },
    ),
    "failed": (
        lambda: a_failed_order(id=ID),
        {
            "status": "failed",
            "seq": 3,
            "error": {"code": "no_route", "detail": "no venue trades this"},
            "final": True,
        },
    ),
}
ALWAYS = {"orderId": str(ID), "attempt": 1, "at": "2026-11-22T12:00:00.123Z"}


@pytest.mark.parametrize("name", TOLD)
def test_a_step_is_told_as_the_contract_says(name: str) -> None:
    make, told = TOLD[name]

    frame = wire.frame(make())

    assert msgspec.json.decode(frame.body) == ALWAYS | told
    assert frame.seq == told["seq"]
    assert frame.is_final is told.get("final", False)


@pytest.mark.parametrize("name", TOLD)
def test_a_step_is_replayed_to_the_letter(name: str) -> None:
    order = TOLD[name][0]()
    kept = as_jsonb(msgspec.json.decode(wire.encode(wire.data(order))))
    assert order.updated_at is not None
    step = Step(order.id, order.seq, order.status, order.attempt, order.updated_at, kept)

    assert wire.replayed(step) == wire.frame(order)


def as_jsonb(value: Any) -> Any:
    """A JSON value with its keys in the order in which PostgreSQL keeps them."""
    if isinstance(value, list):
        return [as_jsonb(item) for item in value]
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key), key))
        return {key: as_jsonb(value[key]) for key in keys}
    return value


def test_only_a_stored_step_is_told() -> None:
    with pytest.raises(AssertionError):
        wire.frame(an_order().resume())


def test_the_largest_amount_goes_out_whole() -> None:
    order = replace(a_confirmed_order(), actual_out=Amount(MAX_AMOUNT))

    told = msgspec.json.decode(wire.frame(order).body)

    assert told["result"]["actualOut"] == "9223372036854775807"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 22, 12, tzinfo=UTC), "2026-11-22T12:00:00.000Z"),
        (datetime(2026, 11, 22, 12, 0, 0, 999_999, UTC), "2026-11-22T12:00:00.999Z"),
        (
            datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            "2026-11-22T06:30:00.000Z",
        ),
    ],
)
def test_an_instant_is_told_in_utc_to_the_millisecond(at: datetime, text: str) -> None:
    assert wire.instant(at) == text


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(milliseconds=1_001), 1_001),  # 1.001 s * 1000 as a float is 1000.99...
        (timedelta(microseconds=1_999), 1),
        (timedelta(0), 0),
    ],
)
def test_a_length_is_told_in_whole_milliseconds(length: timedelta, told: int) -> None:
    assert wire.milliseconds(length) == told


def summary(order: Order) -> Any:
    """An order as clients read it."""
    return msgspec.json.decode(wire.encode(wire.summary(order)))


def test_a_summary_tells_an_open_order_without_result_or_error() -> None:
    order = an_order(id=ID, client_order_id="mine-1", min_out=Amount(149_000_000))

    assert summary(order) == {
        "orderId": str(ID),
        "status": "received",
        "seq": 1,
        "attempt": 1,
        "inputMint": "So11111111111111111111111111111111111111112",
        "outputMint": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
        "amountIn": "1000000000",
        "slippageBps": 50,
        "minOut": "149000000",
        "clientOrderId": "mine-1",
        "createdAt": "2026-11-22T12:00:00.123Z",
        "updatedAt": "2026-11-22T12:00:00.123Z",
    }


def test_a_summary_of_a_confirmed_order_tells_its_fill() -> None:
    told = summary(a_confirmed_order(999_900, transaction=SIGNED))

    assert told["result"] == {
        "dex": "alpha",
        "txHash": "5igned",
        "expectedOut": "1000000",
        "minOut": "995000",
        "actualOut": "999900",
    }
    assert "error" not in told


def test_a_summary_of_a_failed_order_tells_why() -> None:
    order = a_routing_order().fail(FailureCode.SLIPPAGE_EXCEEDED, "below the floor")

    told = summary(order)

    assert told["error"] == {"code": "slippage_exceeded", "detail": "below the floor"}
    assert "result" not in told
