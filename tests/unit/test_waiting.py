"""Waiting for what a process cannot work without."""

from datetime import timedelta

from structlog.typing import EventDict

from orders.waiting import until_reachable
from tests.fakes.clock import FakeClock


class Away:
    """Answers from the given try on."""

    def __init__(self, tries: int) -> None:
        self.tries = tries
        self.asked = 0

    async def reach(self) -> None:
        self.asked += 1
        if self.asked < self.tries:
            raise OSError("connection refused")


async def test_what_answers_is_not_waited_for(told: list[EventDict]) -> None:
    clock, server = FakeClock(), Away(1)

    await until_reachable("PostgreSQL", server.reach, clock=clock)

    assert (server.asked, clock.monotonic()) == (1, timedelta(0))
    assert told == []


async def test_what_is_away_is_asked_every_second_until_it_answers() -> None:
    clock, server = FakeClock(), Away(8)

    await until_reachable("PostgreSQL", server.reach, clock=clock)

    assert (server.asked, clock.monotonic()) == (8, timedelta(seconds=7))


async def test_who_waits_says_so_now_and_then_and_when_it_is_over(
    told: list[EventDict],
) -> None:
    server = Away(8)

    await until_reachable("PostgreSQL", server.reach, clock=FakeClock())

    postgresql = {"log_level": "warning", "what": "PostgreSQL"}
    waiting = {"event": "start.waiting", "error": "OSError: connection refused", **postgresql}
    assert told == [waiting, waiting, {"event": "start.reached", **postgresql}]
