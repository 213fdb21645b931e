"""A venue with a pool of waiting bytes, blocks that are abandoned, and nodes that lag."""

from collections import deque
from contextlib import suppress
from datetime import timedelta

import msgspec

from orders.domain.amounts import Amount
from orders.domain.errors import Refused
from orders.domain.order import Order
from orders.domain.quote import Landed, NotFound, Outcome, Pending, Quote, Transaction
from orders.ports import Clock
from tests.fakes.venue import BLOCK, EPOCH, FakeVenue, Ledger, Swap
from tests.model.fate import Calm, Destiny
from tests.model.invariants import Judge
from tests.model.loop import Loop
from tests.model.wire import Note, at_once

FINALITY = timedelta(seconds=1)
DENIAL = 0.3
"""For how many seconds a transaction is denied; the engine asks again after half a second."""


class ModelVenue:
    """Trades on a `FakeVenue` at the price of the moment at which the bytes are taken up."""

    def __init__(
        self,
        dex: str,
        *,
        loop: Loop,
        clock: Clock,
        fate: Calm,
        judge: Judge,
        ledger: Ledger,
        note: Note,
    ) -> None:
        self.dex = dex
        self.inner = FakeVenue(dex, clock=clock, finality=FINALITY, ledger=ledger)
        self._destinies: dict[str, Destiny] = {}
        self._loop = loop
        self._clock = clock
        self._fate = fate
        self._judge = judge
        self._note = note
        self._denied_until: dict[str, float] = {}

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        _raise(self._fate.quote_error())
        return await self.inner.quote(input_mint, output_mint, amount_in)

    async def build(self, order: Order) -> Transaction:
        _raise(self._fate.build_error())
        return await self.inner.build(order)

    async def send(self, transaction: Transaction) -> None:
        """The same bytes have one destiny, however often they are sent; only a lost block
        and a lost call give them another chance."""
        self._judge.sent(transaction)
        if self.inner.height > transaction.last_valid_height:
            raise Refused("block height exceeded")
        if transaction.tx_hash not in self._destinies:
            self._destinies[transaction.tx_hash] = self._fate.destiny()
        destiny = self._destinies[transaction.tx_hash]
        if destiny.after == 0:
            self._take_up(transaction, destiny)
        elif destiny.after is None:
            self._note(transaction, "never lands")
        else:
            self._loop.outside_later(destiny.after, self._take_up_late, transaction, destiny)
        _raise(self._fate.send_error())

    async def status(self, transaction: Transaction) -> Outcome:
        view = self._fate.view()
        execution = self.inner.ledger.executions.get(transaction.tx_hash)
        then = self._clock.now() - timedelta(seconds=view.lag)
        if view.lag:
            self._note("a node answers from behind")
        if execution is None or execution.final_at - FINALITY > then:
            return NotFound((then - EPOCH) // BLOCK)
        if self._is_denied(transaction, view.denies):
            self._note(transaction, "is denied")
            return NotFound(self.inner.height)
        return execution.outcome if then >= execution.final_at else Pending()

    def _is_denied(self, transaction: Transaction, denies: bool) -> bool:
        """Once for each transaction, for a moment, and when it would hurt: past its expiry.
        Before that a node that lags gives the same answer."""
        now = self._loop.time()
        if denies and self.inner.height > transaction.last_valid_height:
            self._denied_until.setdefault(transaction.tx_hash, now + DENIAL)
        return now < self._denied_until.get(transaction.tx_hash, 0)

    def _take_up_late(self, transaction: Transaction, destiny: Destiny) -> None:
        self._note(transaction, "lands late")
        with suppress(Refused):
            self._take_up(transaction, destiny)

    def _take_up(self, transaction: Transaction, destiny: Destiny) -> None:
        """Raises `Refused` when the bytes have expired."""
        ledger = self.inner.ledger
        if transaction.tx_hash in ledger.executions:
            return
        self.inner.outcomes = deque([destiny.refusal or self._fill(transaction)])
        at_once(self.inner.send(transaction))
        self._judge.taken_up(ledger.executions[transaction.tx_hash])
        if destiny.forks_after is not None and destiny.forks_after < FINALITY.total_seconds():
            self._loop.outside_later(destiny.forks_after, self._fork, transaction)

    def _fill(self, transaction: Transaction) -> Landed:
        swap = msgspec.json.decode(transaction.raw, type=Swap)
        sold, bought = self._judge.mints(swap.order_id)
        return Landed(at_once(self.inner.quote(sold, bought, Amount(swap.amount_in))).out)

    def _fork(self, transaction: Transaction) -> None:
        """The block that held the trade is abandoned: it can be taken up again."""
        self._note("the block of", transaction, "is abandoned")
        del self.inner.ledger.executions[transaction.tx_hash]
        self._judge.forked(transaction)


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error
