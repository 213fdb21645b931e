"""Constant-product arithmetic, exact in: integers only, every rounding in the pool's favour."""

from dataclasses import dataclass

from orders.domain.amounts import BPS, Amount, ceil_div


@dataclass(frozen=True, slots=True)
class FeeRate:
    """A pool's fee: `numerator` parts in `denominator` of what is sold."""

    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Swap:
    """What a pool gives for an exact amount in."""

    out: Amount
    """Rounded down; 0 when the amount in is too small to buy anything."""
    fee: Amount
    """Charged on the amount in, rounded up."""
    price_impact_bps: int
    """How far below the pool's price before the trade the trade is filled, the fee apart;
    rounded up."""


def swap(reserve_in: int, reserve_out: int, amount_in: Amount, rate: FeeRate) -> Swap:
    """Sell `amount_in` to a pool, the fee aside, so that the product of its reserves never falls.

    The curve is that of raydium-cp-swap, curve/constant_product.rs, and of Meteora DAMM v2's
    compounding mode: x * y = k.
    """
    fee = ceil_div(amount_in * rate.numerator, rate.denominator)
    net = amount_in - fee
    after = reserve_in + net
    return Swap(
        out=Amount(reserve_out * net // after),
        fee=Amount(fee),
        # 1 - (out / net) / (reserve_out / reserve_in), with out = reserve_out * net / after
        price_impact_bps=ceil_div(net * BPS, after),
    )
