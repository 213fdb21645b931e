"""The sweep: finds orders that nobody looks after and hints the workers again.

It runs on every worker. It must not amplify, since a long backlog is no loss; and it may never
starve an order, whatever Redis says. Both rules stand in the store's `due` and `overlooked`.
"""

from orders import observe
from orders.ports import Hint, Queue, Store


class Recovery:
    """Sweeps in passes of at most `batch` orders, and `backstop_batch` overlooked ones."""

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        batch: int = 500,
        backstop_batch: int = 100,
    ) -> None:
        self._store = store
        self._queue = queue
        self._batch = batch
        self._backstop_batch = backstop_batch

    async def sweep(self) -> int:
        """Hint at everything that is due. Answers how many orders that was.

        Without the queue nothing is taken, since a hint could not be sent.
        """
        horizon = await self._queue.horizon()
        if horizon is None:
            return 0
        if horizon.lost:
            observe.queue_lost(await self._store.forget_hints())
            await self._queue.mark()
        swept = 0
        full = True
        while full:
            hints = await self._store.due(horizon, self._batch)
            swept += self._hint(hints, "due")
            full = len(hints) == self._batch
        return swept + self._hint(await self._store.overlooked(self._backstop_batch), "overlooked")

    def _hint(self, hints: list[Hint], reason: str) -> int:
        self._queue.enqueue(hints)
        observe.swept(len(hints), reason)
        return len(hints)
