"""The one task: execute an order."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from taskiq import AsyncBroker

from orders import observe
from orders.ports import Clock
from orders.queue import TASK, instant


def register(
    broker: AsyncBroker, *, run: Callable[[UUID, str | None], Awaitable[None]], clock: Clock
) -> None:
    """Teach `broker` the task. A message that names no order, or no time, is dropped."""

    @broker.task(task_name=TASK)
    async def execute(order_id: str, hinted_at: int, *, traceparent: str | None = None) -> None:
        try:
            named, at = UUID(order_id), instant(hinted_at)
        except (ValueError, TypeError, AttributeError, OverflowError):
            return observe.message_malformed(f"{order_id!r}, {hinted_at!r}")
        observe.delivered(at, clock.now())
        await run(named, traceparent)
