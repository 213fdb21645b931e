"""What a run leaves behind: what clients were told, what the engine stored, what venues did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from orders.domain.lifecycle import Status
from tests.chaos.venue.ledger import Execution


class Outcome(StrEnum):
    """What a client knows after one request."""

    OK = "ok"
    """A 2xx."""
    FAIL = "fail"
    """A definite refusal: 4xx, or 503 `overloaded`."""
    UNKNOWN = "unknown"
    """It may have been stored: no answer, 503 `unavailable`, or any other 5xx."""


@dataclass(frozen=True, slots=True)
class Post:
    """One request to place an order, as its client saw it."""

    key: str | None
    client_order_id: str | None
    outcome: Outcome
    code: str | None
    """Why it is not ok: the problem's code, or what became of the connection."""
    order_id: UUID | None
    at: datetime
    """When it was sent, by the client's clock."""
    took: timedelta


@dataclass(frozen=True, slots=True)
class Resolved:
    """Which orders were found by a request's names, after the storm."""

    key: str | None
    client_order_id: str | None
    order_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One connection of one subscriber, from its opening to its end."""

    subscriber: str
    order_id: UUID
    from_seq: int
    frames: tuple[tuple[int, Status], ...]
    """The steps that it told, in order, repeats kept and heartbeats left out."""
    code: int
    """What it was closed with; 0 when this client gave up."""


@dataclass(frozen=True, slots=True)
class Story:
    """What one subscriber heard over all its connections, in order, repeats kept."""

    order_id: UUID
    frames: tuple[tuple[int, Status], ...]
    is_complete: bool
    """Whether the last connection was closed as done."""
    connections: tuple[int, ...]
    """The first step that each connection asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The client's side of a run."""

    posts: Sequence[Post] = ()
    resolved: Sequence[Resolved] = ()
    stories: Sequence[Story] = ()


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as it stands in the engine's own table."""

    order_id: UUID
    client_order_id: str | None
    status: Status
    seq: int
    attempt: int
    dex: str | None
    input_mint: str
    amount_in: int
    output_mint: str
    min_out: int | None
    actual_out: int | None
    tx_hash: str | None
    failure_code: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """A step in the engine's own history, with what of its data can be judged."""

    order_id: UUID
    seq: int
    status: Status
    attempt: int
    at: datetime
    tx_hash: str | None = None
    min_out: int | None = None
    actual_out: int | None = None
    failure_code: str | None = None
    waits: bool = False
    """Whether its worker let go of the order for a while, to try again then."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine's side of a run: every order, and each one's history by `seq`."""

    orders: Mapping[UUID, OrderRow] = field(default_factory=dict)
    events: Mapping[UUID, Sequence[EventRow]] = field(default_factory=dict)

    def history(self, order_id: UUID) -> Sequence[EventRow]:
        """An order's steps; none when it has none."""
        return self.events.get(order_id, ())


@dataclass(frozen=True, slots=True)
class Ledger:
    """The venues' side of a run."""

    executions: Sequence[Execution] = ()
    balances: Mapping[str, int] = field(default_factory=dict)
    """By how much the engine's wallet changed, by mint: sold is negative, bought positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a run is judged by."""

    clients: Clients
    engine: Engine
    ledger: Ledger
