"""What the engine needs of the world, written from the engine's need.

An adapter fits a protocol without inheriting from it, and passes that port's suite in
`tests/conformance`, as its fake does.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from orders.domain.amounts import Amount
from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.domain.quote import Outcome, Quote, Transaction


class Clock(Protocol):
    """Time, so that tests can hold it still."""

    def now(self) -> datetime:
        """UTC."""

    def monotonic(self) -> timedelta:
        """Time since some fixed instant; never runs backwards."""

    async def sleep(self, wait: timedelta) -> None:
        """Return after `wait`."""


class Venue(Protocol):
    """A place to trade. It knows nothing of how orders are stored.

    Its methods raise the errors of `domain.errors`: `Transient` and `Refused` from `quote`
    and `build`, `Expired` from `build` when the order must be routed anew. Whatever `send`
    raises is taken as `Unknown`.
    """

    dex: str

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        """What would arrive for `amount_in`, net of every fee. Safe to repeat."""

    async def build(self, order: Order) -> Transaction:
        """Sign the trade of an order in `building`, with its `min_out` inside. Sends nothing."""

    async def send(self, transaction: Transaction) -> None:
        """Hand the bytes to the venue. Safe to repeat: it executes one id at most once."""

    async def status(self, transaction: Transaction) -> Outcome:
        """What became of the trade, as far as this node can prove. Safe to repeat.

        `Landed` and `Reverted` are final. `NotFound` carries the node's own finalized
        height: past the trade's last valid height, it can no longer land.
        """


class KeyKind(StrEnum):
    """Where a client gave a key. The same text of two kinds is two keys."""

    IDEMPOTENCY_KEY = "idempotency-key"
    CLIENT_ORDER_ID = "client-order-id"


@dataclass(frozen=True, slots=True)
class Key:
    """A name that a client gave to its request, unique for ever per owner and kind."""

    kind: KeyKind
    value: str


class Added(Struct, frozen=True, gc=False):
    """What `Store.add` did: the order as stored, or the earlier one of the same key."""

    order: Order
    replayed: bool


class Step(Struct, frozen=True, gc=False):
    """One row of an order's history. `data` is the part of the frame that varies by status."""

    order_id: UUID
    seq: int
    status: Status
    attempt: int
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list. `since` is included, `until` is not; both are compared with the
    time of receipt. `before` is the id that the last page ended with."""

    owner: str
    status: Status | None = None
    input_mint: str | None = None
    output_mint: str | None = None
    client_order_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None


class Hint(Struct, frozen=True, gc=False):
    """A word to the workers that an order wants looking at, as of the store's clock."""

    order_id: UUID
    at: datetime
    traceparent: str | None = None
    """The span that sent it, as W3C Trace Context writes it; None unless it is traced."""


class Hold(Struct, frozen=True, gc=False):
    """A worker's claim on an order: only the lease with this number may step it."""

    order_id: UUID
    lease: int


@dataclass(frozen=True, slots=True)
class Horizon:
    """What the queue still knows."""

    oldest: datetime | None
    """The time of the oldest hint it holds; None when it holds none."""
    lost: bool
    """Whether it has forgotten hints since it was last marked."""


class Survey(Struct, frozen=True, gc=False):
    """How the orders that are not final stand. Nothing is counted beyond 10,000."""

    oldest_received: timedelta | None
    """How long the oldest order that no worker has taken up has waited; None without any."""
    oldest: timedelta | None
    """The age of the oldest order; None when all are final."""
    due: int
    """Orders that were taken up before and want it again: their wait is over, or their worker's
    lease."""
    stuck: int
    """Orders older than a minute whose transaction has no known outcome."""


class Store(Protocol):
    """The truth. All times are the store's own; a lease lasts as long as it was made with.

    Every method may raise `StoreUnavailable`; after a write that means the outcome is
    unknown until it is read.
    """

    async def add(self, order: Order, keys: Sequence[Key], fingerprint: str) -> Added:
        """Store a new order with its keys, all or nothing. Safe to repeat with a key.

        A key that names an earlier order of the same fingerprint answers that order; of
        another fingerprint, or two keys that name two orders, raises `KeyReused`.
        """

    async def get(self, order_id: UUID) -> Order | None:
        """The order as it stands, with its live transaction; None when there is none."""

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        """Store a step: the row and its event together, or `StaleOrder` and nothing.

        Guarded by `seq` and by the lease. With `claim` the order need not be held: it is
        taken if nobody holds it or the lease ran out, and its lease number rises by `claim`.
        A number drawn at random lets a worker whose answer was lost know its own claim.
        Answers the order as stored.
        """

    async def renew(self, holds: Sequence[Hold]) -> set[UUID]:
        """Extend leases. Answers those that are still held."""

    async def release(self, holds: Sequence[Hold], wait: timedelta = timedelta(0)) -> None:
        """Let go of orders without a step; they are due after `wait`. Lost leases are ignored."""

    async def due(self, horizon: Horizon, limit: int, before: datetime | None = None) -> list[Hint]:
        """Take up to `limit` orders that somebody should look at, retries before new ones.

        Due are: a lease that ran out; a wait that is over; and a hint that must be lost,
        because the queue holds none as old. Each is freed, and counted as hinted now. With
        `before`, only what was due by then.
        """

    async def unsettled(self, limit: int) -> list[UUID]:
        """Submitted orders that nobody looks after and no worker died over, the longest waiting
        first. Takes none."""

    async def overlooked(self, limit: int) -> list[Hint]:
        """Take up to `limit` orders whose hint led nowhere, whatever the queue says: first
        after the backstop's time, then after twice as long each time, 32 times at the most."""

    async def forget_hints(self, oldest: datetime | None = None) -> int:
        """Make every order due that nobody holds and that waits on a hint, if the hint is
        older than `oldest`. Answers how many."""

    async def history(self, order_id: UUID) -> list[Step]:
        """An order's steps, in order; empty when there are none."""

    async def ahead(self, known: Sequence[tuple[UUID, int]]) -> dict[UUID, int]:
        """The last step's number of each order that has stepped beyond one that is known."""

    async def find(self, wanted: Filter, limit: int) -> list[Order]:
        """Orders, newest first. Their transactions carry no bytes."""

    async def survey(self) -> Survey:
        """How the orders that are not final stand. Takes none."""

    async def ping(self) -> None:
        """Answer if reachable and migrated."""


class Queue(Protocol):
    """Carries hints to workers. It may lose them, repeat them and reorder them."""

    def enqueue(self, hints: Sequence[Hint]) -> None:
        """Send hints soon. Never raises, and never waits."""

    async def horizon(self) -> Horizon | None:
        """What the queue still knows; None when it cannot be reached."""

    async def mark(self) -> None:
        """Note that all that was lost is known: `lost` is false until it loses again."""


class Feed(Protocol):
    """Tells steps to whoever watches. It may lose them; `seq` shows that it did."""

    def publish(self, order: Order) -> None:
        """Tell a stored step soon. Never raises, and never waits."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something may have been missed: read the store."""


class Frame(Struct, frozen=True, gc=False):
    """A step as it is sent to clients."""

    seq: int
    is_final: bool
    body: bytes


class Watch(Protocol):
    """One watcher's view of one order."""

    def __aiter__(self) -> AsyncIterator[Frame | Gap]:
        """What is told from the moment the watch was opened."""


class Watching(Protocol):
    """The receiving side of the feed."""

    def watch(self, order_id: UUID) -> AbstractContextManager[Watch]:
        """Watch an order. Steps told from now on are kept until taken."""
