"""A simulated venue's transaction: signed bytes that carry their own outcome."""

import hmac
from base64 import b64encode
from hashlib import blake2b
from uuid import UUID

import msgspec

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode, Refused
from orders.domain.quote import Transaction

PAPER_KEY = b"order-engine paper venue"
"""Protects nothing: it is public. The signature catches bytes that were damaged or mixed up."""
SIGNATURE_BYTES = 32  # keyed BLAKE2b
LETTERS = bytes.maketrans(b"0OIl+/", b"123456")  # base58 is base64 without these


class Fill(msgspec.Struct, frozen=True, tag="landed"):
    """The trade is executed, and `out` arrives."""

    out: int


class Revert(msgspec.Struct, frozen=True, tag="reverted"):
    """The trade is refused; nothing is exchanged."""

    code: FailureCode
    detail: str


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """What the bytes say: the swap, and what will have come of it at `lands_at`."""

    order_id: UUID
    attempt: int
    dex: str
    input_mint: str
    output_mint: str
    amount_in: int
    min_out: int
    lands_at: int
    """Unix time in milliseconds."""
    last_valid_height: int
    nonce: int
    """Sets two transactions for one attempt apart, as a fresh blockhash would."""
    outcome: Fill | Revert


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Trade).decode


def seal(trade: Trade) -> Transaction:
    """Sign `trade`. Its id is known from here on."""
    payload = _encode(trade)
    raw = _signature(payload) + payload
    return Transaction(
        dex=trade.dex,
        tx_hash=name(raw),
        raw=raw,
        min_out=Amount(trade.min_out),
        last_valid_height=trade.last_valid_height,
    )


def unseal(transaction: Transaction, dex: str) -> Trade:
    """What was signed. Raises `Refused` when the bytes are damaged, or were signed for another
    venue."""
    signature, payload = transaction.raw[:SIGNATURE_BYTES], transaction.raw[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(payload)):
        raise Refused("the transaction's signature does not match its bytes")
    trade = _decode(payload)
    if trade.dex != dex:
        raise Refused(f"the transaction was signed for {trade.dex}, not for {dex}")
    return trade


def name(raw: bytes) -> str:
    """The id of signed bytes. It looks like a Solana signature, in base58's letters, but decodes to
    nothing: to divide by 58 eighty times takes longer than all the rest of signing."""
    return b64encode(blake2b(raw).digest())[:86].translate(LETTERS).decode()


def _signature(payload: bytes) -> bytes:
    return blake2b(payload, key=PAPER_KEY, digest_size=SIGNATURE_BYTES).digest()
