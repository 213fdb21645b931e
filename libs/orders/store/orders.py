"""The store on PostgreSQL: writes and hot reads in groups, other reads through Tortoise."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

from msgspec.structs import replace

from orders import observe
from orders.domain.errors import (
    KeyReused,
    StaleOrder,
    StoreError,
    StoreUnavailable,
)
from orders.domain.order import Order
from orders.ports import Added, Filter, Hint, Hold, Horizon, Key, Step, Survey
from orders.store import find, rows, schema, sql
from orders.store.database import Database
from orders.store.group import Commit, Conflict, Group
from orders.store.tables import KeyRow, OrderRow

T = TypeVar("T")
R = TypeVar("R")

FORGET_BATCH = 20_000
COUNTED = 10_000
"""The most that a survey counts."""
STUCK_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _New:
    """An order on its way into the store."""

    order: Order
    row: tuple[Any, ...]
    """It as the values of `rows.INSERT`."""
    keys: tuple[Key, ...]
    fingerprint: str

    def names(self) -> list[tuple[str, str, str]]:
        """Its keys as they are told apart: per owner and kind."""
        return [(self.order.owner, key.kind, key.value) for key in self.keys]

    def key_rows(self) -> list[tuple[Any, ...]]:
        """Its keys as values of the type `order_key`."""
        return [(*name, self.order.id, self.fingerprint) for name in self.names()]


class PostgresStore:
    """Fits `orders.ports.Store`. `lease` and `backstop` are told to PostgreSQL, whose clock
    they run by."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        lease: timedelta = timedelta(seconds=5),
        backstop: timedelta = timedelta(seconds=60),
        batch: int = 128,
    ) -> None:
        self._database = Database(connection_name="default", url=url, maxsize=pool_size)
        self._lease = lease
        self._backstop = backstop
        self._pool_size = pool_size
        self._adds: Group[_New, Added] = Group(
            _timed("add", self._add_all),
            keys=lambda new: [new.order.id, *new.names()],
            most=batch,
        )
        self._saves = Group(
            _timed("save", self._save_all), keys=lambda step: [step[0][0]], most=batch
        )
        self._gets = Group(
            _timed("get", self._get_all), keys=lambda order_id: [order_id], most=batch
        )
        self._histories = Group(
            _timed("history", self._history_all), keys=lambda order_id: [order_id], most=batch
        )

    async def open(self) -> None:
        """Get ready. Connects on first use, and again whenever the connection is lost."""
        await self._database.open()
        observe.pooled(self._database.in_use, self._pool_size)

    async def flush(self) -> None:
        """Return when all that was begun is written, or lost."""
        groups: list[Group[Any, Any]] = [self._adds, self._saves, self._gets, self._histories]
        await asyncio.gather(*(group.close() for group in groups))

    async def close(self) -> None:
        """Finish what was begun, then disconnect."""
        await self.flush()
        await self._database.close()

    async def add(self, order: Order, keys: Sequence[Key], fingerprint: str) -> Added:
        return await self._adds(
            _New(order, rows.insert(order, len(keys)), tuple(keys), fingerprint)
        )

    async def get(self, order_id: UUID) -> Order | None:
        return await self._gets(order_id)

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        lease, crashes, at = await self._saves((rows.step(order, claim), order))
        return replace(order, lease=lease, crashes=crashes, updated_at=at)

    async def renew(self, holds: Sequence[Hold]) -> set[UUID]:
        found = await self._write("renew", sql.RENEW, self._lease, *_holds(holds))
        return {row["order_id"] for row in found}

    async def release(self, holds: Sequence[Hold], wait: timedelta = timedelta(0)) -> None:
        await self._write("release", sql.RELEASE, wait, *_holds(holds))

    async def due(self, horizon: Horizon, limit: int, before: datetime | None = None) -> list[Hint]:
        found = await self._write("due", sql.DUE, self._lease, limit, horizon.oldest, before)
        return _hints(found)

    async def unsettled(self, limit: int) -> list[UUID]:
        found = await self._fetch("unsettled", sql.UNSETTLED, limit)
        return [row["order_id"] for row in found]

    async def overlooked(self, limit: int) -> list[Hint]:
        found = await self._write("overlooked", sql.OVERLOOKED, self._lease, limit, self._backstop)
        return _hints(found)

    async def forget_hints(self, oldest: datetime | None = None) -> int:
        """A batch at a time, since all of a long backlog would outlast a statement's time."""
        forgotten = 0
        while True:
            (row,) = await self._write(
                "forget_hints", sql.FORGET_HINTS, self._lease, oldest, FORGET_BATCH
            )
            count: int = row["orders"]
            forgotten += count
            if count < FORGET_BATCH:
                return forgotten
            oldest = oldest or row["at"]  # what another has hinted since then is not lost

    async def history(self, order_id: UUID) -> list[Step]:
        return [rows.told(row) for row in await self._histories(order_id)]

    async def ahead(self, known: Sequence[tuple[UUID, int]]) -> dict[UUID, int]:
        order_ids, seqs = [each for each, _ in known], [seq for _, seq in known]
        found = await self._fetch("ahead", sql.AHEAD, order_ids, seqs)
        return {row["order_id"]: row["seq"] for row in found}

    async def find(self, wanted: Filter, limit: int) -> list[Order]:
        found = await self._database.read(
            lambda db: find.query(wanted).limit(limit).using_db(db).values()
        )
        return [rows.order(row) for row in found]

    async def survey(self) -> Survey:
        (found,) = await self._fetch("survey", sql.SURVEY, COUNTED, STUCK_AFTER)
        received, taken = found["received"], found["taken"]
        oldest = max((age for age in (received, taken) if age is not None), default=None)
        return Survey(received, oldest, found["due"], found["stuck"])

    async def ping(self) -> None:
        await self.ahead([(UUID(int=0), 0)])

    async def check(self) -> None:
        """Raise `StoreUnavailable` unless the database answers and has this release's tables."""
        await schema.check(self._database)

    async def _write(self, name: str, statement: str, *values: Any, repeats: int = 5) -> list[Any]:
        """One statement for many orders, repeated when it met another's lock."""
        for _ in range(repeats):
            try:
                return await self._fetch(name, statement, *values)
            except Conflict:
                continue
        raise StoreUnavailable(f"conflicts with other writers, {repeats} times in a row")

    async def _fetch(self, name: str, statement: str, *values: Any) -> list[Any]:
        start = perf_counter()
        try:
            return await self._database.fetch(statement, *values)
        finally:
            observe.queried(name, perf_counter() - start)

    async def _get_all(self, order_ids: Sequence[UUID]) -> list[Order | StoreError | None]:
        found = await self._database.fetch(sql.GET, list(order_ids))
        known = {row["order_id"]: _readable(row) for row in found}
        return [known.get(order_id) for order_id in order_ids]

    async def _history_all(self, order_ids: Sequence[UUID]) -> list[list[Any]]:
        """The rows of every order's history. Who asked reads its own, which may fail."""
        histories: dict[UUID, list[Any]] = {order_id: [] for order_id in order_ids}
        for row in await self._database.fetch(sql.HISTORY, list(order_ids)):
            histories[row["order_id"]].append(row)
        return list(histories.values())

    async def _save_all(self, steps: Sequence[tuple[tuple[Any, ...], Order]]) -> list[Any]:
        order = sorted(range(len(steps)), key=lambda n: steps[n][0][0])
        won = await self._database.fetch(sql.SAVE, self._lease, [steps[n][0] for n in order])
        results: list[Any] = [StaleOrder(f"order {step[0][0]} has moved on") for step in steps]
        at = won[0]["at"] if won else None  # of the whole statement, so let it be one object
        for row in won:
            results[order[row["ord"] - 1]] = (row["lease"], row["crashes"], at)
        return results

    async def _add_all(self, batch: Sequence[_New]) -> list[Any]:
        """Answer those whose keys are known, insert the others, and look again for any that
        lost a race for a key to another process.

        Safe to repeat until something is inserted; so what fails after that fails alone.
        """
        news = dict(enumerate(batch))
        results = await self._settle_known(news)
        results |= await self._insert(_left(news, results))
        with suppress(Conflict, StoreError):
            results |= await self._settle_known(_left(news, results))
        lost = StoreUnavailable("another process took a key at the same time")
        return [results.get(n, lost) for n in news]

    async def _insert(self, news: dict[int, _New]) -> dict[int, Any]:
        if not news:
            return {}
        ordinals = list(news)
        keyed = [row for new in news.values() for row in new.key_rows()]
        values = [new.row for new in news.values()]
        if keyed:
            fresh = await self._database.fetch(sql.ADD, self._lease, values, keyed)
        else:
            fresh = await self._database.fetch(sql.ADD_KEYLESS, self._lease, values)
        results: dict[int, Any] = {}
        for row in fresh:
            n = ordinals[row["ord"] - 1]
            stored = replace(news[n].order, created_at=row["at"], updated_at=row["at"])
            results[n] = Added(stored, replayed=False)
        return results

    async def _settle_known(self, news: dict[int, _New]) -> dict[int, Any]:
        """The outcome for every order of which a key is known already."""
        names = [name for new in news.values() for name in new.names()]
        if not names:
            return {}
        owners, kinds, keys = (set(part) for part in zip(*names, strict=True))
        found = await self._database.read(
            lambda db: KeyRow.filter(owner__in=owners, kind__in=kinds, key__in=keys).using_db(db)
        )
        known = {(row.owner, row.kind, row.key): row for row in found}
        results: dict[int, Any] = {}
        earlier: dict[int, UUID] = {}
        for n, new in news.items():
            met = [known[name] for name in new.names() if name in known]
            if {(row.order_id, row.fingerprint) for row in met} - {_first(met, new)}:
                results[n] = KeyReused("an idempotency key was used before, for another request")
            elif met:
                earlier[n] = met[0].order_id
                await self._bind(met[0], [name for name in new.names() if name not in known])
        return results | await self._replay(earlier)

    async def _bind(self, earlier: KeyRow, names: list[tuple[str, str, str]]) -> None:
        """Let more keys name the order that one does already. Raises `Conflict`."""
        if names:
            key_rows = [(*name, earlier.order_id, earlier.fingerprint) for name in names]
            if len(await self._database.fetch(sql.BIND_KEYS, key_rows)) < len(names):
                raise Conflict("another process took a key at the same time")

    async def _replay(self, earlier: dict[int, UUID]) -> dict[int, Added]:
        """The answer to each request that was settled before."""
        if not earlier:
            return {}
        ids = set(earlier.values())
        found = await self._database.read(
            lambda db: OrderRow.filter(order_id__in=ids).using_db(db).values()
        )
        orders = {row["order_id"]: rows.order(row) for row in found}
        return {n: Added(orders[order_id], replayed=True) for n, order_id in earlier.items()}


def _timed(name: str, commit: Commit[T, R]) -> Commit[T, R]:
    """`commit`, of which it is told how long it took and how many values it carried."""

    async def timed(values: Sequence[T]) -> Sequence[R | StoreError]:
        start = perf_counter()
        try:
            return await commit(values)
        finally:
            observe.queried(name, perf_counter() - start, len(values))

    return timed


def _first(met: list[KeyRow], new: _New) -> tuple[UUID, str] | None:
    """What every key of a request must stand for, if the first that is known does."""
    return (met[0].order_id, new.fingerprint) if met else None


def _left(news: dict[int, _New], results: dict[int, Any]) -> dict[int, _New]:
    return {n: new for n, new in news.items() if n not in results}


def _readable(row: Any) -> Order | StoreError:
    """The order of a row; a later release may have written what this one cannot read."""
    try:
        return rows.order(row)
    except ValueError as failure:
        return StoreUnavailable(f"order {row['order_id']} is not for this release: {failure}")


def _holds(holds: Sequence[Hold]) -> tuple[list[UUID], list[int]]:
    return [hold.order_id for hold in holds], [hold.lease for hold in holds]


def _hints(found: list[Any]) -> list[Hint]:
    return [Hint(row["order_id"], row["at"]) for row in found]
