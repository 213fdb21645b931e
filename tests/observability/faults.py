"""Venues that do wrong on request: the amount of an order says what is to happen to it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode, Refused, Transient
from orders.domain.order import Order
from orders.domain.quote import Outcome, Pending, Quote, Transaction
from orders.ports import Venue
from orders.venues.sealed import Trade, unseal

LATE = timedelta(seconds=5)
SLOW = timedelta(seconds=2)
"""Less than a lease on the stage, so that a worker sees it through."""
SILENT = timedelta(seconds=4)
"""More than a lease."""


class Fault(IntEnum):
    """What happens to an order for so many lamports."""

    LATE = 1_000_000_001
    """One venue gives no quote in time."""
    POOR = 1_000_000_002
    """The account cannot pay for it."""
    REFUSED = 1_000_000_003
    """The venue will not take it."""
    UNBUILT = 1_000_000_004
    """Nothing is built, however often it is tried."""
    BUG = 1_000_000_005
    """The venue's adapter has a bug."""
    UNSURE = 1_000_000_006
    """No call about the sent trade is answered for a while."""
    SLOW = 1_000_000_007
    """It takes longer than others to land."""


class Faulty:
    """A venue with faults. Fits `orders.ports.Venue`."""

    def __init__(self, inner: Venue, *, is_late: bool) -> None:
        self._inner = inner
        self._is_late = is_late
        self.dex = inner.dex

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        if self._is_late and int(amount_in) == Fault.LATE:
            await asyncio.sleep(LATE.total_seconds())
        return await self._inner.quote(input_mint, output_mint, amount_in)

    async def build(self, order: Order) -> Transaction:
        match order.amount_in:
            case Fault.POOR:
                raise Refused("the account is empty", FailureCode.INSUFFICIENT_FUNDS)
            case Fault.REFUSED:
                raise Refused("the venue is closed")
            case Fault.UNBUILT:
                raise Transient("the node is behind")
            case Fault.BUG:
                raise RuntimeError("the adapter has a bug")
        return await self._inner.build(order)

    async def send(self, transaction: Transaction) -> None:
        if self._is_within(SILENT, transaction, Fault.UNSURE):
            raise ConnectionError("the node hung up")
        await self._inner.send(transaction)

    async def status(self, transaction: Transaction) -> Outcome:
        if self._is_within(SILENT, transaction, Fault.UNSURE):
            raise ConnectionError("the node hung up")
        if self._is_within(SLOW, transaction, Fault.SLOW):
            return Pending()
        return await self._inner.status(transaction)

    def _is_within(self, time: timedelta, transaction: Transaction, fault: Fault) -> bool:
        """Whether the trade is to meet the fault, and landed less than `time` ago."""
        trade = unseal(transaction, self.dex)
        return trade.amount_in == fault and datetime.now(UTC) < _landed(trade) + time


def faulty(venues: Mapping[str, Venue]) -> dict[str, Venue]:
    """The same venues with faults; the first by name is the one that may be late."""
    return {dex: Faulty(venue, is_late=dex == min(venues)) for dex, venue in sorted(venues.items())}


def _landed(trade: Trade) -> datetime:
    return datetime.fromtimestamp(trade.lands_at / 1000, UTC)
