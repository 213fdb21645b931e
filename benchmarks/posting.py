"""What the load clients post, and the connection over which they do.

HTTP is written and read by hand: a client library would take longer than the engine does.
"""

import asyncio
import itertools
import secrets
from collections.abc import Callable
from typing import Any

BODY = b'{"inputMint":"SOL","outputMint":"USDC","amountIn":1000000000}'
HEAD = (
    b"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n" % len(BODY)
)
REQUEST = HEAD + b"\r\n" + BODY
KEYED = HEAD.replace(b"%", b"%%") + b"Idempotency-Key: %s-%d\r\n\r\n" + BODY
ACCEPTED = b"201"


def requests(keys: bool) -> Callable[[], bytes]:
    """Makes the next request; with `keys`, each has an Idempotency-Key that no other has."""
    if not keys:
        return lambda: REQUEST
    client, number = secrets.token_hex(8).encode(), itertools.count()
    return lambda: KEYED % (client, next(number))


class Connection(asyncio.Protocol):
    """One connection. `answered` is called with it and the status of each whole answer."""

    def __init__(
        self,
        answered: Callable[["Connection", bytes], None],
        lost: Callable[[Exception | None], None],
    ) -> None:
        self.sent_at = 0.0
        """For whoever posts: when the request that is under way was sent, or should have been."""
        self._answered = answered
        self._lost = lost
        self._answer = b""
        self._transport: Any = None

    def post(self, request: bytes) -> None:
        """Send a request; the last one must have been answered."""
        self._transport.write(request)

    def close(self) -> None:
        """Hang up, without `lost` being called."""
        self._lost = lambda _: None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        answer = self._answer + data
        if not answer.endswith(b"}"):  # every answer's body is a JSON object
            self._answer = answer
            return
        self._answer = b""
        self._answered(self, answer[9:12])

    def connection_lost(self, failure: Exception | None) -> None:
        self._lost(failure)
