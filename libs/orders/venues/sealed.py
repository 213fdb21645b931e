"""A simulated venue's transaction: signed bytes that carry their own outcome."""

import hmac
from hashlib import blake2b
from uuid import UUID

import msgspec

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode, Refused
from orders.domain.quote import Transaction

PAPER_KEY = b"order-engine paper venue"
"""Protects nothing: it is public. The signature catches bytes that were damaged or mixed up."""
SIGNATURE_BYTES = 32  # HMAC-SHA256
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # Bitcoin's base58
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


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
    """Sign `trade`. Its id is known from here on, and is as long as a Solana signature."""
    payload = _encode(trade)
    raw = _signature(payload) + payload
    return Transaction(
        dex=trade.dex,
        tx_hash=base58(blake2b(raw, digest_size=64).digest()),
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


def base58(data: bytes) -> str:
    """`data` in base58, a leading zero byte as a leading 1 each, as Solana writes signatures."""
    number = int.from_bytes(data)
    pairs: list[str] = []
    while number:
        number, pair = divmod(number, len(PAIRS))
        pairs.append(PAIRS[pair])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return ALPHABET[0] * zeros + "".join(reversed(pairs)).lstrip(ALPHABET[0])


def _signature(payload: bytes) -> bytes:
    return hmac.digest(PAPER_KEY, payload, "sha256")
