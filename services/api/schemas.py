"""What clients send: decoded, checked, and turned into canonical values."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from orders.domain.amounts import MAX_AMOUNT, MAX_JSON_INTEGER, MAX_SLIPPAGE_BPS
from orders.domain.lifecycle import Status
from orders.domain.tokens import Tokens
from orders.placement import Request
from orders.ports import Filter
from services.api.errors import KINDS, Code, Fault, Problem

T = TypeVar("T")

PUBLIC = "public"
"""Who owns every order, until there are API keys."""
MAX_KEY = 255
MAX_PAGE = 500
_DIGITS = re.compile(r"[0-9]+")
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""No order was received outside of these, and inside there is room to reckon with instants."""
_FIELD = re.compile(r"(?:required|unknown) field `([^`]*)`$")
_PATH = re.compile(r" - at `\$\.?(?:\[\.\.\.\])?([^`]*)`$")

Mint = Annotated[str, msgspec.Meta(description="A token's symbol or mint address")]
WireAmount = Annotated[
    int | str,
    msgspec.Meta(description="Smallest units: an integer up to 2^53 - 1, or a string of digits"),
]


class PlaceOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """The body of `POST /api/orders/execute`."""

    input_mint: Mint
    output_mint: Mint
    amount_in: WireAmount
    slippage_bps: Annotated[
        int, msgspec.Meta(description="0 to 5000; how far below the quote a fill may be")
    ] = 50
    min_out: Annotated[WireAmount | None, msgspec.Meta(description="The least that may arrive")] = (
        None
    )
    client_order_id: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")] | None,
        msgspec.Meta(description="Your own name for the order, unique for ever"),
    ] = None


_decode = msgspec.json.Decoder(PlaceOrder).decode
_TOO_LARGE = {
    "/amountIn": Code.AMOUNT_PRECISION,
    "/minOut": Code.AMOUNT_PRECISION,
    "/slippageBps": Code.SLIPPAGE_OUT_OF_RANGE,
}
_INSTANT = "send RFC 3339 with an offset, like 2026-11-22T12:00:00Z; in a query, + is %2B"


def request(body: bytes, tokens: Tokens) -> Request:
    """The request that a body makes. Raises `Problem`, which names every fault it can."""
    placed = _parsed(body)
    faults: list[Fault] = []
    amount_in = _amount("/amountIn", placed.amount_in, faults)
    min_out = None if placed.min_out is None else _amount("/minOut", placed.min_out, faults)
    input_mint = _mint("/inputMint", placed.input_mint, tokens, faults)
    output_mint = _mint("/outputMint", placed.output_mint, tokens, faults)
    if input_mint is not None and input_mint == output_mint:
        faults.append(
            Fault("/outputMint", Code.SAME_MINT, "choose another token than inputMint to receive")
        )
    if not 0 <= placed.slippage_bps <= MAX_SLIPPAGE_BPS:
        faults.append(
            Fault(
                "/slippageBps",
                Code.SLIPPAGE_OUT_OF_RANGE,
                f"{str(placed.slippage_bps)[:32]} is not from 0 to {MAX_SLIPPAGE_BPS} basis points",
            )
        )
    if faults or amount_in is None or input_mint is None or output_mint is None:
        raise Problem.of(faults)
    return Request(
        owner=PUBLIC,
        input_mint=input_mint,
        output_mint=output_mint,
        amount_in=amount_in,
        slippage_bps=placed.slippage_bps,
        min_out=min_out,
        client_order_id=placed.client_order_id,
    )


def idempotency_key(header: str | None) -> str | None:
    """The key that a header gives. Raises `Problem`."""
    key = None if header is None else header.strip(" \t")  # RFC 9110, 5.5; Sanic strips the left
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isprintable()):
        message = f"send 1 to {MAX_KEY} printable characters"
        raise Problem.of([Fault("Idempotency-Key", Code.VALIDATION_FAILED, message)])
    return key


def order_id(text: str) -> UUID:
    """The id that a path gives, in the usual form with hyphens. Raises `Problem`."""
    try:
        parsed = UUID(text)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != text.lower():
        raise Problem(Code.MALFORMED_ID, f"{text[:64]!r} is not a UUID with hyphens")
    return parsed


