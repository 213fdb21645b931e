"""Waiting at the start for what a process cannot work without."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from orders import observe
from orders.ports import Clock

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
                observe.waited_for(name, failure)
            tries += 1
            await clock.sleep(EVERY)
        else:
            if tries:
                observe.reached(name)
            return
