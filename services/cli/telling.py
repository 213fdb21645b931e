"""How a step of an order reads in a terminal."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orders.domain.tokens import KNOWN
from services.cli.client import NewOrder
from services.cli.stream import Step

_DECIMALS = {token.symbol: token.decimals for token in KNOWN}


def offer(step: Step) -> Mapping[str, Any]:
    """What the step says about venue and price: its result, else its route, else nothing."""
    found: Mapping[str, Any] = step.get("result") or step.get("route") or {}
    return found


def whole(symbol: str, amount: str) -> str:
    """An amount in the token's smallest unit, in whole tokens; as it is if the token is unknown."""
    if symbol not in _DECIMALS or not amount:
        return amount
    return f"{Decimal(amount).scaleb(-_DECIMALS[symbol]).normalize():,f} {symbol}"


def price(order: NewOrder, out: str) -> str:
    """What one whole token sold brings, to six digits; nothing if a token is unknown."""
    if not {order.sell, order.buy} <= _DECIMALS.keys() or not out:
        return ""
    moved = _DECIMALS[order.sell] - _DECIMALS[order.buy]
    return f"{(Decimal(out) / Decimal(order.amount)).scaleb(moved):.6g}"


def details(step: Step) -> str:
    """What the step adds to its status; may be empty."""
    error = step.get("error")
    if error:
        return f"{error['code']}: {error['detail']}"
    told = offer(step)
    named = {
        "dex": told.get("dex"),
        "expected": told.get("expectedOut"),
        "least": told.get("minOut"),
        "got": told.get("actualOut"),
        "tx": told.get("txHash"),
    }
    parts = [f"{name} {value}" for name, value in named.items() if value is not None]
    if step.get("attempt", 1) > 1:
        parts.insert(0, f"attempt {step['attempt']}")
    return "  ".join(parts)
