"""Asking again: one key is one order, however often, wherever and however it is spelled."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.factories import SOL, USDC
from tests.integration.api.conftest import Counts
from tests.integration.api.serving import SELL_SOL, Server, serving

EXECUTE = "/api/orders/execute"
KEYED = {"orders": 1, "order_events": 1, "idempotency_keys": 1}


async def _place(api: Server, key: str | bytes | None = None, **fields: Any) -> httpx.Response:
    headers: Any = {} if key is None else {"Idempotency-Key": key}
    return await api.client.post(EXECUTE, json=SELL_SOL | fields, headers=headers)


def _is_replay(answer: httpx.Response, of: httpx.Response) -> None:
    assert (answer.status_code, answer.json()) == (201, of.json())
    assert answer.headers["idempotency-replayed"] == "true"


def _is_reuse(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["retryable"] is False


@pytest.mark.parametrize(
    ("key", "fields"), [("k", {}), (None, {"clientOrderId": "k"}), ("k", {"clientOrderId": "k"})]
)
async def test_the_same_request_again_is_answered_with_the_same_order(
    api: Server, counts: Counts, key: str | None, fields: dict[str, Any]
) -> None:
    first = await _place(api, key, **fields)

    again = await _place(api, key, **fields)

    assert "idempotency-replayed" not in first.headers
    _is_replay(again, first)
    assert (await counts())["orders"] == 1


async def test_without_a_key_every_request_is_an_order(api: Server, counts: Counts) -> None:
    first, second = await _place(api), await _place(api)

    assert first.json() != second.json()
    assert await counts() == {"orders": 2, "order_events": 2, "idempotency_keys": 0}


@pytest.mark.parametrize(
    "spelling",
    [
        {"amountIn": "1000000000"},
        {"amountIn": "01000000000"},
        {"inputMint": SOL},
        {"outputMint": USDC},
        {"slippageBps": 50},
        {"minOut": None},
        {"clientOrderId": None},
    ],
)
async def test_the_same_request_in_other_words_is_the_same(
    api: Server, counts: Counts, spelling: dict[str, Any]
) -> None:
    first = await _place(api, "k")

    again = await _place(api, "k", **spelling)

    _is_replay(again, first)
    assert await counts() == KEYED


async def test_white_space_around_a_header_is_not_part_of_the_key(
    api: Server, counts: Counts
) -> None:
    first = await _place(api, "k")
    request = api.client.build_request("POST", EXECUTE, json=SELL_SOL)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)

    writer.write(
        b"POST /api/orders/execute HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nIdempotency-Key: \t k \t\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(request.content), request.content)
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert first.content in answer
    assert await counts() == KEYED


@pytest.mark.parametrize(
    "other",
    [
        {"amountIn": 2},
        {"inputMint": "USDT"},
        {"outputMint": "JUP"},
        {"slippageBps": 51},
        {"minOut": 1},
        {"clientOrderId": "other"},
    ],
)
async def test_a_key_for_another_request_is_refused(
    api: Server, counts: Counts, other: dict[str, Any]
) -> None:
    await _place(api, "k")

    answer = await _place(api, "k", **other)

    _is_reuse(answer)
    assert await counts() == KEYED


async def test_a_client_order_id_for_another_request_is_refused(
    api: Server, counts: Counts
) -> None:
    await _place(api, clientOrderId="mine")

    answer = await _place(api, clientOrderId="mine", amountIn=2)

    _is_reuse(answer)
    assert await counts() == KEYED


async def test_the_two_kinds_of_key_are_apart(api: Server, counts: Counts) -> None:
    by_header = await _place(api, "same")

    by_name = await _place(api, clientOrderId="same")

    assert by_name.status_code == 201
    assert "idempotency-replayed" not in by_name.headers
    assert by_name.json() != by_header.json()
    assert await counts() == {"orders": 2, "order_events": 2, "idempotency_keys": 2}


async def test_two_keys_that_name_two_orders_are_refused(api: Server, counts: Counts) -> None:
    await _place(api, "one", clientOrderId="one")
    await _place(api, "two", clientOrderId="two")

    answer = await _place(api, "one", clientOrderId="two")

    _is_reuse(answer)
    assert await counts() == {"orders": 2, "order_events": 2, "idempotency_keys": 4}


async def test_a_second_key_for_a_named_order_is_bound_to_it(api: Server, counts: Counts) -> None:
    first = await _place(api, clientOrderId="mine")

    with_header = await _place(api, "k", clientOrderId="mine")
    again = await _place(api, "k", clientOrderId="mine")

    _is_replay(with_header, first)
    _is_replay(again, first)
    assert await counts() == {"orders": 1, "order_events": 1, "idempotency_keys": 2}


@pytest.mark.parametrize("key", ["x", "x" * 255, "a key: with, punctuation!", "schlüssel", "鍵"])
async def test_a_key_is_up_to_255_printable_characters(
    api: Server, counts: Counts, key: str
) -> None:
    first = await _place(api, key.encode())

    again = await _place(api, key.encode())

    _is_replay(again, first)
    assert await counts() == KEYED


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\tb", b"\xff", b"a\x7fb", "a\u2028b".encode()])
async def test_a_key_that_is_too_long_empty_or_unprintable_is_refused(
    api: Server, counts: Counts, key: bytes
) -> None:
    answer = await _place(api, key)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"] == [
        {
            "pointer": "Idempotency-Key",
            "code": "validation_failed",
            "message": "send 1 to 255 printable characters",
        }
    ]
    assert await counts() == {"orders": 0, "order_events": 0, "idempotency_keys": 0}


async def test_a_refused_request_leaves_its_key_free(api: Server) -> None:
    refused = await _place(api, "k", clientOrderId="mine", amountIn=0)

    mended = await _place(api, "k", clientOrderId="mine")

    assert refused.status_code == 422
    assert mended.status_code == 201
    assert "idempotency-replayed" not in mended.headers


async def test_a_hundred_at_once_with_one_key_make_one_order(api: Server, counts: Counts) -> None:
    answers = await asyncio.gather(*(_place(api, "k") for _ in range(100)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["orderId"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await counts() == KEYED


async def test_a_hundred_different_at_once_with_one_key_make_one_order(
    api: Server, counts: Counts
) -> None:
    answers = await asyncio.gather(*(_place(api, "k", amountIn=amount) for amount in range(1, 101)))

    assert sorted(answer.status_code for answer in answers) == [201] + 99 * [422]
    assert await counts() == KEYED


async def test_a_stampede_on_two_servers_makes_one_order_of_each_key(
    api: Server, environment: dict[str, str], counts: Counts
) -> None:
    async with serving(environment) as other:
        answers = await asyncio.gather(
            *(
                _place(server, f"k{n % 10}", clientOrderId=f"c{n % 10}")
                for n in range(100)
                for server in (api, other)
            )
        )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["orderId"] for answer in answers}) == 10
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 10
    assert await counts() == {"orders": 10, "order_events": 10, "idempotency_keys": 20}
