"""The venue within this process: calls go to its desk without a socket."""

import httpx

from tests.chaos.venue.desk import Delivery, Desk, Reply
from tests.chaos.venue.faults import Call


class Loopback(httpx.AsyncBaseTransport):
    """One connection that stays open. A reply that was written twice is read again as the answer
    to the next call."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._unread: list[Reply] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = Call(request.url.path.removeprefix("/"))
        reply = await self._desk.answer(call, await request.aread())
        if reply.delivery is Delivery.CUT:
            raise httpx.RemoteProtocolError("the server ended the connection without a response")
        self._unread += [reply] * (2 if reply.delivery is Delivery.TWICE else 1)
        read = self._unread.pop(0)
        return httpx.Response(read.status, content=read.body)
