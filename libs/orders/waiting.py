"""Waiting at the start for what a process cannot work without."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from orders.ports import Clock

log = logging.getLogger("orders")

EVERY = timedelta(seconds=1)


async def until_reachable(
    name: str, reach: Callable[[], Awaitable[object]], *, clock: Clock
) -> None:
    """Return when `reach` succeeds; until then say every so often what is waited for."""
    tries = 0
    while True:
        try:
            await reach()
        except Exception as failure:  # whatever it is, a later try may find it mended
            if tries % 5 == 0:
                log.warning("start.waiting for=%s error=%r", name, str(failure))
            tries += 1
            await clock.sleep(EVERY)
        else:
            if tries:
                log.warning("start.reached name=%s", name)
            return
