"""Placing an order: what is accepted, and every way in which it is refused."""

import json
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.factories import SOL, UNKNOWN_MINT, USDC
from tests.integration.api.conftest import Counts
from tests.integration.api.serving import SELL_SOL, Hand, Server

EXECUTE = "/api/orders/execute"
JSON = {"Content-Type": "application/json"}
NOTHING = {"orders": 0, "order_events": 0, "idempotency_keys": 0}
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable", "errors"}
KIB = 1024


async def test_an_order_is_answered_with_its_id_alone(api: Server, counts: Counts) -> None:
    answer = await api.client.post(EXECUTE, json=SELL_SOL)

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert "idempotency-replayed" not in answer.headers
    order_id = answer.json()["orderId"]
    assert answer.json() == {"orderId": order_id}
    assert str(UUID(order_id)) == order_id
    assert await counts() == {"orders": 1, "order_events": 1, "idempotency_keys": 0}


async def test_the_readme_s_body_is_accepted_to_the_letter(api: Server) -> None:
    body = b'{"inputMint":"SOL","outputMint":"USDC","amountIn":1000000000}'

    answer = await api.client.post(EXECUTE, content=body, headers=JSON)

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({}, (SOL, USDC, 1_000_000_000, 50, None)),
        ({"inputMint": SOL, "outputMint": USDC}, (SOL, USDC, 1_000_000_000, 50, None)),
        ({"inputMint": "USDC", "outputMint": SOL}, (USDC, SOL, 1_000_000_000, 50, None)),
        ({"amountIn": 1}, (SOL, USDC, 1, 50, None)),
        ({"amountIn": "1"}, (SOL, USDC, 1, 50, None)),
        ({"amountIn": "0007"}, (SOL, USDC, 7, 50, None)),
        ({"amountIn": "0" * 5000 + "7"}, (SOL, USDC, 7, 50, None)),
        ({"amountIn": 2**53 - 1}, (SOL, USDC, 2**53 - 1, 50, None)),
        ({"amountIn": str(2**53)}, (SOL, USDC, 2**53, 50, None)),
        ({"amountIn": str(2**63 - 1)}, (SOL, USDC, 2**63 - 1, 50, None)),
        ({"slippageBps": 0}, (SOL, USDC, 1_000_000_000, 0, None)),
        ({"slippageBps": 5_000}, (SOL, USDC, 1_000_000_000, 5_000, None)),
        ({"minOut": None}, (SOL, USDC, 1_000_000_000, 50, None)),
        ({"minOut": 2**53 - 1}, (SOL, USDC, 1_000_000_000, 50, 2**53 - 1)),
        ({"minOut": str(2**63 - 1)}, (SOL, USDC, 1_000_000_000, 50, 2**63 - 1)),
        ({"clientOrderId": None}, (SOL, USDC, 1_000_000_000, 50, None)),
    ],
)
async def test_what_is_accepted_is_stored_in_canonical_values(
    api: Server, hand: Hand, fields: dict[str, Any], stored: tuple[Any, ...]
) -> None:
    order = await hand.get(await api.place(**fields))

    assert stored == (
        order.input_mint,
        order.output_mint,
        order.amount_in,
        order.slippage_bps,
        order.min_out,
    )


@pytest.mark.parametrize("name", ["a", "A-z_09", "x" * 64])
async def test_a_client_order_id_is_kept(api: Server, hand: Hand, name: str) -> None:
    order_id = await api.place(clientOrderId=name)

    assert (await hand.get(order_id)).client_order_id == name


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"],
)
async def test_json_may_name_its_charset(api: Server, media_type: str) -> None:
    answer = await api.client.post(
        EXECUTE, content=json.dumps(SELL_SOL), headers={"Content-Type": media_type}
    )

    assert answer.status_code == 201


async def test_a_body_of_64_kib_is_accepted(api: Server) -> None:
    body = json.dumps(SELL_SOL).ljust(64 * KIB)

    answer = await api.client.post(EXECUTE, content=body, headers=JSON)

    assert answer.status_code == 201


class Refusal(NamedTuple):
    """A body, and how it is refused. Fields are merged into a body that is accepted."""

    sent: dict[str, Any] | bytes
    code: str
    pointer: str | None = None
    status: int = 422


def _with(text: str, pointer: str = "amountIn") -> bytes:
    """A body in which one member is this text."""
    members: dict[str, str] = {name: json.dumps(value) for name, value in SELL_SOL.items()}
    members[pointer] = text
    return ("{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}").encode()


