"""Amounts of a token and ratios of them, exact: integers only, every rounding named."""

from typing import NewType

Amount = NewType("Amount", int)
"""A count of a token's smallest unit, 0 to `MAX_AMOUNT`."""

MAX_AMOUNT = 2**63 - 1  # PostgreSQL's BIGINT
MAX_JSON_INTEGER = 2**53 - 1  # RFC 8259, section 6: what every JSON reader keeps exact
BPS = 10_000
"""Basis points in a whole."""
MAX_SLIPPAGE_BPS = 5_000


def ceil_div(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative integers, rounded up."""
    return -(-numerator // denominator)


def less_bps(amount: Amount, bps: int) -> Amount:
    """`amount` less `bps` basis points of itself, rounded down."""
    return Amount(amount * (BPS - bps) // BPS)


def in_range(amount: int) -> bool:
    """Whether `amount` is a payable amount that the database can hold: 1 to `MAX_AMOUNT`."""
    return 0 < amount <= MAX_AMOUNT
