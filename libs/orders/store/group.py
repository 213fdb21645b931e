"""Group commit: all that arrives while one statement is in flight goes into the next.

A caller awaits the durability of its own value and sees nothing of the batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from orders.domain.errors import StoreError, StoreUnavailable, Unstorable
from orders.pace import Pace

T = TypeVar("T")
R = TypeVar("R")
Commit: TypeAlias = Callable[[Sequence[T]], Awaitable[Sequence[R | StoreError]]]
"""Writes a batch. See `Group`."""


TURNS = 8
"""How many turns of the event loop it rests: ample for an order to reach its next step."""
ENOUGH = 64
"""How many waiting values make a batch that is worth beginning at once."""
PACE_SECONDS = 0.002
"""Batches begin no closer than this, unless a caller is alone. A statement costs as much as ten
values, so at a few hundred values a second batches of one would take a core."""


class Conflict(Exception):
    """The batch met another's lock or snapshot, and did nothing: repeat it as it is."""


class Group(Generic[T, R]):
    """Commits values in batches of at most `most`, never two that share a key in a batch.

    `commit` writes a batch in one statement and answers a result for each value, in order; a
    result that is a `StoreError` is raised to its caller alone. If it raises:

    - `Conflict`: the batch is repeated, up to `repeats` times;
    - `Unstorable`: the batch is halved until the guilty value stands alone;
    - anything else: every caller of the batch is told `StoreUnavailable`.
    """

    def __init__(
        self,
        commit: Commit[T, R],
        *,
        keys: Callable[[T], Iterable[Hashable]],
        most: int = 128,
        repeats: int = 5,
    ) -> None:
        self._commit = commit
        self._keys = keys
        self._most = most
        self._repeats = repeats
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None
        self._pace = Pace(PACE_SECONDS)
        self._last: set[Hashable] = set()
        """The keys of the last batch."""

    async def __call__(self, value: T) -> R:
        """Commit `value`; return when that is durable.

        A caller that is cancelled stops waiting; its value may be committed all the same.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((value, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Return when all that waits is committed."""
        while self._running is not None and not self._running.done():
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._is_alone():
                    self._pace.begin()
                else:
                    await self._pace.wait()
                batch = self._batch()
                await self._settle(batch)
                if len(batch) > 1 and len(self._waiting) < ENOUGH:
                    await _rest()
        finally:
            self._running = None

    def _is_alone(self) -> bool:
        """Whether the only caller is the last one again, so that nobody could join it."""
        return len(self._waiting) == 1 and self._last == set(self._keys(self._waiting[0][0]))

    def _batch(self) -> list[tuple[T, asyncio.Future[R]]]:
        """The oldest waiting values that share no key with an older one; the others stay."""
        batch: list[tuple[T, asyncio.Future[R]]] = []
        later: list[tuple[T, asyncio.Future[R]]] = []
        taken: set[Hashable] = set()
        self._last = set()
        for n, entry in enumerate(self._waiting):
            if len(batch) == self._most:
                later += self._waiting[n:]
                break
            keys = set(self._keys(entry[0]))
            if taken.isdisjoint(keys):
                batch.append(entry)
                self._last |= keys
            else:
                later.append(entry)
            taken |= keys
        self._waiting = later
        return batch

    async def _settle(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._repeat([value for value, _ in batch])
        except Unstorable as failure:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                return await self._settle(batch[middle:])
            results = [failure]
        except StoreError as failure:
            results = [failure] * len(batch)
        except BaseException as failure:
            lost = StoreUnavailable(f"{type(failure).__name__}: {failure}")
            results = [lost] * len(batch)
            if not isinstance(failure, Exception):
                _tell(batch, results)
                raise
        _tell(batch, results)

    async def _repeat(self, values: list[T]) -> Sequence[R | StoreError]:
        for _ in range(self._repeats):
            with suppress(Conflict):
                return await self._commit(values)
        raise StoreUnavailable(f"conflicts with other writers, {self._repeats} times in a row")


async def _rest() -> None:
    """Let the callers of a batch go on, so that their next values join the next batch: else
    a fast database makes for ever smaller batches, each of which has its price."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _tell(batch: Sequence[tuple[T, asyncio.Future[R]]], results: Sequence[R | StoreError]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, StoreError):
            future.set_exception(result)
        else:
            future.set_result(result)
