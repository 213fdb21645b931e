"""Many WebSockets from one process, each watching an order.

The protocol is spoken by hand (RFC 6455), as far as this server needs it. `benchmarks.client`
runs it with `port`; it is told `ids`, answers when all are connected and have heard a first step,
is told how many `steps` to wait for in all, and answers every step's order, number and time of
receipt in microseconds since 1970.
"""

import asyncio
import time
from typing import Any

import uvloop

from benchmarks import client

UPGRADE = (
    b"GET /api/orders/stream/%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
AT_ONCE = 64


class Crowd:
    """All sockets of this process, and what they heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, int]] = []
        """Of every step: which socket, which step, when."""
        self._wanted = 0
        self._all: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear(self, socket: int, seq: int) -> None:
        """Note a step."""
        self.heard.append((socket, seq, time.time_ns() // 1000))
        if len(self.heard) == self._wanted:
            self._all.set_result(None)

    def fail(self, failure: Exception) -> None:
        """Tell whoever waits."""
        if not self._all.done():
            self._all.set_exception(failure)

    async def until(self, steps: int) -> None:
        """Return when so many were heard."""
        self._wanted = steps
        if len(self.heard) < steps:
            await self._all


class Socket(asyncio.Protocol):
    """One order's stream. `connected` is done when its first step was heard."""

    def __init__(self, crowd: Crowd, number: int, order_id: str) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._crowd = crowd
        self._number = number
        self._order_id = order_id.encode()
        self._rest = b""
        self._is_upgraded = self._is_over = False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._transport.write(UPGRADE % self._order_id)

    def data_received(self, data: bytes) -> None:
        rest = self._rest + data
        if not self._is_upgraded:
            head, end, rest = rest.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._is_upgraded = b" 101 " in head[:16]
            if not self._is_upgraded:
                return self._fail(ConnectionError(f"not upgraded: {head[:80]!r}"))
        while (frame := _frame(rest)) is not None:
            opcode, payload, rest = frame
            self._take(opcode, payload)
        self._rest = rest

    def connection_lost(self, failure: Exception | None) -> None:
        if not self._is_over:
            self._fail(failure or ConnectionError("the API hung up"))

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT and b'"orderId"' in payload:  # else it is a heartbeat
            digits = payload[payload.index(b'"seq":') + 6 :]
            self._crowd.hear(self._number, int(digits[: _end(digits)]))
            if not self.connected.done():
                self.connected.set_result(None)
        elif opcode == PING:
            self._say(PONG, payload)
        elif opcode == CLOSE:
            self._is_over = True
            self._say(CLOSE, payload)
            self._transport.close()

    def _say(self, opcode: int, payload: bytes) -> None:
        """A client masks what it says; a mask of noughts leaves it as it is."""
        self._transport.write(bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)

    def _fail(self, failure: Exception) -> None:
        self._crowd.fail(failure)
        if not self.connected.done():
            self.connected.set_exception(failure)


def _frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The opcode and the payload of the first frame, and what comes after; None if it is cut."""
    if len(data) < 2:
        return None
    length, start = data[1] & 0x7F, 2
    if length >= 126:
        start = 4 if length == 126 else 10
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        return None
    return data[0] & 0x0F, data[start : start + length], data[start + length :]


def _end(digits: bytes) -> int:
    """Where a number ends."""
    return next(n for n, byte in enumerate(digits) if not 0x30 <= byte <= 0x39)


async def main(port: int) -> None:
    """Connect, and listen for as long as wanted."""
    ids = (await client.begin())["ids"]
    crowd, at_once = Crowd(), asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def connect(number: int, order_id: str) -> None:
        async with at_once:
            _, socket = await loop.create_connection(
                lambda: Socket(crowd, number, order_id), "127.0.0.1", port
            )
            await socket.connected

    cpu = time.process_time()
    await asyncio.gather(*(connect(number, each) for number, each in enumerate(ids)))
    client.answer(cpu_seconds=time.process_time() - cpu)
    wanted = await client.heard()
    await crowd.until(wanted["steps"])
    client.answer(cpu_seconds=time.process_time() - cpu, heard=crowd.heard)


if __name__ == "__main__":
    uvloop.run(main(**client.told()))
