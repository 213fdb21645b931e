"""The engine's side: a `Venue` that is another process, and is not to be trusted."""

import secrets
from datetime import timedelta
from itertools import count
from typing import TypeVar

import httpx
import msgspec

from orders.domain.amounts import Amount, in_range
from orders.domain.errors import Refused, Transient, Unknown
from orders.domain.order import Order
from orders.domain.quote import Landed, NotFound, Outcome, Pending, Quote, Reverted, Transaction
from tests.chaos.venue.faults import Call
from tests.chaos.venue.sealed import Swap, name, unseal
from tests.chaos.venue.wire import (
    Asking,
    Building,
    Built,
    Denied,
    LandedWord,
    NotFoundWord,
    PendingWord,
    Quoted,
    Quoting,
    RevertedWord,
    Sending,
    Sent,
    Told,
    encode,
)

PATIENCE = timedelta(seconds=2)
CONNECTIONS = 64
TOO_MANY_REQUESTS = 429

Question = Quoting | Building | Sending | Asking
AnswerT = TypeVar("AnswerT", Quoted, Built, Sent, Told)

_denied = msgspec.json.Decoder(Denied).decode
_quoted = msgspec.json.Decoder(Quoted)
_built = msgspec.json.Decoder(Built)
_sent = msgspec.json.Decoder(Sent)
_told = msgspec.json.Decoder(Told)


class RemoteVenue:
    """One of the venues at `url`. It believes a reply only if that names the question asked."""

    def __init__(
        self,
        dex: str,
        url: str,
        *,
        patience: timedelta = PATIENCE,
        connections: int = CONNECTIONS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.dex = dex
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=patience.total_seconds(),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            transport=transport,
            trust_env=False,
            verify=False,
        )
        self._name = secrets.token_hex(8)
        self._numbers = count(1)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        asked = Quoting(self._ask(), self.dex, input_mint, output_mint, amount_in)
        quoted = await self._willing(Call.QUOTE, asked, _quoted)
        if not in_range(quoted.out) or not 0 <= quoted.fee < amount_in:
            raise Transient(f"{self.dex} quoted nonsense")
        return Quote(self.dex, Amount(quoted.out), Amount(quoted.fee), quoted.price_impact_bps)

    async def build(self, order: Order) -> Transaction:
        assert order.min_out is not None, "a route freezes the floor"
        asked = Building(
            ask=self._ask(),
            dex=self.dex,
            order_id=order.id,
            attempt=order.attempt,
            input_mint=order.input_mint,
            amount_in=order.amount_in,
            output_mint=order.output_mint,
            min_out=order.min_out,
        )
        built = await self._willing(Call.BUILD, asked, _built)
        swap = _as_asked(asked, built)
        if swap is None:
            raise Transient(f"{self.dex} signed something else than was asked for")
        return Transaction(
            dex=self.dex,
            tx_hash=built.tx_id,
            raw=built.raw,
            min_out=order.min_out,
            last_valid_height=swap.last_valid_height,
        )

    async def send(self, transaction: Transaction) -> None:
        """Raises `Unknown` for whatever is not a plain yes, and `Refused` for bytes that are not
        this venue's, before they go anywhere."""
        self._check(transaction)
        asked = Sending(self._ask(), self.dex, transaction.tx_hash, transaction.raw)
        sent = await self._word(Call.SEND, asked, _sent)
        if sent.tx_id != transaction.tx_hash:
            raise Unknown(f"{self.dex} took another transaction")

    async def status(self, transaction: Transaction) -> Outcome:
        """Raises `Unknown` for whatever is not a well-formed word on this very transaction."""
        self._check(transaction)
        asked = Asking(self._ask(), self.dex, transaction.tx_hash)
        told = await self._word(Call.STATUS, asked, _told)
        if told.tx_id != transaction.tx_hash:
            raise Unknown(f"{self.dex} spoke of another transaction")
        match told.word:
            case LandedWord(out) if in_range(out) and out >= transaction.min_out:
                return Landed(Amount(out))
            case RevertedWord(code, detail):
                return Reverted(code, detail)
            case PendingWord():
                return Pending()
            case NotFoundWord(height) if height >= 0:
                return NotFound(height)
        raise Unknown(f"{self.dex} said what cannot be: {told.word}")

    async def _willing(
        self, call: Call, asked: Question, decoder: msgspec.json.Decoder[AnswerT]
    ) -> AnswerT:
        """The answer to a question that changes nothing. Raises `Refused` and `Transient`."""
        try:
            status, body = await self._post(call, asked)
            if status == httpx.codes.OK:
                return _mine(asked, decoder.decode(body))
            denied = _mine(asked, _denied(body))
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as failure:
            raise Transient(f"{self.dex} gave no answer: {failure!r}") from failure
        if status == TOO_MANY_REQUESTS or httpx.codes.is_server_error(status):
            raise Transient(f"{self.dex} answered {status}: {denied.detail}")
        raise Refused(denied.detail, denied.code)

    async def _word(
        self, call: Call, asked: Question, decoder: msgspec.json.Decoder[AnswerT]
    ) -> AnswerT:
        """The answer to a question of whose failure nothing follows. Raises `Unknown`."""
        try:
            status, body = await self._post(call, asked)
            if status == httpx.codes.OK:
                return _mine(asked, decoder.decode(body))
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as failure:
            raise Unknown(f"{self.dex} gave no answer: {failure!r}") from failure
        raise Unknown(f"{self.dex} answered {status}: {body[:200]!r}")

    async def _post(self, call: Call, asked: Question) -> tuple[int, bytes]:
        response = await self._client.post(f"/{call}", content=encode(asked))
        return response.status_code, response.content

    def _ask(self) -> str:
        return f"{self._name}-{next(self._numbers)}"

    def _check(self, transaction: Transaction) -> None:
        if transaction.dex != self.dex or name(transaction.raw) != transaction.tx_hash:
            raise Refused(f"these are not the bytes of a transaction of {self.dex}")


SaidT = TypeVar("SaidT", Quoted, Built, Sent, Told, Denied)


def _mine(asked: Question, answer: SaidT) -> SaidT:
    """`answer`, if it is one to `asked`. Raises `ValueError`."""
    if answer.ask != asked.ask:
        raise ValueError(f"this answers {answer.ask}, not {asked.ask}")
    return answer


def _as_asked(asked: Building, built: Built) -> Swap | None:
    """What was signed, if it is what was asked for."""
    try:
        swap = unseal(built.raw)
    except (msgspec.MsgspecError, ValueError):
        return None
    wanted = msgspec.structs.asdict(asked)
    signed = msgspec.structs.asdict(swap)
    same = all(signed[field] == wanted[field] for field in wanted.keys() & signed.keys())
    return swap if same and name(built.raw) == built.tx_id else None
