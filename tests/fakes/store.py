"""A store in memory, by the same rules as the one on PostgreSQL."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from orders import wire
from orders.domain.amounts import MAX_AMOUNT
from orders.domain.errors import KeyReused, StaleOrder, StoreUnavailable, Unstorable
from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.ports import Added, Clock, Filter, Hint, Hold, Horizon, Key, KeyKind, Step, Survey

OVERTAKING = timedelta(seconds=1)
"""By how much hints may overtake each other in the queue."""


@dataclass(slots=True)
class _Row:
    """An order as it stands, and when somebody should look at it next: None when it is final."""

    order: Order
    wake_at: datetime | None
    held: bool = False
    hints: int = 1


@dataclass(frozen=True, slots=True)
class _Named:
    """What a key stands for."""

    order_id: UUID
    fingerprint: str


class FakeStore:
    """Fits `orders.ports.Store`. `clock` is the store's own.

    While `unavailable`, nothing can be read or written.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        lease: timedelta = timedelta(seconds=5),
        backstop: timedelta = timedelta(seconds=60),
    ) -> None:
        self.unavailable = False
        self._clock = clock
        self._lease = lease
        self._backstop = backstop
        self._rows: dict[UUID, _Row] = {}
        self._steps: dict[UUID, list[Step]] = {}
        self._keys: dict[tuple[str, str, str], _Named] = {}
        self._hashes: set[str] = set()
        self._loses_next_save = False

    def lose_next_save(self) -> None:
        """Let the next save be stored, and its answer be lost."""
        self._loses_next_save = True

    async def add(self, order: Order, keys: Sequence[Key], fingerprint: str) -> Added:
        await self._reach()
        names = [(order.owner, key.kind, key.value) for key in keys]
        met = [self._keys[name] for name in names if name in self._keys]
        if met and set(met) != {_Named(met[0].order_id, fingerprint)}:
            raise KeyReused("an idempotency key was used before, for another request")
        if not met:
            self._insert(order)
        order_id = met[0].order_id if met else order.id
        self._keys |= dict.fromkeys(names, _Named(order_id, fingerprint))
        return Added(_bare(self._rows[order_id].order), replayed=bool(met))

    async def get(self, order_id: UUID) -> Order | None:
        await self._reach()
        row = self._rows.get(order_id)
        return _at_rest(row.order) if row else None

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        await self._reach()
        _check(order)
        row, now = self._rows.get(order.id), self._clock.now()
        if row is None or not self._may_save(row, order, claim):
            raise StaleOrder(f"order {order.id} has moved on")
        self._sign(order, row.order)
        row.order = replace(
            order,
            lease=row.order.lease + claim,
            crashes=row.order.crashes + self._ran_out(row) if claim else 0,
            updated_at=now,
        )
        row.wake_at = self._next_look(row, order)
        row.held, row.hints = order.is_held, 0
        self._tell(row.order)
        if self._loses_next_save:
            self._loses_next_save = False
            raise StoreUnavailable("the answer was lost")
        return row.order

    async def renew(self, holds: Sequence[Hold]) -> set[UUID]:
        await self._reach()
        held = self._held(holds)
        for row in held:
            row.wake_at = self._clock.now() + self._lease
        return {row.order.id for row in held}

    async def release(self, holds: Sequence[Hold], wait: timedelta = timedelta(0)) -> None:
        await self._reach()
        for row in self._held(holds):
            row.held, row.hints, row.wake_at = False, 0, self._clock.now() + wait

    async def due(self, horizon: Horizon, limit: int, before: datetime | None = None) -> list[Hint]:
        await self._reach()
        oldest, now = horizon.oldest, before or self._clock.now()

        def is_lost(hinted_at: datetime) -> bool:
            return oldest is None or hinted_at < oldest - OVERTAKING

        return self._take(
            (
                row
                for wake_at, row in self._open()
                if wake_at <= now and (row.held or not row.hints or is_lost(wake_at - self._lease))
            ),
            limit,
        )

    async def unsettled(self, limit: int) -> list[UUID]:
        await self._reach()
        waiting = sorted(
            (wake_at, row.order.id)
            for wake_at, row in self._open()
            if wake_at <= self._clock.now()
            and row.order.status is Status.SUBMITTED
            and not row.order.crashes
        )
        return [order_id for _, order_id in waiting[:limit]]

    async def overlooked(self, limit: int) -> list[Hint]:
        await self._reach()
        now = self._clock.now()
        return self._take(
            (
                row
                for wake_at, row in self._open()
                if row.hints > 0
                and wake_at - self._lease <= now - self._backstop * 2 ** min(row.hints - 1, 5)
            ),
            limit,
        )

    async def forget_hints(self, oldest: datetime | None = None) -> int:
        await self._reach()
        forgotten = [
            (wake_at, row)
            for wake_at, row in self._open()
            if row.hints > 0 and (oldest is None or wake_at - self._lease < oldest)
        ]
        for wake_at, row in forgotten:
            row.hints, row.wake_at = 0, min(wake_at, self._clock.now())
        return len(forgotten)

    async def history(self, order_id: UUID) -> list[Step]:
        await self._reach()
        return list(self._steps.get(order_id, []))

    async def ahead(self, known: Sequence[tuple[UUID, int]]) -> dict[UUID, int]:
        await self._reach()
        stored = {one: self._rows[one].order.seq for one, _ in known if one in self._rows}
        return {one: stored[one] for one, seq in known if stored.get(one, 0) > seq}

    async def find(self, wanted: Filter, limit: int) -> list[Order]:
        await self._reach()
        newest_first = sorted(self._rows.values(), key=lambda row: row.order.id, reverse=True)
        found = [_bare(row.order) for row in newest_first if self._is_wanted(row.order, wanted)]
        return found[:limit]

    async def survey(self) -> Survey:
        await self._reach()
        rows = [row for _, row in self._open()]
        minute_ago = self._clock.now() - timedelta(minutes=1)
        return Survey(
            oldest_received=self._age(row for row in rows if _is_received(row)),
            oldest=self._age(rows),
            due=sum(self._is_wanted_again(row) for row in rows),
            stuck=sum(
                row.order.status is Status.SUBMITTED and _created(row) < minute_ago for row in rows
            ),
        )

    async def ping(self) -> None:
        await self._reach()

    async def _reach(self) -> None:
        """Let others go on meanwhile, as a real store does. What follows happens at once."""
        await asyncio.sleep(0)
        if self.unavailable:
            raise StoreUnavailable("the store is away")

    def _age(self, rows: Iterable[_Row]) -> timedelta | None:
        """How old the oldest is."""
        return max((self._clock.now() - _created(row) for row in rows), default=None)

    def _is_wanted_again(self, row: _Row) -> bool:
        """Whether a worker had it, and one should again."""
        is_over = row.wake_at is not None and row.wake_at <= self._clock.now()
        return row.order.lease > 0 and (row.hints > 0 or is_over)

    def _insert(self, order: Order) -> None:
        _check(order)
        if order.id in self._rows:
            raise Unstorable(f"there is an order {order.id} already")
        now = self._clock.now()
        self._rows[order.id] = _Row(
            replace(order, created_at=now, updated_at=now), wake_at=now + self._lease
        )
        self._tell(self._rows[order.id].order)

    def _may_save(self, row: _Row, order: Order, claim: int) -> bool:
        if row.wake_at is None or row.order.seq != order.seq - 1:
            return False
        if claim:
            return not row.held or row.wake_at <= self._clock.now()
        return row.held and row.order.lease == order.lease

    def _sign(self, order: Order, before: Order) -> None:
        """Note a new transaction, whose id no other may have."""
        if order.transaction is None or before.transaction is not None:
            return
        if order.transaction.tx_hash in self._hashes:
            raise Unstorable(f"there is a transaction {order.transaction.tx_hash} already")
        self._hashes.add(order.transaction.tx_hash)

    def _next_look(self, row: _Row, order: Order) -> datetime | None:
        """A lease is extended only when less than half of it is left."""
        now = self._clock.now()
        if order.is_final:
            return None
        if order.retry and order.retry.wait:
            return now + order.retry.wait
        if row.wake_at and now + self._lease / 2 <= row.wake_at <= now + self._lease:
            return row.wake_at
        return now + self._lease

    def _ran_out(self, row: _Row) -> bool:
        """Whether a lease ended in a worker's hands."""
        return row.held and row.wake_at is not None and row.wake_at <= self._clock.now()

    def _held(self, holds: Sequence[Hold]) -> list[_Row]:
        rows = [(self._rows.get(hold.order_id), hold.lease) for hold in holds]
        return [row for row, lease in rows if row and row.held and row.order.lease == lease]

    def _open(self) -> list[tuple[datetime, _Row]]:
        return [(row.wake_at, row) for row in self._rows.values() if row.wake_at is not None]

    def _take(self, rows: Iterable[_Row], limit: int) -> list[Hint]:
        """Free those to look at first, and count them as hinted now."""
        now = self._clock.now()
        taken = sorted(rows, key=lambda row: (_is_received(row), row.wake_at))[:limit]
        for row in taken:
            row.order = replace(row.order, crashes=row.order.crashes + self._ran_out(row))
            row.held, row.hints, row.wake_at = False, row.hints + 1, now + self._lease
        return [Hint(row.order.id, now) for row in taken]

    def _tell(self, order: Order) -> None:
        assert order.updated_at is not None
        data = msgspec.json.decode(wire.encode(wire.data(order)))
        self._steps.setdefault(order.id, []).append(
            Step(order.id, order.seq, order.status, order.attempt, order.updated_at, data)
        )

    def _is_wanted(self, order: Order, wanted: Filter) -> bool:
        assert order.created_at is not None
        name = (wanted.owner, KeyKind.CLIENT_ORDER_ID, wanted.client_order_id or "")
        named = self._keys.get(name)
        return (
            order.owner == wanted.owner
            and wanted.status in (None, order.status)
            and wanted.input_mint in (None, order.input_mint)
            and wanted.output_mint in (None, order.output_mint)
            and (wanted.client_order_id is None or (named and named.order_id) == order.id)
            and (wanted.since is None or order.created_at >= wanted.since)
            and (wanted.until is None or order.created_at < wanted.until)
            and (wanted.before is None or order.id < wanted.before)
        )


def _created(row: _Row) -> datetime:
    assert row.order.created_at is not None, "what is stored has its time"
    return row.order.created_at


def _is_received(row: _Row) -> bool:
    return row.order.status is Status.RECEIVED


def _check(order: Order) -> None:
    """Raise `Unstorable` for a number that a BIGINT does not hold."""
    numbers: list[Any] = [order.amount_in, order.min_out, order.expected_out, order.actual_out]
    if any(number is not None and abs(number) > MAX_AMOUNT for number in numbers):
        raise Unstorable("a number does not fit into 64 bits")


def _at_rest(order: Order) -> Order:
    """The order as it is read back: a step's evidence is in its history only."""
    read = replace(order, answers=(), retry=None)
    return read if read.status is Status.SUBMITTED else _bare(read)


def _bare(order: Order) -> Order:
    """The order without what only its own worker needs."""
    transaction = order.transaction
    if transaction:
        transaction = replace(transaction, raw=b"", last_valid_height=0)
    return replace(order, answers=(), retry=None, transaction=transaction)
