"""One client's WebSocket: what is sent on it, how long that may take, and how it is closed."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sanic import Websocket

from orders.feed import Watcher

NO_ANSWER = 1011
TOO_SLOW = 4408

TICK = timedelta(seconds=0.5)
"""How often lines are looked after, unless a client is to hear more often or wait less long."""
BEATS_A_PING = 8
GRACE = timedelta(seconds=1)
"""How long a client may take to be told that its stream is closed."""


class Line:
    """A client that follows an order. It lives by the time of its `Pulse`."""

    def __init__(self, socket: Websocket, watcher: Watcher, pulse: "Pulse") -> None:
        self._socket = socket
        self._pulse = pulse
        self._beats = 0
        self.watcher = watcher
        self.patience = asyncio.timeout(None)
        """To be entered by the task that sends; raises `TimeoutError` there when it is lost."""
        self.last_sent = pulse.now
        """The tick in which the last send began."""
        self.slot = 0

    async def send(self, body: bytes) -> None:
        """Send a text frame."""
        self.last_sent = self._pulse.sending[self] = self._pulse.now
        await self._socket.send(body.decode())
        self._pulse.sending.pop(self, None)

    async def beat(self) -> None:
        """Send a heartbeat, and now and then a ping. Who has not answered the last one is gone."""
        await self.send(b'{"type":"heartbeat","seq":%d}' % self.watcher.last_seq)
        self._beats += 1
        if self._beats % BEATS_A_PING == 0:
            if self._socket.pings:
                self._socket.fail_connection(NO_ANSWER, "no answer to a ping")
            else:
                self._pulse.sending[self] = self._pulse.now
                (await self._socket.ping()).cancel()  # nobody waits: `pings` shows the answer
                self._pulse.sending.pop(self, None)


class Pulse:
    """Time for all lines at once, in ticks. A timer for each wait of each line would cost more
    than what is sent, and so would a look at every line in every tick.

    A line on which nothing was sent for `heartbeat` is nudged; one whose send is blocked for
    `patience` is given up.
    """

    def __init__(self, heartbeat: timedelta, patience: timedelta) -> None:
        self.every = min(TICK, heartbeat, patience)
        self.now = 0
        self.sending: dict[Line, int] = {}
        """Since which tick."""
        self._heartbeat = heartbeat // self.every
        self._patience = patience // self.every
        self._slots: list[set[Line]] = [set() for _ in range(self._heartbeat)]
        """Lines by when they may next be due: the ticks of one heartbeat, round and round."""

    def add(self, line: Line) -> None:
        """Care for `line` from now on."""
        line.slot = line.last_sent % self._heartbeat
        self._slots[line.slot].add(line)

    def remove(self, line: Line) -> None:
        """Care no more."""
        self._slots[line.slot].discard(line)
        self.sending.pop(line, None)

    async def tick(self) -> None:
        """To be called so often as `every` says."""
        self.now += 1
        for line in [each for each, since in self.sending.items() if self._is_over(since)]:
            del self.sending[line]
            line.patience.reschedule(0)
        slot = self.now % self._heartbeat
        lines, self._slots[slot] = self._slots[slot], set()
        for line in lines:
            if self.now - line.last_sent >= self._heartbeat:
                line.last_sent = self.now
                line.watcher.nudge()
            self.add(line)

    def _is_over(self, since: int) -> bool:
        return self.now - since > self._patience


class Deaf:
    """Takes what a client says in place of Sanic's assembler, and drops it. Sanic would keep it,
    and until somebody asks for it read no pong and no end; to ask and wait on every socket takes
    as much memory as all the rest."""

    async def put(self, frame: object) -> None:
        """Take a frame."""


async def close(socket: Websocket, code: int, reason: str) -> None:
    """Close with `code`. A client that reads too slowly finds it behind what it has not read.

    Sanic's own `close` waits for such a client, and for the send that it blocks.
    """
    if code != TOO_SLOW:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE.total_seconds()):
                return await socket.close(code, reason)
    socket.fail_connection(code, reason)
