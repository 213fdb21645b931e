"""Clients that watch orders over WebSocket, and come back elsewhere when they are cut."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from uuid import UUID

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from orders.domain.lifecycle import Status
from tests.chaos.evidence import Heard
from tests.chaos.history import DONE, History
from tests.chaos.wishes import Watcher

GAVE_UP, BROKEN = 0, 1006  # the second: RFC 6455, 7.4.1
LEAST_PAUSE, MOST_PAUSE = 0.05, 0.5
"""Seconds that a subscriber waits before it comes back."""
OPEN_SECONDS, CLOSE_SECONDS = 5, 1

Frames = list[tuple[int, Status]]


class _Frame(msgspec.Struct):
    """A step; without a status it is a heartbeat."""

    seq: int
    status: Status | None = None


_decode = msgspec.json.Decoder(_Frame).decode


class Subscribers:
    """Subscribers of the APIs at `urls`, of which `at_once` are connected at a time.

    A line on which nothing, not even a heartbeat, is heard for `quiet` is taken for dead.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        history: History,
        dice: Random,
        at_once: int = 300,
        quiet: timedelta = timedelta(seconds=20),
    ) -> None:
        self._urls = [f"ws{url.removeprefix('http')}/api/orders/stream" for url in urls]
        self._history = history
        self._dice = dice
        self._sockets = asyncio.Semaphore(at_once)
        self._quiet = quiet

    async def follow(self, name: str, order_id: UUID, watcher: Watcher) -> None:
        """Hear an order's story to its end, over as many connections as that takes. What was
        heard so far is noted even when this is cancelled."""
        seq, frames = watcher.from_seq, Frames()
        url = self._dice.randrange(len(self._urls))
        try:
            await asyncio.sleep(watcher.after.total_seconds())
            while True:
                async with self._sockets:
                    code = await self._listen(f"{self._urls[url]}/{order_id}", seq, frames)
                if code is not None:
                    heard = Heard(name, order_id, seq, tuple(frames), code)
                    seq, frames = max([seq, *(last + 1 for last, _ in frames)]), Frames()
                    self._history.append(heard)
                if code == DONE:
                    return
                url = (url + 1) % len(self._urls)
                await asyncio.sleep(self._dice.uniform(LEAST_PAUSE, MOST_PAUSE))
        except asyncio.CancelledError:
            self._history.append(Heard(name, order_id, seq, tuple(frames), GAVE_UP))
            raise

    async def _listen(self, address: str, from_seq: int, frames: Frames) -> int | None:
        """Add to `frames` what is told. Answers the code at the end; None if never connected."""
        query = f"?fromSeq={from_seq}" if from_seq > 1 else ""
        connecting = connect(
            address + query,
            proxy=None,
            compression=None,
            ping_interval=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
        )
        try:
            socket = await connecting
        except (OSError, InvalidHandshake, ConnectionClosed):  # of which TimeoutError is one
            return None
        async with socket:
            try:
                while True:
                    async with asyncio.timeout(self._quiet.total_seconds()):
                        frame = _decode(await socket.recv())
                    if frame.status is not None:
                        frames.append((frame.seq, frame.status))
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else BROKEN
            except TimeoutError:
                return BROKEN