def page(asked: dict[str, str], tokens: Tokens) -> tuple[Filter, int]:
    """The list that query parameters ask for, and its length. Raises `Problem`."""
    known = {"status", "pair", "clientOrderId", "from", "to", "cursor", "limit"}
    for name in asked.keys() - known:
        _refuse(name, f"is not a parameter; choose from {', '.join(sorted(known))}")
    pair = _asked(asked, "pair", lambda text: _pair(text, tokens))
    wanted = Filter(
        owner=PUBLIC,
        status=_asked(asked, "status", Status, f"choose from {', '.join(Status)}"),
        input_mint=pair[0] if pair else None,
        output_mint=pair[1] if pair else None,
        client_order_id=asked.get("clientOrderId"),
        since=_asked(asked, "from", _instant, _INSTANT),
        until=_asked(asked, "to", _instant, _INSTANT),
        before=_asked(asked, "cursor", _uncursor, "send a nextCursor as it was given"),
    )
    return wanted, _asked(asked, "limit", _limit, f"send 1 to {MAX_PAGE}") or 50


def cursor(last: UUID) -> str:
    """Where the next page begins, for the client to send back as it is."""
    return urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _parsed(body: bytes) -> PlaceOrder:
    try:
        return _decode(body)
    except msgspec.ValidationError as failure:
        message = str(failure)
        found = _PATH.search(message)
        message = message[: found.start()] if found else message
        named = found or _FIELD.search(message)
        pointer = f"/{named[1].replace('.', '/')}" if named else ""
        if message == "Integer value out of range":  # more than 4,300 digits
            code = _TOO_LARGE.get(pointer, Code.VALIDATION_FAILED)
            raise Problem.of([Fault(pointer, code, KINDS[code].title)]) from None
        raise Problem.of([Fault(pointer, Code.VALIDATION_FAILED, message)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise Problem(Code.MALFORMED_JSON, f"send a JSON object in UTF-8: {failure}") from None


def _amount(pointer: str, given: int | str, faults: list[Fault]) -> int | None:
    if isinstance(given, str):
        if not _DIGITS.fullmatch(given):
            faults.append(
                Fault(pointer, Code.VALIDATION_FAILED, f"{given[:64]!r} is not a string of digits")
            )
            return None
    elif given > MAX_JSON_INTEGER:
        message = (
            f"a JSON integer above {MAX_JSON_INTEGER} may have been rounded on its way: "
            "send a string"
        )
        faults.append(Fault(pointer, Code.AMOUNT_PRECISION, message))
        return None
    value = int(given.lstrip("0")[:20] or "0") if isinstance(given, str) else given
    if not 1 <= value <= MAX_AMOUNT:  # which has 19 digits
        message = f"{str(given)[:32]} is not from 1 to {MAX_AMOUNT}"
        faults.append(Fault(pointer, Code.AMOUNT_OUT_OF_RANGE, message))
        return None
    return value


def _mint(pointer: str, name: str, tokens: Tokens, faults: list[Fault]) -> str | None:
    token = tokens.get(name)
    if token is None:
        known = ", ".join(each.symbol for each in tokens)
        message = f"{name[:64]!r} is not known; choose from {known}, or send a mint address"
        faults.append(Fault(pointer, Code.UNKNOWN_MINT, message))
        return None
    return token.mint


def _pair(text: str, tokens: Tokens) -> tuple[str, str]:
    first, slash, second = text.replace("-", "/").partition("/")
    if not slash:
        _refuse("pair", "send two tokens, like SOL/USDC")
    faults: list[Fault] = []
    mints = _mint("pair", first, tokens, faults), _mint("pair", second, tokens, faults)
    if faults or mints[0] is None or mints[1] is None:
        raise Problem.of(faults)
    return mints[0], mints[1]


def _asked(asked: dict[str, str], name: str, parse: Callable[[str], T], hint: str = "") -> T | None:
    if name not in asked:
        return None
    try:
        return parse(asked[name])
    except ValueError:
        _refuse(name, f"{asked[name][:64]!r} makes no sense; {hint}")
    return None


def _refuse(name: str, message: str) -> None:
    raise Problem.of([Fault(name, Code.VALIDATION_FAILED, message)])


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return min(max(instant, _FIRST), _LAST)


def _uncursor(text: str) -> UUID:
    return UUID(bytes=urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(text)
    return limit
