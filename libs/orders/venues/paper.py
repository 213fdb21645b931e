"""A simulated venue: the real arithmetic on made-up liquidity, at realistic speed.

It keeps no book. A transaction carries its own outcome, so any worker may settle it after a
crash and reads the same fill; what a ledger would prove is not proven here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from orders.domain.amounts import BPS, MAX_AMOUNT, Amount, in_range
from orders.domain.errors import FailureCode, Refused, Transient
from orders.domain.order import Order
from orders.domain.quote import Landed, Outcome, Pending, Quote, Reverted, Transaction
from orders.domain.tokens import Tokens
from orders.ports import Clock
from orders.venues.amm import FeeRate, swap
from orders.venues.pools import Pool, pools
from orders.venues.sealed import Fill, Revert, Trade, seal, unseal

Range = tuple[timedelta, timedelta]
"""The least and the most."""

INSTANT: Range = (timedelta(0), timedelta(0))
SLOT_MS = 400  # solana.com, "Confirmation & Expiration": the target time of a slot
LIFETIME_BLOCKS = 151  # solana.com, "Confirmation & Expiration": how long a blockhash is good
MAX_SLIP_BPS = 3
"""How far the price may move, either way, between the quote and the fill."""
DEPTH_USD = 10_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """How simulated venues behave."""

    quote_latency: Range = (timedelta(milliseconds=150), timedelta(milliseconds=300))
    execution_latency: Range = (timedelta(seconds=2), timedelta(seconds=3))
    """From signing to landing."""
    variance_bps: int = 300
    """How far apart the prices of two venues may be."""
    failure_rate: float = 0.0
    """The probability that a quote fails, and that a trade is reverted."""
    seed: int | None = None
    """Makes a run repeatable; None for a different one each time."""


class PaperVenue:
    """Trades every pair of known tokens, with `depth_usd` on either side of each pool."""

    def __init__(
        self,
        *,
        dex: str,
        fee: FeeRate,
        tokens: Tokens,
        clock: Clock,
        random: Random,
        options: PaperOptions,
        depth_usd: int = DEPTH_USD,
    ) -> None:
        self.dex = dex
        self._fee = fee
        self._clock = clock
        self._random = random
        self._options = options
        self._pools: Mapping[tuple[str, str], Pool] = pools(
            tokens, depth_usd=depth_usd, variance_bps=options.variance_bps, random=random
        )

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        """What would arrive for `amount_in` at this moment's reserves, net of the fee.

        Raises `Transient` at the set rate, and `Refused` for a pair that has no pool and for
        an amount that buys nothing, or more than can be booked.
        """
        latency = self._draw(self._options.quote_latency)
        if latency:
            await self._clock.sleep(latency)
        if self._fails():
            raise Transient(f"{self.dex} did not answer")
        pool = self._pools.get((input_mint, output_mint))
        if pool is None:
            raise Refused(
                f"{self.dex} has no pool for {input_mint} and {output_mint}", FailureCode.NO_ROUTE
            )
        swapped = swap(*pool.reserves(input_mint), amount_in, self._fee)
        if not in_range(swapped.out):
            raise Refused(
                f"{amount_in} is too {'much' if swapped.out else 'little'} for {self.dex} to trade",
                FailureCode.NO_ROUTE,
            )
        return Quote(self.dex, swapped.out, swapped.fee, swapped.price_impact_bps)

    async def build(self, order: Order) -> Transaction:
        """Sign the trade together with its outcome: the fill, or that it is reverted."""
        assert order.expected_out is not None, "an order in building has a route"
        assert order.min_out is not None, "a route freezes the floor"
        now = self._now_ms()
        return seal(
            Trade(
                order_id=order.id,
                attempt=order.attempt,
                dex=self.dex,
                input_mint=order.input_mint,
                output_mint=order.output_mint,
                amount_in=order.amount_in,
                min_out=order.min_out,
                lands_at=now + self._draw(self._options.execution_latency) // _MILLISECOND,
                last_valid_height=now // SLOT_MS + LIFETIME_BLOCKS,
                nonce=self._random.getrandbits(64),
                outcome=self._outcome(order.expected_out, order.min_out),
            )
        )

    async def send(self, transaction: Transaction) -> None:
        """Look the bytes over, as a node would; nothing else happens. Safe to repeat.

        Raises `Refused` for damaged bytes and for expired ones. As on Solana, that is no
        proof that the trade did not land: ask for its status.
        """
        height = self._now_ms() // SLOT_MS
        expiry = unseal(transaction, self.dex).last_valid_height
        if height > expiry:
            raise Refused(f"the transaction expired at height {expiry}; it is {height} now")

    async def status(self, transaction: Transaction) -> Outcome:
        """What the bytes say of themselves, once they have landed."""
        trade = unseal(transaction, self.dex)
        if self._now_ms() < trade.lands_at:
            return Pending()
        match trade.outcome:
            case Fill(out):
                return Landed(Amount(out))
            case Revert(code, detail):
                return Reverted(code, detail)

    def _outcome(self, expected_out: Amount, min_out: Amount) -> Fill | Revert:
        """What comes of the trade when the price has moved a little since the quote.

        Told from the quote and not from this process's pool, since the quote may have come
        from another's.
        """
        slip = int(self._random.random() * (2 * MAX_SLIP_BPS + 1)) - MAX_SLIP_BPS
        out = min(max(1, expected_out * (BPS + slip) // BPS), MAX_AMOUNT)
        if out < min_out or self._fails():
            return Revert(
                FailureCode.SLIPPAGE_EXCEEDED,
                f"the price moved: less than {min_out} would have arrived",
            )
        return Fill(out)

    def _draw(self, between: Range) -> timedelta:
        least, most = between
        return least if least == most else least + (most - least) * self._random.random()

    def _fails(self) -> bool:
        return self._random.random() < self._options.failure_rate

    def _now_ms(self) -> int:
        """Unix time in milliseconds."""
        return (self._clock.now() - _EPOCH) // _MILLISECOND
