"""An order's story over WebSocket: every step once, in order, without a gap.

The watch is opened before history is read, so no step falls between the two; whatever is
missing between two steps of the feed is read from the store.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import msgspec
from sanic import Blueprint, Request, Websocket
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import ConnectionClosed

from orders import observe, wire
from orders.domain.errors import StoreUnavailable
from orders.feed import RedisWatching, Watcher
from orders.ports import Clock, Frame, Gap, Step, Store
from services.api import schemas
from services.api.errors import Problem

DONE = 1000
BROKEN = 1011
RESTARTING = 1012
MALFORMED_ID = 4400
ORDER_NOT_FOUND = 4404
TOO_SLOW = 4408

MAX_SEQ = 2**31 - 1  # PostgreSQL's INT
MAX_REASON = 123  # bytes; RFC 6455, section 5.5: 125 with the code
GRACE = timedelta(seconds=1)
"""How long a client may take to be told that its stream is closed."""


class Streams:
    """The open streams of this process.

    `heartbeat` is how often a quiet client hears; `patience` is how long a send may block.
    """

    def __init__(
        self,
        *,
        store: Store,
        watching: RedisWatching,
        clock: Clock,
        heartbeat: timedelta,
        patience: timedelta,
        retry: timedelta = timedelta(seconds=0.5),
    ) -> None:
        self._store = store
        self._watching = watching
        self._clock = clock
        self._heartbeat = heartbeat
        self._patience = patience
        self._retry = retry
        self._open: set[Websocket] = set()
        self._is_closing = False

    def routes(self) -> Blueprint:
        """The route of the stream."""
        routes = Blueprint("stream", url_prefix="/api/orders/stream")

        @routes.websocket("/<order_id:str>")  # type: ignore[untyped-decorator]
        async def stream(request: Request, socket: Websocket, order_id: str) -> None:
            self._open.add(socket)
            observe.socket_opened()
            code = DONE
            ignoring = asyncio.create_task(_ignore(socket))
            try:
                code, reason = await self._serve(request, socket, order_id)
                await _close(socket, code, reason)
            except (ConnectionClosed, WebsocketClosed):
                pass
            except Exception as bug:  # Sanic would close with 1000, as if all had been told
                code = BROKEN
                observe.request_failed(request.path, bug)
                await _close(socket, code, "a bug, which was logged; come back with fromSeq")
            finally:
                ignoring.cancel()
                self._open.discard(socket)
                observe.socket_closed(code)

        return routes

    async def refill(self) -> None:
        """Tell watchers of steps that the feed lost, found by one read of every watched order
        that has been quiet since the last call."""
        watchers = [watcher for watcher in self._watching.watchers() if watcher.was_quiet()]
        if not watchers:
            return
        stored = await self._store.last_seqs(list({watcher.order_id for watcher in watchers}))
        for watcher in watchers:
            last = stored.get(watcher.order_id, 0)
            if last > watcher.last_seq:
                watcher.last_seq = last
                watcher.tell(Gap())

    async def close(self) -> None:
        """Ask every client to come back, to another process."""
        self._is_closing = True
        closing = (_close(socket, RESTARTING, "restarting") for socket in list(self._open))
        await asyncio.gather(*closing, return_exceptions=True)

    async def _serve(self, request: Request, socket: Websocket, given: str) -> tuple[int, str]:
        """Stream until there is no more to say. Answers the code to close with, and why."""
        try:
            order_id, seq = schemas.order_id(given), _from_seq(request.args.get("fromSeq"))
        except (Problem, ValueError) as wrong:
            said = str(getattr(wrong, "detail", wrong))
            return MALFORMED_ID, said.encode("ascii", "backslashreplace").decode()[:MAX_REASON]
        if self._is_closing:
            return RESTARTING, "restarting"
        with self._watching.watch(order_id) as watcher:
            steps = await self._history(order_id)
            if not steps:
                return ORDER_NOT_FOUND, "no such order"
            try:
                await self._follow(socket, watcher, steps, seq)
            except TimeoutError:
                return TOO_SLOW, "too slow; come back with fromSeq"
        return DONE, "final"

    async def _follow(
        self, socket: Websocket, watcher: Watcher, steps: list[Step], seq: int
    ) -> None:
        """Send every step from `seq` on, until the final one is sent."""
        seen, final = await self._replay(socket, watcher, steps, seq - 1)
        while not final:
            told = await self._next(watcher)
            if told is None:
                beat = {"type": "heartbeat", "seq": watcher.last_seq}
                await self._send(socket, msgspec.json.encode(beat))
            elif isinstance(told, Gap) or told.seq > seen + 1:
                steps = await self._history(watcher.order_id)
                before = seen
                seen, final = await self._replay(socket, watcher, steps, seen)
                if seen > before:
                    observe.gap_refilled()
            else:
                if told.seq > seen:
                    await self._send(socket, told.body)
                    seen = told.seq
                final = told.is_final  # also of a step before the first that is wanted
                watcher.last_seq = max(watcher.last_seq, told.seq)

    async def _next(self, watcher: Watcher) -> Frame | Gap | None:
        """What is told next; None when it is time for a heartbeat."""
        try:
            async with asyncio.timeout(self._heartbeat.total_seconds()):
                return await anext(watcher)
        except TimeoutError:
            return None

    async def _replay(
        self, socket: Websocket, watcher: Watcher, steps: list[Step], seen: int
    ) -> tuple[int, bool]:
        """Send what the store has beyond `seen`. Answers the last step and whether it is final.

        A finished order is over even if the client asks from beyond its end.
        """
        for step in steps:
            if step.seq > seen:
                await self._send(socket, wire.replayed(step).body)
        if not steps:  # a standby that lags behind: it will know more soon
            return seen, False
        last = steps[-1]
        watcher.last_seq = max(watcher.last_seq, last.seq)
        return max(seen, last.seq), last.status.is_final

    async def _history(self, order_id: UUID) -> list[Step]:
        """The order's steps, once the store can be reached; it is worth waiting for."""
        while True:
            try:
                return await self._store.history(order_id)
            except StoreUnavailable as failure:
                observe.tick_failed("replay", failure)
                await self._clock.sleep(self._retry)

    async def _send(self, socket: Websocket, body: bytes) -> None:
        """Send a text frame. Raises `TimeoutError` when the client does not take it."""
        async with asyncio.timeout(self._patience.total_seconds()):
            await socket.send(body.decode())


def _from_seq(given: str | None) -> int:
    """The first step that is wanted: 1 unless told. Raises `ValueError`."""
    if given is None:
        return 1
    seq = int(given) if given.isascii() and given.isdigit() and len(given) <= 10 else 0
    if not 1 <= seq <= MAX_SEQ:
        raise ValueError(f"fromSeq must be an integer from 1 to {MAX_SEQ}, not {given[:32]!r}")
    return seq


async def _close(socket: Websocket, code: int, reason: str) -> None:
    """Close with `code`. A client that reads too slowly finds it behind what it has not read.

    Sanic's own `close` waits for such a client, and for the send that it blocks.
    """
    if code != TOO_SLOW:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE.total_seconds()):
                return await socket.close(code, reason)
    socket.fail_connection(code, reason)


async def _ignore(socket: Websocket) -> None:
    """Take what the client says: while a message waits, Sanic reads no pong and no end."""
    with suppress(ConnectionClosed, WebsocketClosed):
        while True:
            await socket.recv()
