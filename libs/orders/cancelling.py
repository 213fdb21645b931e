"""Ending tasks for sure."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

CANCEL_AGAIN = timedelta(seconds=0.5)
"""How long a task may take to end before it is cancelled once more."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until they are gone.

    Cancelled more than once if need be: redis-py 8.1 loses a cancellation that meets it
    while it connects.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for each in running:
            each.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN.total_seconds())
