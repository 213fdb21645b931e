"""Workers that are interrupted in a call of a venue's: killed there, or paused."""

import asyncio

from tests.fakes.venue import FakeVenue


class Killed(BaseException):
    """The worker died here."""


def dies_in(venue: FakeVenue, method: str, *, after: bool) -> None:
    """Let the first call of a venue's method be the last thing that this worker does."""
    real = getattr(venue, method)

    async def dying(argument: object) -> object:
        setattr(venue, method, real)
        if after:
            await real(argument)
        raise Killed

    setattr(venue, method, dying)


def pauses_in(venue: FakeVenue, method: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold back the answer to the first call of a venue's method.

    Answers two events: the first tells that the worker is paused, the second lets it go on.
    """
    real = getattr(venue, method)
    paused, resumed = asyncio.Event(), asyncio.Event()

    async def pausing(argument: object) -> object:
        setattr(venue, method, real)
        answer = await real(argument)
        paused.set()
        await resumed.wait()
        return answer

    setattr(venue, method, pausing)
    return paused, resumed
