"""What a venue pays: a price near the tokens' reference, that drifts with the height."""

from random import Random

from orders.domain.amounts import BPS, Amount, ceil_div
from orders.domain.errors import FailureCode, Refused
from orders.domain.quote import Quote
from orders.domain.tokens import KNOWN

FEE_BPS = 25
MILLION = 1_000_000
"""Parts in a whole: the unit of premium and swing."""
PREMIUM = 3_000
"""How far a venue's price may stand from the reference, either way."""
SWING = 5_000
"""How far it drifts from there, to either side and back in some 200 s of 50 ms blocks."""
MOST = 10**15
"""The largest trade, of either token: sums of them must fit the ledger's integers."""

_TOKENS = {token.mint: token for token in KNOWN}


class Market:
    """One venue's prices. Two processes with one seed agree on them at every height."""

    def __init__(self, dex: str, seed: int) -> None:
        random = Random(f"{dex} {seed}")
        self._dex = dex
        self._premium = random.randint(-PREMIUM, PREMIUM)
        self._quarter = random.randint(900, 1_200)
        self._phase = random.randrange(4 * self._quarter)

    def quote(self, input_mint: str, output_mint: str, amount_in: int, height: int) -> Quote:
        """What `amount_in` buys in the block of that height, net of the fee.

        Raises `Refused` for a pair that is not traded, and for too much or too little.
        """
        sold, bought = _TOKENS.get(input_mint), _TOKENS.get(output_mint)
        if sold is None or bought is None or sold is bought:
            raise Refused(f"{self._dex} does not trade this pair", FailureCode.NO_ROUTE)
        fee = ceil_div(amount_in * FEE_BPS, BPS)
        value = (amount_in - fee) * sold.usd_nanos * 10**bought.decimals
        unit = bought.usd_nanos * 10**sold.decimals
        moved = MILLION + self._premium + self._drift(height)
        if input_mint < output_mint:
            out = value * moved // (unit * MILLION)
        else:  # the pair's price the other way round
            out = value * MILLION // (unit * moved)
        if not (0 < amount_in <= MOST and 0 < out <= MOST):
            raise Refused(
                f"{self._dex} cannot trade that much or that little", FailureCode.NO_ROUTE
            )
        return Quote(self._dex, Amount(out), Amount(fee), price_impact_bps=0)

    def _drift(self, height: int) -> int:
        """A triangle: from 0 up to `SWING`, down to `-SWING`, and back."""
        quarter = self._quarter
        at = (height + self._phase) % (4 * quarter)
        rise = at if at <= quarter else 2 * quarter - at if at <= 3 * quarter else at - 4 * quarter
        return SWING * rise // quarter
