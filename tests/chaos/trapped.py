"""The ports of a worker and of an API, with a trap at each point of `points`.

Each wraps the real adapter and passes on everything else that it can do.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis as blocking

from orders.broker import StreamBroker
from orders.domain.amounts import Amount
from orders.domain.errors import StaleOrder
from orders.domain.order import Order
from orders.domain.quote import Landed, Outcome, Quote, Transaction
from orders.feed import RedisFeed
from orders.ports import Added, Hint, Hold, Key, Venue
from orders.queue import STREAM, RedisQueue, encode
from orders.store import PostgresStore
from tests.chaos.points import Point, Trap


class Wrapped:
    """What is not trapped is passed on."""

    def __init__(self, inner: Any, trap: Trap) -> None:
        self._inner = inner
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Holdings:
    """The orders that a worker holds, as it knows from its own saves."""

    def __init__(self) -> None:
        self._steps: dict[UUID, int] = {}

    def __call__(self) -> Iterable[tuple[UUID, int]]:
        return self._steps.items()

    def saved(self, order: Order) -> None:
        """Note a stored step."""
        if order.is_held:
            self._steps[order.id] = order.seq
        else:
            self._steps.pop(order.id, None)

    def lost(self, order: Order) -> None:
        """Note that another has it."""
        self._steps.pop(order.id, None)

    def released(self, holds: Sequence[Hold]) -> None:
        """Note what was let go of."""
        for hold in holds:
            self._steps.pop(hold.order_id, None)


class WorkerStore(Wrapped):
    """Dies right after a claim is stored."""

    _inner: PostgresStore

    def __init__(self, inner: PostgresStore, trap: Trap, holdings: Holdings) -> None:
        super().__init__(inner, trap)
        self._holdings = holdings

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        try:
            stored = await self._inner.save(order, claim=claim)
        except StaleOrder:
            self._holdings.lost(order)
            raise
        self._holdings.saved(stored)
        if claim:
            self._trap.passing(Point.CLAIMED)
        return stored

    async def release(self, holds: Sequence[Hold], wait: timedelta = timedelta(0)) -> None:
        await self._inner.release(holds, wait)
        self._holdings.released(holds)
        if wait:
            for hold in holds:
                self._trap.rested(hold.order_id)


class TrappedVenue(Wrapped):
    """Dies while quoting, with a signed trade in hand, and on either side of the send."""

    _inner: Venue
    dex: str

    def __init__(self, inner: Venue, trap: Trap) -> None:
        super().__init__(inner, trap)
        self.dex = inner.dex
        self._sent: set[str] = set()

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        quote = await self._inner.quote(input_mint, output_mint, amount_in)
        self._trap.passing(Point.ROUTING)
        return quote

    async def build(self, order: Order) -> Transaction:
        transaction = await self._inner.build(order)
        self._trap.passing(Point.SIGNED_NOT_STORED)
        return transaction

    async def send(self, transaction: Transaction) -> None:
        if transaction.tx_hash not in self._sent:
            self._trap.passing(Point.STORED_NOT_SENT)
            self._sent.add(transaction.tx_hash)
        await self._inner.send(transaction)
        self._trap.passing(Point.SENT_NOT_REPLIED)

    async def status(self, transaction: Transaction) -> Outcome:
        outcome = await self._inner.status(transaction)
        if isinstance(outcome, Landed):
            self._trap.passing(Point.LANDED_NOT_RECORDED)
        return outcome


class TrappedFeed(Wrapped):
    """Dies with a final step stored and not told."""

    _inner: RedisFeed

    def publish(self, order: Order) -> None:
        if order.is_final:
            self._trap.passing(Point.RECORDED_NOT_PUBLISHED)
        self._inner.publish(order)


def trap_acknowledgements(broker: StreamBroker, feed: RedisFeed, trap: Trap) -> None:
    """Let the process die with every step told and the message not acknowledged."""
    acknowledge = broker._acknowledge

    async def trapped(entries: Sequence[bytes]) -> None:
        if trap.is_set(Point.PUBLISHED_NOT_ACKNOWLEDGED):
            await feed.drain()
        trap.passing(Point.PUBLISHED_NOT_ACKNOWLEDGED)
        await acknowledge(entries)

    broker._acks._send = trapped


class ApiStore(Wrapped):
    """Dies with a request read and nothing stored."""

    _inner: PostgresStore

    async def add(self, order: Order, keys: Sequence[Key], fingerprint: str) -> Added:
        self._trap.passing(Point.BEFORE_COMMIT)
        return await self._inner.add(order, keys, fingerprint)


class TrappedQueue(Wrapped):
    """Dies on either side of the hint. To die after it, the hint is sent then and there."""

    _inner: RedisQueue

    def __init__(self, inner: RedisQueue, trap: Trap, url: str) -> None:
        super().__init__(inner, trap)
        self._url = url

    def enqueue(self, hints: Sequence[Hint]) -> None:
        self._trap.passing(Point.COMMITTED_NOT_ENQUEUED)
        if self._trap.is_set(Point.ENQUEUED_NOT_REPLIED):
            with blocking.Redis.from_url(self._url) as client:
                for hint in hints:
                    client.xadd(STREAM, {b"data": encode(hint)})
            self._trap.passing(Point.ENQUEUED_NOT_REPLIED)
        else:
            self._inner.enqueue(hints)
