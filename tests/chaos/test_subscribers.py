"""Subscribers hear whole stories, and come back for the rest when they are cut."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from orders.domain.lifecycle import Status
from tests.chaos.evidence import Story
from tests.chaos.history import History, read_history
from tests.chaos.subscribers import Subscribers
from tests.chaos.wishes import Watcher
from tests.eventually import eventually

ORDER = UUID("019ab000-0000-7000-8000-000000000001")
SOON = timedelta(seconds=10)


@dataclass
class Line:
    """Tells steps over WebSocket and then ends each connection as the script says: with a code,
    "break" for none at all, or "quiet" for never. It keeps what was asked for."""

    script: deque[tuple[list[object], int | str]]
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.asked.append(socket.request.path)
        frames, end = self.script.popleft()
        for frame in frames:
            await socket.send(msgspec.json.encode(frame).decode())
        if isinstance(end, int):
            await socket.close(end)
        elif end == "break":
            socket.transport.abort()
        else:
            with suppress(ConnectionClosed):
                await socket.recv()


def frame(seq: int, status: Status) -> object:
    return {"orderId": str(ORDER), "seq": seq, "status": status, "attempt": 1}


HEARTBEAT: object = {"type": "heartbeat", "seq": 2}
TOLD = [frame(seq, status) for seq, status in enumerate(list(Status)[:5], 1)]
WHOLE = tuple(enumerate(list(Status)[:5], 1))


@asynccontextmanager
async def a_line(*script: tuple[list[object], int | str]) -> AsyncIterator[Line]:
    line = Line(deque(script))
    async with serve(line.serve, "127.0.0.1", 0) as server:
        line.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield line


def subscribers(history: History, *lines: Line, quiet: timedelta = SOON) -> Subscribers:
    urls = [line.url for line in lines]
    return Subscribers(urls, history=history, dice=Random(1), quiet=quiet)


async def heard(history: History, path: Path, *lines: Line, quiet: timedelta = SOON) -> Story:
    """What one subscriber hears from the first step on."""
    watcher = Watcher(timedelta(0), 1)
    async with asyncio.timeout(SOON.total_seconds()):
        await subscribers(history, *lines, quiet=quiet).follow("0.0", ORDER, watcher)
    [story] = read_history(path).stories
    return story


@pytest.mark.parametrize("end", [1012, 1011, 4408, "break", "quiet"])
async def test_a_subscriber_that_is_cut_comes_back_for_the_next_step(
    history: History, path: Path, end: int | str
) -> None:
    async with a_line(([*TOLD[:2], HEARTBEAT], end), (TOLD[2:3], end), (TOLD[3:], 1000)) as line:
        story = await heard(history, path, line, quiet=timedelta(milliseconds=200))

    base = f"/api/orders/stream/{ORDER}"
    assert line.asked == [base, f"{base}?fromSeq=3", f"{base}?fromSeq=4"]
    assert story == Story(ORDER, WHOLE, True, (1, 3, 4))


async def test_a_subscriber_comes_back_to_another_api(history: History, path: Path) -> None:
    first, second = ((TOLD[:2], 1012), (TOLD[2:], 1000))
    async with a_line(first, second) as one, a_line() as other:
        other.script = one.script
        story = await heard(history, path, one, other)

        assert len(one.asked) == len(other.asked) == 1
    assert story == Story(ORDER, WHOLE, True, (1, 3))


async def test_a_repeated_step_stays_in_the_story(history: History, path: Path) -> None:
    async with a_line((TOLD[:3], "break"), (TOLD[2:], 1000)) as line:
        story = await heard(history, path, line)

    assert [seq for seq, _ in story.frames] == [1, 2, 3, 3, 4, 5]


async def test_who_has_heard_all_but_not_the_end_asks_from_beyond_it(
    history: History, path: Path
) -> None:
    async with a_line((TOLD, "break"), ([], 1000)) as line:
        story = await heard(history, path, line)

    assert line.asked[1].endswith("?fromSeq=6")
    assert story == Story(ORDER, WHOLE, True, (1, 6))


async def test_a_subscriber_that_is_given_up_leaves_what_it_heard(
    history: History, path: Path
) -> None:
    async with a_line((TOLD[:2], "quiet")) as line:
        following = asyncio.create_task(
            subscribers(history, line).follow("0.0", ORDER, Watcher(timedelta(0), 1))
        )
        await eventually(lambda: line.asked)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    [story] = read_history(path).stories
    assert story.is_complete is False
    assert story.frames == WHOLE[: len(story.frames)]


async def test_who_never_reached_an_api_leaves_an_empty_story(history: History, path: Path) -> None:
    async with a_line() as line:
        pass
    following = asyncio.create_task(
        subscribers(history, line).follow("0.0", ORDER, Watcher(timedelta(0), 2))
    )
    await asyncio.sleep(0)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following

    assert read_history(path).stories == [Story(ORDER, (), False, (2,))]
