"""An order's story over WebSocket: every step once, in order, without a gap.

The watch is opened before history is read, so no step falls between the two; whatever is
missing between two steps of the feed is read from the store.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

from sanic import Blueprint, Request, Websocket
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import ConnectionClosed

from orders import observe, wire
from orders.domain.errors import StoreUnavailable
from orders.feed import RedisWatching, Watcher
from orders.ports import Clock, Gap, Step, Store
from orders.tracing import Traces
from services.api import schemas
from services.api.errors import Problem
from services.api.line import TOO_SLOW, Deaf, Line, Pulse, close

DONE = 1000
BROKEN = 1011
RESTARTING = 1012
MALFORMED_ID = 4400
ORDER_NOT_FOUND = 4404

REFILL_AT_ONCE = 500
MAX_SEQ = 2**31 - 1  # PostgreSQL's INT
MAX_REASON = 123  # bytes; RFC 6455, section 5.5: 125 with the code


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
        traces: Traces,
        retry: timedelta = timedelta(seconds=0.5),
    ) -> None:
        self._store = store
        self._watching = watching
        self._clock = clock
        self.pulse = Pulse(heartbeat, patience)
        self._retry = retry
        self._traces = traces
        self._open: set[Websocket] = set()
        self._deaf = Deaf()
        self._is_closing = False

    def routes(self) -> Blueprint:
        """The route of the stream."""
        routes = Blueprint("stream", url_prefix="/api/orders/stream")

        @routes.websocket("/<order_id:str>")  # type: ignore[untyped-decorator]
        async def stream(request: Request, socket: Websocket, order_id: str) -> None:
            self._open.add(socket)
            socket.assembler = self._deaf  # type: ignore[assignment]
            observe.socket_opened()
            code = DONE
            try:
                code, reason = await self._serve(request, socket, order_id)
                await close(socket, code, reason)
            except (ConnectionClosed, WebsocketClosed):
                pass
            except Exception as bug:  # Sanic would close with 1000, as if all had been told
                code = BROKEN
                observe.request_failed(request.path, bug)
                await close(socket, code, "a bug, which was logged; come back with fromSeq")
            finally:
                self._open.discard(socket)
                observe.socket_closed(code)

        return routes

    async def refill(self) -> None:
        """Tell watchers of steps that the feed lost, found by reading every watched order that has
        been quiet since the last call: so many at a time, for others to have their turn."""
        watchers = [watcher for watcher in self._watching.watchers() if watcher.was_quiet()]
        for start in range(0, len(watchers), REFILL_AT_ONCE):
            some = watchers[start : start + REFILL_AT_ONCE]
            ahead = await self._store.ahead([(each.order_id, each.last_seq) for each in some])
            if not ahead:
                continue
            for watcher in some:
                if (last := ahead.get(watcher.order_id, 0)) > watcher.last_seq:
                    watcher.last_seq = last
                    watcher.tell(Gap())

    async def close(self) -> None:
        """Ask every client to come back, to another process."""
        self._is_closing = True
        closing = (close(socket, RESTARTING, "restarting") for socket in list(self._open))
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
        with self._watching.watch(order_id) as watcher, self._traces.stream(watcher):
            steps = await self._history(order_id)
            if not steps:
                return ORDER_NOT_FOUND, "no such order"
            line = Line(socket, watcher, self.pulse)
            self.pulse.add(line)
            try:
                async with line.patience:
                    await self._follow(line, watcher, steps, seq)
            except TimeoutError:
                return TOO_SLOW, "too slow; come back with fromSeq"
            finally:
                self.pulse.remove(line)
        return DONE, "final"

    async def _follow(self, line: Line, watcher: Watcher, steps: list[Step], seq: int) -> None:
        """Send every step from `seq` on, until the final one is sent."""
        seen, final = await self._replay(line, watcher, steps, seq - 1)
        while not final:
            told = await watcher.next()
            if told is None:
                await line.beat()
            elif isinstance(told, Gap) or told.seq > seen + 1:
                steps = await self._history(watcher.order_id)
                before = seen
                seen, final = await self._replay(line, watcher, steps, seen)
                if seen > before:
                    observe.gap_refilled()
            else:
                if told.seq > seen:
                    await line.send(told.body)
                    seen = told.seq
                final = told.is_final  # also of a step before the first that is wanted
                watcher.last_seq = max(watcher.last_seq, told.seq)

    async def _replay(
        self, line: Line, watcher: Watcher, steps: list[Step], seen: int
    ) -> tuple[int, bool]:
        """Send what the store has beyond `seen`. Answers the last step and whether it is final.

        A finished order is over even if the client asks from beyond its end.
        """
        for step in steps:
            if step.seq > seen:
                await line.send(wire.replayed(step).body)
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


def _from_seq(given: str | None) -> int:
    """The first step that is wanted: 1 unless told. Raises `ValueError`."""
    if given is None:
        return 1
    seq = int(given) if given.isascii() and given.isdigit() and len(given) <= 10 else 0
    if not 1 <= seq <= MAX_SEQ:
        raise ValueError(f"fromSeq must be an integer from 1 to {MAX_SEQ}, not {given[:32]!r}")
    return seq
