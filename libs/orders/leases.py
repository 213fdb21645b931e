"""The orders that this worker holds, and the beat that keeps them held."""

import asyncio
from contextlib import AbstractContextManager
from uuid import UUID

from orders import observe
from orders.domain.errors import StoreUnavailable
from orders.domain.order import Order
from orders.ports import Hold, Store


class Leases:
    """Holds orders for as long as they are worked on.

    An order that was dropped because the store could not be reached, or because its visit was
    cancelled, is handed over at the next beat, so that neither is mistaken for a crash.
    """

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._held: dict[UUID, int] = {}
        self._dropped: dict[Hold, None] = {}  # a set that keeps its order

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, order: Order) -> AbstractContextManager[None]:
        """Keep the order's lease alive until the block ends."""
        return _Holding(self._held, self._dropped, order)

    def drop(self, hold: Hold) -> None:
        """Hand over at the next beat a claim that may stand."""
        self._dropped[hold] = None

    async def beat(self) -> None:
        """Extend what is held, forget what was lost, hand over what was dropped."""
        held, dropped = _holds(self._held), list(self._dropped)
        if held:
            kept = await self._store.renew(held)
            lost = [hold for hold in held if hold.order_id not in kept]
            observe.leases_lost(self._forget(lost))
        if dropped:
            await self._store.release(dropped)
            for hold in dropped:
                self._dropped.pop(hold, None)

    async def hand_over(self) -> None:
        """Let go of everything at once, for others to take up. If the store is away, the
        leases run out instead."""
        holds = [*_holds(self._held), *self._dropped]
        if not holds:
            return
        try:
            await self._store.release(holds)
        except StoreUnavailable as failure:
            return observe.tick_failed("hand_over", failure)
        observe.handed_over(len(holds))

    def _forget(self, holds: list[Hold]) -> int:
        """Forget those holds that have not changed since they were read."""
        gone = [hold for hold in holds if self._held.get(hold.order_id) == hold.lease]
        for hold in gone:
            del self._held[hold.order_id]
        return len(gone)


class _Holding:
    """A generator would say the same, at three times the cost."""

    __slots__ = ("_dropped", "_held", "_lease", "_order_id")

    def __init__(self, held: dict[UUID, int], dropped: dict[Hold, None], order: Order) -> None:
        self._held = held
        self._dropped = dropped
        self._order_id = order.id
        self._lease = order.lease

    def __enter__(self) -> None:
        self._held[self._order_id] = self._lease

    def __exit__(self, _: object, failure: BaseException | None, __: object) -> None:
        if isinstance(failure, StoreUnavailable | asyncio.CancelledError):
            self._dropped[Hold(self._order_id, self._lease)] = None
        if self._held.get(self._order_id) == self._lease:
            del self._held[self._order_id]


def _holds(orders: dict[UUID, int]) -> list[Hold]:
    return [Hold(order_id, lease) for order_id, lease in orders.items()]
