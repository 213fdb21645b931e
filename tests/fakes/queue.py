"""A queue in memory."""

from collections.abc import Sequence
from uuid import UUID

from orders.ports import Hint, Horizon


class FakeQueue:
    """Fits `orders.ports.Queue`. While `unreachable`, it loses what it is given."""

    def __init__(self) -> None:
        self.hints: list[Hint] = []
        """What it holds, in order."""
        self.unreachable = False
        self._lost = True

    @property
    def order_ids(self) -> list[UUID]:
        """The orders that it holds a hint for."""
        return [hint.order_id for hint in self.hints]

    def enqueue(self, hints: Sequence[Hint]) -> None:
        if not self.unreachable:
            self.hints.extend(hints)

    async def horizon(self) -> Horizon | None:
        if self.unreachable:
            return None
        return Horizon(self.hints[0].at if self.hints else None, self._lost)

    async def mark(self) -> None:
        if not self.unreachable:
            self._lost = False

    def take(self) -> Hint:
        """Deliver the first hint, and be done with it."""
        return self.hints.pop(0)

    def lose_all(self) -> None:
        """Forget every hint, and the mark with them."""
        self.hints.clear()
        self._lost = True
