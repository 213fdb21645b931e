"""Valid values to start a test from. Say only what the test is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode
from orders.domain.ids import uuid7
from orders.domain.order import Order
from orders.domain.quote import Answer, Quote, Route, Transaction
from orders.domain.tokens import KNOWN, Tokens

TOKENS = Tokens(KNOWN)
SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
UNKNOWN_MINT = "9999999999999999999999999999999999999999999"
AT = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
"""When the steps of these orders were stored."""


def an_order(**overrides: Any) -> Order:
    """An order that was just received: sell 1 SOL for USDC, within 0.5 %."""
    fields: dict[str, Any] = {
        "id": uuid7(AT, uuid4().int),
        "owner": "public",
        "client_order_id": None,
        "input_mint": SOL,
        "output_mint": USDC,
        "amount_in": Amount(1_000_000_000),
        "slippage_bps": 50,
        "min_out": None,
        "created_at": AT,
        "updated_at": AT,
    }
    return Order(**fields | overrides)


def a_routing_order(**overrides: Any) -> Order:
    """An order for which the venues are being asked."""
    return stored(an_order(**overrides).resume())


def a_building_order(route: Route | None = None, **overrides: Any) -> Order:
    """An order with a route: 1,000,000 expected, and so 995,000 at the least."""
    return stored(a_routing_order(**overrides).build(route or a_route()))


def a_submitted_order(transaction: Transaction | None = None, **overrides: Any) -> Order:
    """An order whose trade is signed and stored."""
    return stored(a_building_order(**overrides).submit(transaction or a_transaction()))


def a_confirmed_order(out: int = 999_900, **overrides: Any) -> Order:
    """An order that was executed."""
    return stored(a_submitted_order(**overrides).confirm(Amount(out)))


def a_failed_order(**overrides: Any) -> Order:
    """An order that no venue would trade."""
    return stored(a_routing_order(**overrides).fail(FailureCode.NO_ROUTE, "no venue trades this"))


def stored(order: Order, at: datetime = AT) -> Order:
    """The order as the store would answer it."""
    return replace(order, updated_at=at)


def a_quote(dex: str = "alpha", out: int = 1_000_000) -> Quote:
    return Quote(dex, Amount(out), fee=Amount(2_500_000), price_impact_bps=1)


def an_answer(dex: str = "alpha", out: int = 1_000_000, latency_ms: int = 182) -> Answer:
    return Answer(dex, timedelta(milliseconds=latency_ms), a_quote(dex, out))


def a_route(dex: str = "alpha", out: int = 1_000_000) -> Route:
    """A route that the only venue asked was chosen for."""
    answer = an_answer(dex, out)
    return Route(a_quote(dex, out), (answer,))


def a_transaction(**overrides: Any) -> Transaction:
    """A signed trade with an id of its own."""
    fields: dict[str, Any] = {
        "dex": "alpha",
        "tx_hash": f"tx-{uuid4().hex}",
        "raw": b"signed bytes",
        "min_out": Amount(995_000),  # 1,000,000 less 50 bps
        "last_valid_height": 1_000,
    }
    return Transaction(**fields | overrides)
