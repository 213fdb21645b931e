"""A transaction of this venue: the swap, its floor and its expiry, in signed bytes."""

import hmac
from hashlib import blake2b
from uuid import UUID

import msgspec

KEY = b"order-engine adversarial venue"
"""Protects nothing: it is public. The signature catches bytes that were damaged or mixed up."""
SIGNATURE_BYTES = 32  # HMAC-SHA256


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """What the bytes say."""

    order_id: UUID
    attempt: int
    dex: str
    input_mint: str
    amount_in: int
    output_mint: str
    min_out: int
    last_valid_height: int
    nonce: str
    """Sets two transactions for one attempt apart, as a fresh blockhash would."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Swap).decode


def seal(swap: Swap) -> bytes:
    """Sign `swap`."""
    payload = _encode(swap)
    return _signature(payload) + payload


def unseal(raw: bytes) -> Swap:
    """What was signed. Raises `ValueError` for bytes that this venue did not sign."""
    signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(payload)):
        raise ValueError("the signature does not match the bytes")
    return _decode(payload)


def name(raw: bytes) -> str:
    """The transaction's id, known before it is sent."""
    return blake2b(raw, digest_size=32).hexdigest()


def _signature(payload: bytes) -> bytes:
    return hmac.digest(KEY, payload, "sha256")
