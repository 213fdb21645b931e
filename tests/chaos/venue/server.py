"""The desk over HTTP: the four calls, the height, and the control of the faults."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from sanic import HTTPResponse, Request, Sanic
from sanic.response import raw

from services.worker.probing import listen
from tests.chaos.venue.desk import Delivery, Desk, Reply
from tests.chaos.venue.faults import Call, Fault
from tests.chaos.venue.ledger import Ledger
from tests.chaos.venue.wire import encode

JSON = "application/json"
HEAD = "HTTP/1.1 {} Again\r\ncontent-length: {}\r\nconnection: keep-alive\r\n\r\n"
FOREVER = 3600  # seconds; longer than any reply is held back
TICK = 0.2  # seconds

App: TypeAlias = Sanic[Any, Any]
"""Sanic's own types are not told."""


class Control(msgspec.Struct):
    """The rates of the modes, and how often each struck since the ledger was made."""

    rates: Mapping[Fault, float]
    struck: Mapping[Fault, int]


class Server:
    """Serves `desk` on `host:port` between `start` and `stop`.

    The faults' rates and strikes are kept in the ledger, so that a restart changes neither.
    """

    def __init__(self, desk: Desk, ledger: Ledger, *, host: str, port: int) -> None:
        self._desk = desk
        self._faults = desk.faults
        self._ledger = ledger
        self._host, self._port = host, port
        self._app: App = Sanic("adversarial-venue", configure_logging=False)
        self._app.config.update(
            ACCESS_LOG=False,
            AUTO_EXTEND=False,
            FALLBACK_ERROR_FORMAT="json",
            RESPONSE_TIMEOUT=FOREVER,
            KEEP_ALIVE_TIMEOUT=FOREVER,
        )
        for call in Call:
            self._route(call)
        self._app.add_route(self._height, "/height")
        self._app.add_route(self._height, "/readyz", name="ready")
        self._app.add_route(self._told, "/control")
        self._app.add_route(self._set, "/control", methods=["POST"])
        self._server: Any = None  # Sanic's AsyncioServer, which is not typed
        self._ticking: asyncio.Task[None] | None = None
        self._noted = 0

    async def start(self) -> None:
        """Go on where the ledger left off, and listen. Raises `OSError` when the port is taken."""
        self._server = await listen(self._app, host=self._host, port=self._port)
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Stop listening, and note what is not noted yet."""
        assert self._ticking is not None
        self._ticking.cancel()
        for connection in self._server.connections:
            connection.transport.abort()
        closed = self._server.close()
        if closed:
            await closed
        self._note()

    def _route(self, call: Call) -> None:
        async def serve(request: Request) -> HTTPResponse:
            # Sanic ends the handler of a client that hung up; its call is served all the same.
            reply = await asyncio.shield(self._desk.answer(call, request.body))
            return _deliver(request, reply)

        self._app.add_route(serve, f"/{call}", methods=["POST"], name=call)

    async def _height(self, _: Request) -> HTTPResponse:
        return raw(encode(self._desk.book.heights()), content_type=JSON)

    async def _told(self, _: Request) -> HTTPResponse:
        struck = {fault: self._faults.struck[fault] for fault in Fault}
        return raw(encode(Control(self._faults.rates, struck)), content_type=JSON)

    async def _set(self, request: Request) -> HTTPResponse:
        """Set the rates that are named, or none of them."""
        try:
            rates = msgspec.json.decode(request.body, type=dict[Fault, float])
        except msgspec.DecodeError as wrong:
            return raw(encode({"error": str(wrong)}), status=400, content_type=JSON)
        self._faults.rates.update(rates)
        self._note()
        return await self._told(request)

    async def _tick(self) -> None:
        """What is due goes out whether or not anybody asks."""
        while True:
            await asyncio.sleep(TICK)
            self._desk.book.settle()
            if self._noted != self._faults.struck.total():
                self._note()

    def _note(self) -> None:
        self._noted = self._faults.struck.total()
        self._ledger.note_faults(self._faults.rates, self._faults.struck)


def _deliver(request: Request, reply: Reply) -> HTTPResponse:
    transport: Any = request.transport
    if reply.delivery is Delivery.CUT:
        transport.abort()
    elif reply.delivery is Delivery.TWICE:
        transport.write(HEAD.format(reply.status, len(reply.body)).encode() + reply.body)
    return raw(reply.body, status=reply.status, content_type=JSON)
