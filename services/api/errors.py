"""Everything the API refuses, as one closed table, and how it is said (RFC 9457)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from sanic import HTTPResponse, Request
from sanic.exceptions import SanicException
from sanic.response import raw

from orders import observe
from orders.domain.errors import KeyReused, StoreUnavailable, Unstorable

TYPE = "/docs#"
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means: its HTTP status, its title, and whether asking again may work."""

    status: int
    title: str
    retryable: bool = False


class Code(StrEnum):
    """The codes that a problem may have."""

    MALFORMED_JSON = "malformed_json"
    MALFORMED_ID = "malformed_id"
    BAD_REQUEST = "bad_request"
    ORDER_NOT_FOUND = "order_not_found"
    ROUTE_NOT_FOUND = "route_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    VALIDATION_FAILED = "validation_failed"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    AMOUNT_PRECISION = "amount_precision"
    UNKNOWN_MINT = "unknown_mint"
    SAME_MINT = "same_mint"
    SLIPPAGE_OUT_OF_RANGE = "slippage_out_of_range"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INTERNAL = "internal"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"


KINDS: dict[Code, Kind] = {
    Code.MALFORMED_JSON: Kind(400, "The body is not JSON"),
    Code.MALFORMED_ID: Kind(400, "The order id is not a UUID"),
    Code.BAD_REQUEST: Kind(400, "The request is not HTTP that this server can read"),
    Code.ORDER_NOT_FOUND: Kind(404, "There is no such order"),
    Code.ROUTE_NOT_FOUND: Kind(404, "There is nothing at this path"),
    Code.METHOD_NOT_ALLOWED: Kind(405, "This path does not take this method"),
    Code.BODY_TOO_LARGE: Kind(413, "The body is larger than 64 KiB"),
    Code.UNSUPPORTED_MEDIA_TYPE: Kind(415, "The body must be application/json"),
    Code.VALIDATION_FAILED: Kind(422, "The request does not say what it should"),
    Code.AMOUNT_OUT_OF_RANGE: Kind(422, "An amount must be from 1 to 9223372036854775807"),
    Code.AMOUNT_PRECISION: Kind(422, "An amount above 9007199254740991 must be a string"),
    Code.UNKNOWN_MINT: Kind(422, "A token is not known"),
    Code.SAME_MINT: Kind(422, "A token cannot be swapped for itself"),
    Code.SLIPPAGE_OUT_OF_RANGE: Kind(422, "Slippage must be from 0 to 5000 basis points"),
    Code.IDEMPOTENCY_KEY_REUSED: Kind(422, "The key was used before, for another request"),
    Code.INTERNAL: Kind(500, "The engine has a bug", retryable=True),
    Code.OVERLOADED: Kind(503, "Too much is waiting; nothing new was stored", retryable=True),
    Code.UNAVAILABLE: Kind(503, "The database did not answer", retryable=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request, where, and how to mend it."""

    pointer: str
    """A JSON pointer into the body, or the name of a header or query parameter."""
    code: Code
    message: str


@dataclass(slots=True)
class Problem(Exception):
    """A refusal. Nothing of the request was stored, unless the code is `unavailable`."""

    code: Code
    detail: str
    faults: list[Fault] = field(default_factory=list)

    @classmethod
    def of(cls, faults: list[Fault]) -> "Problem":
        """The refusal of a request with at least one fault, named by the first."""
        return cls(faults[0].code, faults[0].message, faults)


_FROM_SANIC = {
    400: Code.BAD_REQUEST,
    404: Code.ROUTE_NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
    503: Code.UNAVAILABLE,
}


def problem(failure: BaseException) -> Problem:
    """What to tell the client of `failure`."""
    match failure:
        case Problem():
            return failure
        case KeyReused():
            return Problem(Code.IDEMPOTENCY_KEY_REUSED, str(failure))
        case Unstorable():
            return Problem(
                Code.VALIDATION_FAILED,
                "a value holds what the database cannot, such as a NUL character: leave it out",
            )
        case StoreUnavailable():
            return Problem(
                Code.UNAVAILABLE,
                "the outcome is unknown: ask again. With the same key, one order is placed at most",
            )
        case SanicException() if failure.status_code in _FROM_SANIC:
            return Problem(_FROM_SANIC[failure.status_code], str(failure).strip())
        case SanicException() if failure.status_code < 500:
            return Problem(Code.BAD_REQUEST, str(failure).strip())
        case _:
            return Problem(Code.INTERNAL, "the request met a bug, which has been logged")


async def respond(request: Request, failure: Exception) -> HTTPResponse:
    """The answer to a request that failed."""
    told = problem(failure)
    if told.code is Code.INTERNAL:
        observe.request_failed(request.path, failure)
    kind = KINDS[told.code]
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if kind.status == 503 else {}
    if isinstance(failure, SanicException):
        headers |= failure.headers
    return raw(
        msgspec.json.encode(body(told, request.path)),
        status=kind.status,
        headers=headers,
        content_type="application/problem+json",
    )


def body(told: Problem, instance: str) -> dict[str, Any]:
    """A problem as RFC 9457 has it, with this API's own members."""
    kind = KINDS[told.code]
    return {
        "type": f"{TYPE}{told.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": _encodable(told.detail),
        "instance": _encodable(instance),
        "code": told.code,
        "retryable": kind.retryable,
        "errors": [
            {"pointer": fault.pointer, "code": fault.code, "message": _encodable(fault.message)}
            for fault in told.faults
        ],
    }


def _encodable(text: str) -> str:
    """`text` with what is not UTF-8 escaped: Sanic hands over a client's stray bytes as such."""
    return text.encode(errors="backslashreplace").decode()
