"""The table of refusals: closed, whole, and the one that the contract promises."""

import asyncpg
import pytest
from sanic.exceptions import (
    BadRequest,
    ExpectationFailed,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    SanicException,
    ServerError,
    ServiceUnavailable,
)

from orders.domain.errors import KeyReused, StoreUnavailable, Unstorable
from services.api.errors import KINDS, Code, Fault, Problem, body, problem

CONTRACT = {
    "malformed_json": 400,
    "malformed_id": 400,
    "order_not_found": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
    "amount_out_of_range": 422,
    "amount_precision": 422,
    "unknown_mint": 422,
    "same_mint": 422,
    "slippage_out_of_range": 422,
    "idempotency_key_reused": 422,
    "overloaded": 503,
    "unavailable": 503,
}
"""The codes that clients were promised, and their statuses."""

BEYOND = {"bad_request": 400, "route_not_found": 404, "internal": 500}
"""What any HTTP server may have to say, whatever it serves."""


def test_every_code_has_a_kind_in_the_order_of_the_codes() -> None:
    assert list(KINDS) == list(Code)


def test_the_codes_are_those_of_the_contract_and_of_http() -> None:
    assert {code.value: kind.status for code, kind in KINDS.items()} == CONTRACT | BEYOND


@pytest.mark.parametrize("code", Code)
def test_only_what_is_the_server_s_fault_may_work_when_asked_again(code: Code) -> None:
    kind = KINDS[code]

    assert kind.retryable == (kind.status >= 500)


@pytest.mark.parametrize("code", Code)
def test_a_title_is_a_sentence_of_its_own(code: Code) -> None:
    titles = [kind.title for kind in KINDS.values()]

    assert titles.count(KINDS[code].title) == 1
    assert KINDS[code].title[0].isupper()


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Problem(Code.SAME_MINT, "x"), "same_mint"),
        (KeyReused("x"), "idempotency_key_reused"),
        (Unstorable("x"), "validation_failed"),
        (StoreUnavailable("x"), "unavailable"),
        (BadRequest("x"), "bad_request"),
        (NotFound("x"), "route_not_found"),
        (MethodNotAllowed("x", "GET", ["POST"]), "method_not_allowed"),
        (PayloadTooLarge("x"), "body_too_large"),
        (RequestTimeout("x"), "bad_request"),
        (ExpectationFailed("x"), "bad_request"),
        (SanicException("x", status_code=426), "bad_request"),
        (ServiceUnavailable("x"), "unavailable"),
        (ServerError("x"), "internal"),
        (SanicException("x", status_code=501), "internal"),
        (ValueError("x"), "internal"),
        (asyncpg.PostgresError("x"), "internal"),
        (RecursionError("x"), "internal"),
    ],
)
def test_every_failure_is_told_as_one_of_the_codes(failure: Exception, code: str) -> None:
    assert problem(failure).code == code


def test_a_bug_s_own_words_stay_inside() -> None:
    assert "secret" not in problem(ValueError("secret")).detail


def test_a_problem_of_faults_is_named_by_the_first() -> None:
    faults = [
        Fault("/amountIn", Code.AMOUNT_PRECISION, "send a string"),
        Fault("/outputMint", Code.SAME_MINT, "choose another"),
    ]

    told = body(Problem.of(faults), "/api/orders/execute")

    assert told == {
        "type": "/docs#amount_precision",
        "title": "An amount above 9007199254740991 must be a string",
        "status": 422,
        "detail": "send a string",
        "instance": "/api/orders/execute",
        "code": "amount_precision",
        "retryable": False,
        "errors": [
            {"pointer": "/amountIn", "code": "amount_precision", "message": "send a string"},
            {"pointer": "/outputMint", "code": "same_mint", "message": "choose another"},
        ],
    }


def test_stray_bytes_of_a_client_are_told_as_escapes() -> None:
    told = body(Problem(Code.BAD_REQUEST, "not a/\udcff"), "/\udcfe")

    assert told["detail"] == "not a/\\udcff"
    assert told["instance"] == "/\\udcfe"
