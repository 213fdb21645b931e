"""A feed in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from orders import wire
from orders.domain.order import Order
from orders.feed import Watcher
from orders.ports import Gap


class FakeFeed:
    """Fits `orders.ports.Feed` and `orders.ports.Watching`: what is published is told at once."""

    def __init__(self) -> None:
        self.published: list[Order] = []
        """Every step that was to be told, the lost ones included."""
        self._watchers: list[Watcher] = []
        self._loses_next = False

    def publish(self, order: Order) -> None:
        self.published.append(order)
        if self._loses_next:
            self._loses_next = False
            return
        for watcher in self._watchers:
            if watcher.order_id == order.id:
                watcher.tell(wire.frame(order))

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[Watcher]:
        watcher = Watcher(order_id)
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def watchers(self) -> list[Watcher]:
        """All that watch now."""
        return list(self._watchers)

    def lose_next(self) -> None:
        """Tell nobody of the next step."""
        self._loses_next = True

    def gap(self) -> None:
        """Be connected anew: something may have been missed."""
        for watcher in self._watchers:
            watcher.tell(Gap())
