"""What client and venue say to each other: a message for each question and each answer.

Every question has a name of its own, `ask`, and its answer repeats it, so that a reply that
belongs to another question shows.
"""

from uuid import UUID

import msgspec

from orders.domain.errors import FailureCode

encode = msgspec.json.Encoder().encode


class Quoting(msgspec.Struct, frozen=True):
    """What would arrive for `amount_in`?"""

    ask: str
    dex: str
    input_mint: str
    output_mint: str
    amount_in: int


class Building(msgspec.Struct, frozen=True):
    """Sign this trade."""

    ask: str
    dex: str
    order_id: UUID
    attempt: int
    input_mint: str
    amount_in: int
    output_mint: str
    min_out: int


class Sending(msgspec.Struct, frozen=True):
    """Execute these bytes."""

    ask: str
    dex: str
    tx_id: str
    raw: bytes


class Asking(msgspec.Struct, frozen=True):
    """What became of this transaction?"""

    ask: str
    dex: str
    tx_id: str


class Quoted(msgspec.Struct, frozen=True):
    ask: str
    out: int
    fee: int
    price_impact_bps: int


class Built(msgspec.Struct, frozen=True):
    """The signed bytes say all that was asked for, and until when they are good."""

    ask: str
    tx_id: str
    raw: bytes


class Sent(msgspec.Struct, frozen=True):
    """The bytes were taken, now or earlier. That is all."""

    ask: str
    tx_id: str


class LandedWord(msgspec.Struct, frozen=True, tag="landed"):
    out: int


class RevertedWord(msgspec.Struct, frozen=True, tag="reverted"):
    code: FailureCode
    detail: str


class PendingWord(msgspec.Struct, frozen=True, tag="pending"):
    pass


class NotFoundWord(msgspec.Struct, frozen=True, tag="not_found"):
    height: int
    """The answering node's own finalized height."""


Word = LandedWord | RevertedWord | PendingWord | NotFoundWord


class Told(msgspec.Struct, frozen=True):
    """The answer to `Asking`."""

    ask: str
    tx_id: str
    word: Word


class Denied(msgspec.Struct, frozen=True):
    """The body of every 4xx and 5xx. Some carry a transaction's id all the same."""

    ask: str
    code: FailureCode
    detail: str
    tx_id: str | None = None


class Heights(msgspec.Struct, frozen=True):
    tip: int
    finalized: int
