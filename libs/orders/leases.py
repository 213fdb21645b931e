"""The orders that this worker holds, and the beat that keeps them held."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
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
        self._dropped: dict[UUID, int] = {}

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def hold(self, order: Order) -> Iterator[None]:
        """Keep the order's lease alive until the block ends."""
        self._dropped.pop(order.id, None)
        self._held[order.id] = order.lease
        try:
            yield
        except (StoreUnavailable, asyncio.CancelledError):
            self._dropped[order.id] = order.lease
            raise
        finally:
            if self._held.get(order.id) == order.lease:
                del self._held[order.id]

    def drop(self, hold: Hold) -> None:
        """Hand over at the next beat a claim that may stand."""
        self._dropped[hold.order_id] = hold.lease

    async def beat(self) -> None:
        """Extend what is held, forget what was lost, hand over what was dropped."""
        held, dropped = _holds(self._held), _holds(self._dropped)
        if held:
            kept = await self._store.renew(held)
            lost = [hold for hold in held if hold.order_id not in kept]
            observe.leases_lost(self._forget(self._held, lost))
        if dropped:
            await self._store.release(dropped)
            self._forget(self._dropped, dropped)

    async def hand_over(self) -> None:
        """Let go of everything at once, for others to take up. If the store is away, the
        leases run out instead."""
        holds = _holds(self._held) + _holds(self._dropped)
        if not holds:
            return
        try:
            await self._store.release(holds)
        except StoreUnavailable as failure:
            return observe.tick_failed("hand_over", failure)
        observe.handed_over(len(holds))

    def _forget(self, kept: dict[UUID, int], holds: list[Hold]) -> int:
        """Forget those holds that have not changed since they were read."""
        gone = [hold for hold in holds if kept.get(hold.order_id) == hold.lease]
        for hold in gone:
            del kept[hold.order_id]
        return len(gone)


def _holds(orders: dict[UUID, int]) -> list[Hold]:
    return [Hold(order_id, lease) for order_id, lease in orders.items()]