REFUSALS = {
    "an empty body": Refusal(b"", "malformed_json", status=400),
    "half a body": Refusal(b'{"inputMint":"SOL"', "malformed_json", status=400),
    "no JSON": Refusal(b"inputMint=SOL", "malformed_json", status=400),
    "not a number": Refusal(_with("NaN"), "malformed_json", status=400),
    "infinity": Refusal(_with("Infinity"), "malformed_json", status=400),
    "a bare NUL": Refusal(_with('"SOL\0"', "inputMint"), "malformed_json", status=400),
    "not UTF-8": Refusal(_with("@").replace(b"@", b'"\xff"'), "malformed_json", status=400),
    "a lone surrogate": Refusal(_with(r'"\ud800"', "inputMint"), "malformed_json", status=400),
    "a lone low surrogate": Refusal(_with(r'"\udc00"', "outputMint"), "malformed_json", status=400),
    "a surrogate in a name": Refusal(rb'{"\ud800":1}', "malformed_json", status=400),
    "a surrogate in an amount": Refusal(_with(r'"1\ud800"'), "malformed_json", status=400),
    "a surrogate in a client's id": Refusal(
        _with(r'"\ud800"', "clientOrderId"), "malformed_json", status=400
    ),
    "an array": Refusal(b"[]", "validation_failed", ""),
    "null": Refusal(b"null", "validation_failed", ""),
    "a number": Refusal(b"1", "validation_failed", ""),
    "deep arrays": Refusal(b"[" * 60_000, "validation_failed", ""),
    "deep objects": Refusal(b'{"a":' * 10_000, "validation_failed", "/a"),
    "a deep amount": Refusal(_with("[" * 60_000), "validation_failed", "/amountIn"),
    "nothing": Refusal(b"{}", "validation_failed", "/inputMint"),
    "an unknown field": Refusal({"amountOut": 1}, "validation_failed", "/amountOut"),
    "an unknown NUL field": Refusal({"a\0": 1}, "validation_failed", "/a\0"),
    "an amount of zero": Refusal({"amountIn": 0}, "amount_out_of_range", "/amountIn"),
    "a text of zero": Refusal({"amountIn": "0"}, "amount_out_of_range", "/amountIn"),
    "a negative": Refusal({"amountIn": -1}, "amount_out_of_range", "/amountIn"),
    "a huge negative": Refusal({"amountIn": -(2**70)}, "amount_out_of_range", "/amountIn"),
    "a float": Refusal({"amountIn": 1.5}, "validation_failed", "/amountIn"),
    "a whole float": Refusal(_with("1.0"), "validation_failed", "/amountIn"),
    "an exponent": Refusal(_with("1e9"), "validation_failed", "/amountIn"),
    "a huge exponent": Refusal(_with("1e400"), "validation_failed", "/amountIn"),
    "a bool": Refusal({"amountIn": True}, "validation_failed", "/amountIn"),
    "a null": Refusal({"amountIn": None}, "validation_failed", "/amountIn"),
    "an object": Refusal({"amountIn": {"value": 1}}, "validation_failed", "/amountIn"),
    "an integer of 2^53": Refusal({"amountIn": 2**53}, "amount_precision", "/amountIn"),
    "an integer of 2^63": Refusal({"amountIn": 2**63}, "amount_precision", "/amountIn"),
    "an integer of 2^64": Refusal({"amountIn": 2**64}, "amount_precision", "/amountIn"),
    "an integer of 2^70": Refusal({"amountIn": 2**70}, "amount_precision", "/amountIn"),
    "5,000 digits": Refusal(_with("9" * 5_000), "amount_precision", "/amountIn"),
    "a text of 2^63": Refusal({"amountIn": str(2**63)}, "amount_out_of_range", "/amountIn"),
    "a text of 5,000 digits": Refusal(
        {"amountIn": "9" * 5_000}, "amount_out_of_range", "/amountIn"
    ),
    "a signed text": Refusal({"amountIn": "+1"}, "validation_failed", "/amountIn"),
    "a negative text": Refusal({"amountIn": "-1"}, "validation_failed", "/amountIn"),
    "a text with a space": Refusal({"amountIn": " 1"}, "validation_failed", "/amountIn"),
    "a text with a newline": Refusal({"amountIn": "1\n"}, "validation_failed", "/amountIn"),
    "a text with an underscore": Refusal({"amountIn": "1_0"}, "validation_failed", "/amountIn"),
    "a text in hexadecimal": Refusal({"amountIn": "0x1"}, "validation_failed", "/amountIn"),
    "a text with a point": Refusal({"amountIn": "1.0"}, "validation_failed", "/amountIn"),
    "an exponent in a text": Refusal({"amountIn": "1e9"}, "validation_failed", "/amountIn"),
    "digits of another script": Refusal({"amountIn": "١٢"}, "validation_failed", "/amountIn"),
    "a full-width digit": Refusal({"amountIn": "１"}, "validation_failed", "/amountIn"),
    "an empty amount": Refusal({"amountIn": ""}, "validation_failed", "/amountIn"),
    "a NUL in an amount": Refusal({"amountIn": "1\0"}, "validation_failed", "/amountIn"),
    "a mint that is no text": Refusal({"inputMint": 1}, "validation_failed", "/inputMint"),
    "an unknown symbol": Refusal({"inputMint": "sol"}, "unknown_mint", "/inputMint"),
    "an unknown address": Refusal({"outputMint": UNKNOWN_MINT}, "unknown_mint", "/outputMint"),
    "an empty mint": Refusal({"inputMint": ""}, "unknown_mint", "/inputMint"),
    "a NUL in a mint": Refusal({"inputMint": "SOL\0"}, "unknown_mint", "/inputMint"),
    "a mint beyond the BMP": Refusal({"inputMint": "🦀" * 100}, "unknown_mint", "/inputMint"),
    "one token twice": Refusal({"outputMint": "SOL"}, "same_mint", "/outputMint"),
    "a symbol and its address": Refusal({"outputMint": SOL}, "same_mint", "/outputMint"),
    "negative slippage": Refusal({"slippageBps": -1}, "slippage_out_of_range", "/slippageBps"),
    "slippage of 50.01 %": Refusal({"slippageBps": 5_001}, "slippage_out_of_range", "/slippageBps"),
    "slippage of 2^70": Refusal({"slippageBps": 2**70}, "slippage_out_of_range", "/slippageBps"),
    "slippage of 5,000 digits": Refusal(
        _with("9" * 5_000, "slippageBps"), "slippage_out_of_range", "/slippageBps"
    ),
    "slippage as text": Refusal({"slippageBps": "50"}, "validation_failed", "/slippageBps"),
    "slippage as float": Refusal({"slippageBps": 0.5}, "validation_failed", "/slippageBps"),
    "slippage as bool": Refusal({"slippageBps": True}, "validation_failed", "/slippageBps"),
    "slippage as null": Refusal({"slippageBps": None}, "validation_failed", "/slippageBps"),
    "a floor of zero": Refusal({"minOut": 0}, "amount_out_of_range", "/minOut"),
    "a negative floor": Refusal({"minOut": -1}, "amount_out_of_range", "/minOut"),
    "a float for a floor": Refusal({"minOut": 1.5}, "validation_failed", "/minOut"),
    "a bool for a floor": Refusal({"minOut": False}, "validation_failed", "/minOut"),
    "a signed floor": Refusal({"minOut": "+1"}, "validation_failed", "/minOut"),
    "an integer floor of 2^53": Refusal({"minOut": 2**53}, "amount_precision", "/minOut"),
    "a text floor of 2^63": Refusal({"minOut": str(2**63)}, "amount_out_of_range", "/minOut"),
    "an empty client's id": Refusal({"clientOrderId": ""}, "validation_failed", "/clientOrderId"),
    "a long client's id": Refusal(
        {"clientOrderId": "x" * 65}, "validation_failed", "/clientOrderId"
    ),
    "a client's id with a space": Refusal(
        {"clientOrderId": "a b"}, "validation_failed", "/clientOrderId"
    ),
    "a client's id with a newline": Refusal(
        {"clientOrderId": "a\n"}, "validation_failed", "/clientOrderId"
    ),
    "a client's id with a NUL": Refusal(
        {"clientOrderId": "a\0"}, "validation_failed", "/clientOrderId"
    ),
    "a client's id with an umlaut": Refusal(
        {"clientOrderId": "ä"}, "validation_failed", "/clientOrderId"
    ),
    "a client's id as number": Refusal({"clientOrderId": 7}, "validation_failed", "/clientOrderId"),
    "a body over 64 KiB": Refusal(
        json.dumps(SELL_SOL).ljust(64 * KIB + 1).encode(), "body_too_large", status=413
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_bad_body_is_refused_and_leaves_nothing_behind(
    api: Server, counts: Counts, refusal: Refusal
) -> None:
    sent = refusal.sent
    body = sent if isinstance(sent, bytes) else json.dumps(SELL_SOL | sent).encode()

    answer = await api.client.post(EXECUTE, content=body, headers=JSON | {"Idempotency-Key": "k"})

    _is_problem(answer, refusal.code, refusal.status)
    pointers = [fault["pointer"] for fault in answer.json()["errors"]]
    assert pointers == ([] if refusal.pointer is None else [refusal.pointer])
    assert await counts() == NOTHING


async def test_every_fault_of_a_body_is_named_and_the_first_names_the_problem(api: Server) -> None:
    body = {"inputMint": "X", "outputMint": "Y", "amountIn": 0, "minOut": "-", "slippageBps": -1}

    answer = await api.client.post(EXECUTE, json=body)

    _is_problem(answer, "amount_out_of_range", 422)
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [
        ("/amountIn", "amount_out_of_range"),
        ("/minOut", "validation_failed"),
        ("/inputMint", "unknown_mint"),
        ("/outputMint", "unknown_mint"),
        ("/slippageBps", "slippage_out_of_range"),
    ]


async def test_an_integer_that_may_have_been_rounded_is_to_be_sent_as_a_string(
    api: Server,
) -> None:
    answer = await api.client.post(EXECUTE, json=SELL_SOL | {"amountIn": 2**53})

    assert answer.json() == {
        "type": "/docs#amount_precision",
        "title": "An amount above 9007199254740991 must be a string",
        "status": 422,
        "detail": "a JSON integer above 9007199254740991 may have been rounded on its way: "
        "send a string",
        "instance": EXECUTE,
        "code": "amount_precision",
        "retryable": False,
        "errors": [
            {
                "pointer": "/amountIn",
                "code": "amount_precision",
                "message": "a JSON integer above 9007199254740991 may have been rounded on its "
                "way: send a string",
            }
        ],
    }


async def test_the_last_of_two_same_names_counts_as_json_readers_have_it(
    api: Server, hand: Hand
) -> None:
    body = b'{"inputMint":"SOL","outputMint":"USDC","amountIn":1,"amountIn":2}'

    answer = await api.client.post(EXECUTE, content=body, headers=JSON)

    assert answer.status_code == 201
    assert (await hand.get(UUID(answer.json()["orderId"]))).amount_in == 2


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        b"",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"application/jsonp",
        b"application/\xff",
    ],
)
async def test_another_media_type_is_refused(
    api: Server, counts: Counts, media_type: bytes | None
) -> None:
    headers = {} if media_type is None else {b"Content-Type": media_type}

    answer = await api.client.post(EXECUTE, content=json.dumps(SELL_SOL), headers=headers)

    _is_problem(answer, "unsupported_media_type", 415)
    assert "application/json" in answer.json()["detail"]
    assert await counts() == NOTHING


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", EXECUTE, "POST"),
        ("PUT", EXECUTE, "POST"),
        ("POST", "/api/orders", "GET"),
        ("DELETE", "/api/orders/0", "GET"),
        ("POST", "/livez", "GET"),
    ],
)
async def test_another_method_is_refused_with_those_that_are_taken(
    api: Server, method: str, path: str, allow: str
) -> None:
    answer = await api.client.request(method, path)

    _is_problem(answer, "method_not_allowed", 405)
    assert answer.headers["allow"] == allow
    assert answer.json()["instance"] == path


