"""The sweep: finds orders that nobody looks after and hints the workers again.

It runs on every worker. It must not amplify, since a long backlog is no loss; and it may never
starve an order, whatever Redis says. Both rules stand in the store's `due` and `overlooked`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias
from uuid import UUID

from orders import observe
from orders.cancelling import end
from orders.ports import Clock, Hint, Horizon, Queue, Store

Taking: TypeAlias = Callable[[], Awaitable[list[Hint]]]


class Recovery:
    """Sweeps in passes of at most `batch` orders, and `backstop_batch` overlooked ones.

    A sweep ends after `patience` even if more is due; the next one goes on.
    """

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        clock: Clock,
        batch: int = 5000,
        backstop_batch: int = 100,
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._batch = batch
        self._backstop_batch = backstop_batch
        self._patience = patience

    async def sweep(self) -> int:
        """Hint at everything that is due. Answers how many orders that was.

        Without the queue nothing is taken, since a hint could not be sent.
        """
        horizon = await self._queue.horizon()
        if horizon is None:
            return 0
        if horizon.lost:
            observe.queue_lost(await self._store.forget_hints(horizon.oldest))
            await self._queue.mark()
        swept = await self._sweep_due(horizon)
        overlooked = partial(self._store.overlooked, self._backstop_batch)
        return swept + len(await self._take(overlooked, "overlooked"))

    async def reconcile(self, run: Callable[[UUID], Awaitable[None]], at_once: int) -> int:
        """Ask the venues what became of submitted orders that nobody looks after, `at_once` at
        a time, before new work is begun. Answers how many were asked about.

        Begins no more after `patience`, and ends a visit that takes longer than that; the sweep
        finds what is left.
        """
        deadline = self._clock.monotonic() + self._patience
        left = await self._store.unsettled(self._batch)
        asked = 0
        while left and self._clock.monotonic() < deadline:
            now, left = left[:at_once], left[at_once:]
            visits = {asyncio.ensure_future(run(order_id)) for order_id in now}
            _, late = await asyncio.wait(visits, timeout=self._patience.total_seconds())
            await end(late)
            bugs = [visit.exception() for visit in visits if not visit.cancelled()]
            observe.reconciled(len(now), [bug for bug in bugs if bug])
            asked += len(now)
        return asked

    async def _sweep_due(self, horizon: Horizon) -> int:
        """Pass after pass over what was due when the first began, so that none sees what
        another has hinted."""
        end = self._clock.monotonic() + self._patience
        began: datetime | None = None
        swept = 0
        while True:
            due = partial(self._store.due, horizon, self._batch, began)
            hints = await self._take(due, "due")
            swept += len(hints)
            if len(hints) < self._batch or self._clock.monotonic() >= end:
                return swept
            began = began or hints[0].at

    async def _take(self, taking: Taking, reason: str) -> list[Hint]:
        """Hint at what is taken, even if the sweep is cancelled meanwhile, by a worker that stops:
        what was taken counts as hinted."""
        work = asyncio.ensure_future(self._hint(taking, reason))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise

    async def _hint(self, taking: Taking, reason: str) -> list[Hint]:
        hints = await taking()
        self._queue.enqueue(hints)
        observe.swept(len(hints), reason)
        return hints
