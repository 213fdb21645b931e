"""Not too often: what is done in batches is done so seldom that batches are worth it."""

import asyncio


class Pace:
    """Keeps beginnings at least `every` seconds apart. The first after a pause need not wait."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next = 0.0

    async def wait(self) -> None:
        """Return when it is time to begin."""
        loop = asyncio.get_running_loop()
        left = self._next - loop.time()
        if left > 0:
            await asyncio.sleep(left)
        self.begin()

    def begin(self) -> None:
        """Begin, in time or not."""
        self._next = asyncio.get_running_loop().time() + self._every
