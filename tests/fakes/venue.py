"""A venue that does what a test tells it to, and keeps a ledger of what it really did."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec

from orders.domain.amounts import BPS, Amount, ceil_div, in_range
from orders.domain.errors import FailureCode, Refused
from orders.domain.order import Order
from orders.domain.quote import (
    Landed,
    NotFound,
    Outcome,
    Pending,
    Quote,
    Reverted,
    Transaction,
)
from orders.domain.tokens import KNOWN
from orders.ports import Clock

LIFETIME = 150
"""How many blocks a transaction stays valid for."""
BLOCK = timedelta(milliseconds=400)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FEE_BPS = 25


class Swap(msgspec.Struct, frozen=True):
    """What the bytes of a fake transaction say."""

    order_id: UUID
    attempt: int
    build: int
    dex: str
    amount_in: int
    expected_out: int
    min_out: int
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One line of the ledger: a trade that the venue took up, at most once for each id."""

    swap: Swap
    outcome: Landed | Reverted
    final_at: datetime


@dataclass(slots=True)
class Ledger:
    """What the venue did, whoever asked it to. Shared by all who talk to the same venue."""

    executions: dict[str, Execution] = field(default_factory=dict)
    builds: int = 0

    def fills(self, order_id: UUID) -> list[Execution]:
        """The trades of an order in which tokens really changed hands."""
        return [
            execution
            for execution in self.executions.values()
            if execution.swap.order_id == order_id and isinstance(execution.outcome, Landed)
        ]


class FakeVenue:
    """Pays `price` units for every 1,000 sold, less 0.25 %.

    Trouble is scripted: each of the queues `quote_errors`, `build_errors`, `send_errors` and
    `status_errors` is raised from in turn, where None stands for a call that goes well. An
    error in `send` comes after the trade is taken up when `takes_up_before_error`. The queue
    `outcomes` says what becomes of the next trades; without one, they land as quoted.
    """

    def __init__(
        self,
        dex: str,
        *,
        clock: Clock,
        price: int = 1_000,
        latency: timedelta = timedelta(0),
        finality: timedelta = timedelta(0),
        ledger: Ledger | None = None,
    ) -> None:
        self.dex = dex
        self.price = price
        self.latency = latency
        self.finality = finality
        """From being taken up to being final."""
        self.ledger = ledger or Ledger()
        self.sent: list[bytes] = []
        """What was handed to `send`, repeats and refusals included."""
        self.quote_errors: deque[Exception | None] = deque()
        self.build_errors: deque[Exception | None] = deque()
        self.send_errors: deque[Exception | None] = deque()
        self.status_errors: deque[Exception | None] = deque()
        self.outcomes: deque[Landed | Reverted] = deque()
        self.takes_up_before_error = False
        self._clock = clock
        self._mints = {token.mint for token in KNOWN}

    @property
    def height(self) -> int:
        """The block height now."""
        return (self._clock.now() - EPOCH) // BLOCK

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        await self._wait()
        _raise_next(self.quote_errors)
        if not {input_mint, output_mint} <= self._mints or input_mint == output_mint:
            raise Refused(f"{self.dex} has no such pool", FailureCode.NO_ROUTE)
        fee = ceil_div(amount_in * FEE_BPS, BPS)
        out = (amount_in - fee) * self.price // 1_000
        if not in_range(out):
            raise Refused(f"{self.dex} cannot trade that much or that little", FailureCode.NO_ROUTE)
        return Quote(self.dex, Amount(out), Amount(fee), price_impact_bps=0)

    async def build(self, order: Order) -> Transaction:
        await self._wait()
        _raise_next(self.build_errors)
        assert order.expected_out is not None
        assert order.min_out is not None
        self.ledger.builds += 1
        swap = Swap(
            order_id=order.id,
            attempt=order.attempt,
            build=self.ledger.builds,
            dex=self.dex,
            amount_in=order.amount_in,
            expected_out=order.expected_out,
            min_out=order.min_out,
            last_valid_height=self.height + LIFETIME,
        )
        raw = msgspec.json.encode(swap)
        return Transaction(
            dex=self.dex,
            tx_hash=sha256(raw).hexdigest(),
            raw=raw,
            min_out=order.min_out,
            last_valid_height=swap.last_valid_height,
        )

    async def send(self, transaction: Transaction) -> None:
        await self._wait()
        self.sent.append(transaction.raw)
        error = self.send_errors.popleft() if self.send_errors else None
        if error is None or self.takes_up_before_error:
            self._take_up(transaction)
        if error is not None:
            raise error

    async def status(self, transaction: Transaction) -> Outcome:
        await self._wait()
        _raise_next(self.status_errors)
        self._read(transaction)
        execution = self.ledger.executions.get(transaction.tx_hash)
        if execution is None:
            return NotFound(self.height)
        return execution.outcome if self._clock.now() >= execution.final_at else Pending()

    def _take_up(self, transaction: Transaction) -> None:
        swap = self._read(transaction)
        if transaction.tx_hash in self.ledger.executions:
            return
        if self.height > swap.last_valid_height:
            raise Refused("block height exceeded")
        self.ledger.executions[transaction.tx_hash] = Execution(
            swap, self._outcome(swap), self._clock.now() + self.finality
        )

    def _outcome(self, swap: Swap) -> Landed | Reverted:
        outcome = self.outcomes.popleft() if self.outcomes else Landed(Amount(swap.expected_out))
        if isinstance(outcome, Landed) and outcome.out < swap.min_out:
            return Reverted(FailureCode.SLIPPAGE_EXCEEDED, f"{outcome.out} is below the floor")
        return outcome

    def _read(self, transaction: Transaction) -> Swap:
        if sha256(transaction.raw).hexdigest() != transaction.tx_hash:
            raise Refused("these bytes were not signed")
        swap = msgspec.json.decode(transaction.raw, type=Swap)
        if swap.dex != self.dex:
            raise Refused(f"these bytes were signed for {swap.dex}")
        return swap

    async def _wait(self) -> None:
        if self.latency:
            await self._clock.sleep(self.latency)


def _raise_next(errors: deque[Exception | None]) -> None:
    error = errors.popleft() if errors else None
    if error is not None:
        raise error
