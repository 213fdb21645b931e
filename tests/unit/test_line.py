"""What becomes of a client that hears nothing, reads nothing, or answers nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from sanic import Websocket

from orders.feed import Watcher
from orders.ports import Gap
from services.api.line import BEATS_A_PING, Line, Pulse

HEARTBEAT, PATIENCE = timedelta(seconds=1.5), timedelta(seconds=1)  # 3 ticks and 2
BEAT = '{"type":"heartbeat","seq":0}'


class FakeSocket:
    """A client that reads while `reads` is set, and answers pings if it `answers`."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.failed: list[int] = []
        self.pings: dict[bytes, asyncio.Future[None]] = {}
        self.reads = asyncio.Event()
        self.reads.set()
        self.answers = True

    async def send(self, text: str) -> None:
        await self.reads.wait()
        self.sent.append(text)

    async def ping(self) -> asyncio.Future[None]:
        self.sent.append("ping")
        pong = asyncio.get_running_loop().create_future()
        if not self.answers:
            self.pings[b"asked"] = pong
        return pong

    def fail_connection(self, code: int, _: str) -> None:
        self.failed.append(code)


class Following:
    """A client on a line, which sends a heartbeat whenever it is nudged."""

    def __init__(self) -> None:
        self.socket = FakeSocket()
        self.pulse = Pulse(HEARTBEAT, PATIENCE)
        self.watcher = Watcher(UUID(int=1))
        self.line = Line(cast(Websocket, self.socket), self.watcher, self.pulse)
        self.pulse.add(self.line)
        self.task = asyncio.create_task(self.follow())

    async def follow(self) -> None:
        async with self.line.patience:
            while await self.watcher.next() is None:
                await self.line.beat()

    async def ticks(self, count: int) -> None:
        for _ in range(count):
            await self.pulse.tick()
            await turns()


async def turns() -> None:
    """Let everybody else do what they can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def following() -> AsyncIterator[Following]:
    following = Following()
    await turns()
    yield following
    following.task.cancel()
    await asyncio.gather(following.task, return_exceptions=True)


async def test_a_quiet_client_hears_a_heartbeat_every_so_often(following: Following) -> None:
    await following.ticks(2)
    before = list(following.socket.sent)
    await following.ticks(1)
    first = list(following.socket.sent)
    await following.ticks(6)

    assert before == []
    assert first == [BEAT]
    assert following.socket.sent == [BEAT] * 3


async def test_who_was_told_a_step_hears_a_heartbeat_that_much_later(following: Following) -> None:
    await following.ticks(2)
    await following.line.send(b"a step")

    await following.ticks(2)
    before = list(following.socket.sent)
    await following.ticks(1)

    assert before == ["a step"]
    assert following.socket.sent == ["a step", BEAT]


async def test_who_reads_nothing_is_given_up_when_patience_is_over(following: Following) -> None:
    following.socket.reads.clear()

    await following.ticks(3 + 2)  # the heartbeat that blocks, and as long as one may
    waiting = not following.task.done()
    await following.ticks(1)

    assert waiting
    assert isinstance(following.task.exception(), TimeoutError)


async def test_who_reads_late_but_in_time_is_not_given_up(following: Following) -> None:
    following.socket.reads.clear()
    await following.ticks(3 + 2)

    following.socket.reads.set()
    await turns()
    await following.ticks(5)

    assert not following.task.done()
    assert following.socket.sent == [BEAT] * 3  # in the ticks 3, 6 and 9


async def test_who_left_is_not_nudged(following: Following) -> None:
    following.pulse.remove(following.line)

    await following.ticks(9)

    assert following.socket.sent == []


async def test_who_answers_pings_is_kept(following: Following) -> None:
    await following.ticks(3 * BEATS_A_PING * 2)

    assert following.socket.sent == ([BEAT] * BEATS_A_PING + ["ping"]) * 2
    assert following.socket.failed == []


async def test_who_does_not_answer_a_ping_until_the_next_is_let_go_of(following: Following) -> None:
    following.socket.answers = False

    await following.ticks(3 * (BEATS_A_PING * 2 - 1))
    before = list(following.socket.failed)
    await following.ticks(3)

    assert before == []
    assert following.socket.failed == [1011]


async def test_what_was_told_comes_before_a_nudge_and_in_its_place() -> None:
    watcher = Watcher(UUID(int=1))
    watcher.tell(Gap())
    watcher.nudge()

    told = await watcher.next()
    watcher.nudge()
    nudged = await watcher.next()
    watcher.nudge()
    watcher.tell(Gap())

    assert (told, nudged) == (Gap(), None)
    assert await anext(watcher) == Gap()
