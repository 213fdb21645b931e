"""The engine's store with group commit off: each value is committed at once, by itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from orders.domain.errors import StoreError, StoreUnavailable
from orders.store import PostgresStore
from orders.store.group import Conflict

REPEATS = 5


class Alone:
    """Stands in for a `Group`: the same statements, over any free connection of the pool."""

    def __init__(self, commit: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]) -> None:
        self._commit = commit

    async def __call__(self, value: Any) -> Any:
        for _ in range(REPEATS):
            try:
                (result,) = await self._commit([value])
            except Conflict:
                continue
            if isinstance(result, StoreError):
                raise result
            return result
        raise StoreUnavailable("conflicts with other writers")

    async def close(self) -> None:
        """There is nothing to wait for."""


class UngroupedStore(PostgresStore):
    """Fits `orders.ports.Store`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._adds: Any = Alone(self._add_all)
        self._saves: Any = Alone(self._save_all)
        self._gets: Any = Alone(self._get_all)
