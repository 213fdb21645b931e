"""What a venue offers, what was chosen, what was signed and what came of it."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import force_setattr

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode
from orders.domain.text import plain


class Quote(Struct, frozen=True, gc=False):
    """A venue's offer for an exact amount in."""

    dex: str
    out: Amount
    """What arrives: net of the venue's fee and every transfer fee."""
    fee: Amount
    """The venue's share, in the token sold."""
    price_impact_bps: int


class Answer(Struct, frozen=True, gc=False):
    """How one venue answered a request for a quote: the evidence that an order keeps."""

    dex: str
    latency: timedelta
    quote: Quote | None = None
    error: str | None = None
    """Why there is no quote; None when there is one."""
    is_refusal: bool = False
    """Whether the venue will say the same again."""

    def __post_init__(self) -> None:
        if self.error is not None:
            force_setattr(self, "error", plain(self.error))


class Route(Struct, frozen=True, gc=False):
    """The venue that an order goes to, and every answer that the choice was made from."""

    quote: Quote
    answers: tuple[Answer, ...]


class Transaction(Struct, frozen=True, gc=False):
    """A signed trade. Its bytes never change; sending them again is harmless."""

    dex: str
    tx_hash: str
    raw: bytes
    min_out: Amount
    """The floor inside the signed bytes: the venue pays at least this or nothing."""
    last_valid_height: int
    """The last block height at which the venue may still execute it."""


class Landed(Struct, frozen=True, gc=False):
    """Final: the trade was executed and `out` arrived."""

    out: Amount


class Reverted(Struct, frozen=True, gc=False):
    """Final: the venue took up the trade and refused it; nothing was exchanged."""

    code: FailureCode
    detail: str


class Pending(Struct, frozen=True, gc=False):
    """Seen by the venue and not final."""


class NotFound(Struct, frozen=True, gc=False):
    """The answering node has no trace of the trade in its full history, up to `height`."""

    height: int
    """The node's own finalized height when it answered."""


Outcome = Landed | Reverted | Pending | NotFound
