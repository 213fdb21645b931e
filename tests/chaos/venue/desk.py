"""The venue's counter: reads a call's bytes, lets its fault strike, and writes the reply's bytes.

What carries the bytes is the server's business, or that of `loopback` within one process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

import msgspec

from orders.domain.errors import FailureCode, Refused
from orders.ports import Clock
from tests.chaos.venue.book import Book
from tests.chaos.venue.faults import Call, Fault, Faults
from tests.chaos.venue.sealed import name
from tests.chaos.venue.wire import (
    Asking,
    Building,
    Built,
    Denied,
    Quoted,
    Quoting,
    Sending,
    Sent,
    Told,
    encode,
)

HANG = timedelta(seconds=60)
SLOWEST = timedelta(seconds=10)


class Delivery(Enum):
    """How a reply reaches the client."""

    WHOLE = auto()
    TWICE = auto()
    CUT = auto()
    """Not at all: the connection ends without it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes out to a call."""

    status: int
    body: bytes
    delivery: Delivery = Delivery.WHOLE


class Desk:
    """Serves calls on `book`. A slow answer takes up to `slowest`."""

    def __init__(
        self, *, book: Book, faults: Faults, clock: Clock, slowest: timedelta = SLOWEST
    ) -> None:
        self.book = book
        self.faults = faults
        self._clock = clock
        self._slowest = slowest
        self._serve: Mapping[Call, Callable[[bytes], Reply]] = {
            Call.QUOTE: self._quote,
            Call.BUILD: self._build,
            Call.SEND: self._send,
            Call.STATUS: self._status,
        }

    async def answer(self, call: Call, body: bytes) -> Reply:
        """The reply to one call, with what goes wrong with it. Let it run to its end even if the
        client has hung up: the call was made."""
        match self.faults.on_call(call, self.book.tip):
            case None:
                return self._serve[call](body)
            case Fault.BURST_429:
                return _denied(429, body, "too many requests")
            case Fault.QUOTE_ERROR | Fault.BUILD_ERROR:
                return _denied(503, body, "no upstream")
            case Fault.SLOW:
                half = self._slowest * self.faults.dice(Fault.SLOW).random() / 2
                await self._clock.sleep(half)
                reply = self._serve[call](body)
                await self._clock.sleep(half)
                return reply
            case Fault.HANG:
                reply = self._serve[call](body)
                await self._clock.sleep(HANG)
                return replace(reply, delivery=Delivery.CUT)
            case fault:
                return self._spoilt(self._serve[call](body), body, fault)

    def _spoilt(self, reply: Reply, body: bytes, fault: Fault) -> Reply:
        match fault:
            case Fault.DUPLICATE_REPLY:
                return replace(reply, delivery=Delivery.TWICE)
            case Fault.DROP_REPLY:
                return replace(reply, delivery=Delivery.CUT)
            case Fault.ERROR_AFTER_SUCCESS:
                return _denied(500, body, "internal error")
            case _:
                tx_id = msgspec.json.decode(body, type=Sending).tx_id
                return _denied(400, body, "simulation failed", tx_id=tx_id)

    def _quote(self, body: bytes) -> Reply:
        wanted = _quoting(body)
        try:
            quote = self.book.quote(
                wanted.dex, wanted.input_mint, wanted.output_mint, wanted.amount_in
            )
        except Refused as refusal:
            return _refused(body, refusal)
        return _said(Quoted(wanted.ask, quote.out, quote.fee, quote.price_impact_bps))

    def _build(self, body: bytes) -> Reply:
        wanted = _building(body)
        try:
            raw = self.book.build(wanted)
        except Refused as refusal:
            return _refused(body, refusal)
        return _said(Built(wanted.ask, name(raw), raw))

    def _send(self, body: bytes) -> Reply:
        sent = _sending(body)
        try:
            self.book.send(sent.dex, sent.tx_id, sent.raw)
        except Refused as refusal:
            return _refused(body, refusal)
        return _said(Sent(sent.ask, sent.tx_id))

    def _status(self, body: bytes) -> Reply:
        asked = _asking(body)
        return _said(Told(asked.ask, asked.tx_id, self.book.status(asked.tx_id)))


class _Any(msgspec.Struct):
    """What every question has."""

    ask: str


_ask = msgspec.json.Decoder(_Any).decode
_quoting = msgspec.json.Decoder(Quoting).decode
_building = msgspec.json.Decoder(Building).decode
_sending = msgspec.json.Decoder(Sending).decode
_asking = msgspec.json.Decoder(Asking).decode


def _said(answer: msgspec.Struct) -> Reply:
    return Reply(200, encode(answer))


def _refused(body: bytes, refusal: Refused) -> Reply:
    return _denied(422, body, str(refusal), code=refusal.code)


def _denied(
    status: int,
    body: bytes,
    detail: str,
    *,
    code: FailureCode = FailureCode.VENUE_REFUSED,
    tx_id: str | None = None,
) -> Reply:
    return Reply(status, encode(Denied(_ask(body).ask, code, detail, tx_id)))