@pytest.mark.parametrize("path", ["/", "/api", "/api/orders/execute/more", "/%00", "/%ff"])
async def test_nothing_is_at_another_path(api: Server, path: str) -> None:
    answer = await api.client.get(path)

    _is_problem(answer, "route_not_found", 404)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "invalid Connection header"),
        ({"Connection": "upgrade", "Upgrade": "websocket"}, "missing Sec-WebSocket-Key header"),
    ],
)
async def test_a_stream_that_is_asked_for_without_a_websocket_is_told_so(
    api: Server, headers: dict[str, str], why: str
) -> None:
    answer = await api.client.get("/api/orders/stream/x", headers=headers)

    _is_problem(answer, "bad_request", 400)
    assert why in answer.json()["detail"]


async def test_an_expectation_that_cannot_be_met_is_the_client_s_fault(api: Server) -> None:
    answer = await api.client.post(EXECUTE, json=SELL_SOL, headers={"Expect": "a miracle"})

    _is_problem(answer, "bad_request", 400)


_value: Any = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text()
    | some.sampled_from(["SOL", "USDC", SOL, USDC, "1", 1]),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)
_names = ["inputMint", "outputMint", "amountIn", "slippageBps", "minOut", "clientOrderId"]
_bodies = (
    _value.map(lambda value: json.dumps(value).encode())
    | some.dictionaries(some.sampled_from(_names), _value).map(
        lambda fields: json.dumps(SELL_SOL | fields).encode()
    )
    | some.binary(max_size=200)
)


@given(
    body=_bodies,
    key=some.none() | some.lists(some.integers(0x21, 0xFF), max_size=300).map(bytes),
)
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_body_and_no_key_is_answered_with_a_server_error(
    api: Server, body: bytes, key: bytes | None
) -> None:
    headers = {b"Content-Type": b"application/json"}
    if key is not None:
        headers[b"Idempotency-Key"] = key

    answer = await api.client.post(EXECUTE, content=body, headers=headers)

    assert answer.status_code in (201, 400, 422), answer.text


def _is_problem(answer: httpx.Response, code: str, status: int) -> None:
    """The answer is this problem, as RFC 9457 has it."""
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), told
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(told) == MEMBERS
    assert told["type"] == f"/docs#{code}"
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    assert told["retryable"] is False
    assert "retry-after" not in answer.headers
