"""Reading: one order, its history, and lists of orders."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from orders import wire
from orders.domain.order import Order
from tests.factories import SOL, USDC
from tests.integration.api.serving import Hand, Server, seqs, story

ORDERS = "/api/orders"
NO_ORDER = "019ab000-0000-7000-8000-000000000000"


async def _to_routing(hand: Hand, order_id: UUID) -> Order:
    return await hand.route(order_id)


async def _to_building(hand: Hand, order_id: UUID) -> Order:
    return await hand.build(await hand.route(order_id))


async def _to_submitted(hand: Hand, order_id: UUID) -> Order:
    return await hand.submit(await _to_building(hand, order_id))


async def _to_confirmed(hand: Hand, order_id: UUID) -> Order:
    return await hand.finish(order_id)


async def _to_failed(hand: Hand, order_id: UUID) -> Order:
    return await hand.fail(await hand.route(order_id))


async def test_an_order_that_was_received_is_told_as_it_stands(api: Server, hand: Hand) -> None:
    order_id = await api.place(slippageBps=7, minOut="9", clientOrderId="mine")

    answer = await api.client.get(f"{ORDERS}/{order_id}")

    order = await hand.get(order_id)
    assert order.created_at is not None
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "orderId": str(order_id),
        "status": "received",
        "seq": 1,
        "attempt": 1,
        "inputMint": SOL,
        "outputMint": USDC,
        "amountIn": "1000000000",
        "slippageBps": 7,
        "minOut": "9",
        "clientOrderId": "mine",
        "createdAt": wire.instant(order.created_at),
        "updatedAt": wire.instant(order.created_at),
    }


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (_to_routing, {"status": "routing", "seq": 2}),
        (_to_building, {"status": "building", "seq": 3, "minOut": "995000"}),
        (_to_submitted, {"status": "submitted", "seq": 4, "minOut": "995000"}),
        (_to_confirmed, {"status": "confirmed", "seq": 5, "minOut": "995000"}),
        (_to_failed, {"status": "failed", "seq": 3, "minOut": None}),
    ],
)
async def test_an_order_is_read_in_every_status(
    api: Server,
    hand: Hand,
    step: Callable[[Hand, UUID], Awaitable[Order]],
    told: dict[str, Any],
) -> None:
    order_id = await api.place()
    await step(hand, order_id)

    answer = await api.client.get(f"{ORDERS}/{order_id}")

    assert answer.status_code == 200
    assert answer.json().items() >= told.items()


async def test_a_confirmed_order_is_read_with_its_result(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    order = await hand.finish(order_id)

    answer = await api.client.get(f"{ORDERS}/{order_id}")

    assert order.transaction is not None
    assert answer.json()["result"] == {
        "dex": "alpha",
        "txHash": order.transaction.tx_hash,
        "expectedOut": "1000000",
        "minOut": "995000",
        "actualOut": "999900",
    }
    assert "error" not in answer.json()


async def test_a_failed_order_is_read_with_its_error(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    await _to_failed(hand, order_id)

    answer = await api.client.get(f"{ORDERS}/{order_id}")

    assert answer.json()["error"] == {"code": "no_route", "detail": "no venue trades this"}
    assert "result" not in answer.json()


async def test_an_id_may_be_written_in_capitals(api: Server) -> None:
    order_id = await api.place()

    answer = await api.client.get(f"{ORDERS}/{str(order_id).upper()}")

    assert answer.json()["orderId"] == str(order_id)  # RFC 9562, 4: either case on input


@pytest.mark.parametrize("path", [f"{ORDERS}/{NO_ORDER}", f"{ORDERS}/{NO_ORDER}/events"])
async def test_an_unknown_order_is_not_found(api: Server, path: str) -> None:
    answer = await api.client.get(path)

    _is_problem(answer, 404, "order_not_found")
    assert answer.json()["detail"] == f"no order has the id {NO_ORDER}"
    assert answer.json()["instance"] == path


@pytest.mark.parametrize("part", ["", "/events"])
@pytest.mark.parametrize(
    "order_id",
    [
        "1",
        "null",
        NO_ORDER[:-1],
        f"{NO_ORDER}0",
        NO_ORDER.replace("-", ""),
        f"%7B{NO_ORDER}%7D",
        f"urn:uuid:{NO_ORDER}",
        NO_ORDER.replace("a", "g"),
        "%00",
        "%ff",
        "%ED%A0%80",
        "x" * 2_000,
    ],
)
async def test_an_id_that_is_no_uuid_with_hyphens_is_malformed(
    api: Server, order_id: str, part: str
) -> None:
    answer = await api.client.get(f"{ORDERS}/{order_id}{part}")

    _is_problem(answer, 400, "malformed_id")
    assert "is not a UUID with hyphens" in answer.json()["detail"]


async def test_the_history_is_what_the_stream_told(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    await hand.finish(order_id)

    answer = await api.client.get(f"{ORDERS}/{order_id}/events")

    async with api.stream(order_id) as socket:
        steps, _ = await story(socket)
    assert answer.status_code == 200
    assert answer.json() == {"orderId": str(order_id), "events": steps}
    assert seqs(steps) == [1, 2, 3, 4, 5]


async def test_no_orders_are_an_empty_page(api: Server) -> None:
    answer = await api.client.get(ORDERS)

    assert answer.status_code == 200
    assert answer.json() == {"orders": [], "nextCursor": None}


async def test_orders_are_listed_newest_first_as_each_stands(api: Server, hand: Hand) -> None:
    first, second = await api.place(), await api.place()
    await hand.finish(first)

    answer = await api.client.get(ORDERS)

    each = [(await api.client.get(f"{ORDERS}/{order_id}")).json() for order_id in (second, first)]
    assert answer.json() == {"orders": each, "nextCursor": None}


async def test_cursors_walk_every_order_once_while_new_ones_arrive(api: Server) -> None:
    placed = [await api.place() for _ in range(7)]
    walked: list[str] = []
    cursor: str | None = None

    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.client.get(ORDERS, params=query)).json()
        walked += [order["orderId"] for order in page["orders"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
        await api.place()

    assert walked == [str(order_id) for order_id in reversed(placed)]


async def test_a_full_last_page_has_no_next(api: Server) -> None:
    for _ in range(2):
        await api.place()

    answer = await api.client.get(ORDERS, params={"limit": 2})

    assert len(answer.json()["orders"]) == 2
    assert answer.json()["nextCursor"] is None


async def test_a_page_is_of_50_unless_told(api: Server) -> None:
    for _ in range(51):
        await api.place()

    by_default = (await api.client.get(ORDERS)).json()
    at_most = (await api.client.get(ORDERS, params={"limit": 500})).json()

    assert len(by_default["orders"]) == 50
    assert by_default["nextCursor"] is not None
    assert len(at_most["orders"]) == 51


async def test_orders_are_found_by_status(api: Server, hand: Hand) -> None:
    steps = {
        "received": None,
        "routing": _to_routing,
        "building": _to_building,
        "submitted": _to_submitted,
        "confirmed": _to_confirmed,
        "failed": _to_failed,
    }
    placed = {}
    for status, step in steps.items():
        placed[status] = await api.place()
        if step:
            await step(hand, placed[status])

    found = {status: await _found(api, status=status) for status in steps}

    assert found == {status: [order_id] for status, order_id in placed.items()}


@pytest.mark.parametrize(
    "pair", ["SOL/USDC", "SOL-USDC", f"{SOL}/{USDC}", f"SOL-{USDC}", f"{SOL}/USDC"]
)
async def test_orders_are_found_by_the_way_they_trade(api: Server, pair: str) -> None:
    forth = await api.place()
    await api.place(inputMint="USDC", outputMint="SOL")
    await api.place(outputMint="JUP")

    assert await _found(api, pair=pair) == [forth]


async def test_an_order_is_found_by_its_client_s_name(api: Server) -> None:
    await api.place(clientOrderId="other")
    mine = await api.place(clientOrderId="mine")

    assert await _found(api, clientOrderId="mine") == [mine]
    assert await _found(api, clientOrderId="min") == []
    assert await _found(api, clientOrderId="x" * 5_000) == []


async def test_orders_are_found_by_time_from_included_and_to_not(api: Server, hand: Hand) -> None:
    first, second, third = [await api.place() for _ in range(3)]
    at = (await hand.get(second)).created_at
    assert at is not None
    later = (await hand.get(third)).created_at
    assert later is not None
    text = at.isoformat()

    assert await _found(api, **{"from": text}) == [third, second]
    assert await _found(api, to=text) == [first]
    assert await _found(api, **{"from": text, "to": later.isoformat()}) == [second]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"from": "1970-01-01T00:00:00Z"}, 1),
        ({"from": "1969-12-31T23:59:59Z"}, 1),
        ({"from": "0001-01-01T00:00:00+14:00"}, 1),
        ({"to": "9999-12-31T23:59:59.999Z"}, 1),
        ({"to": "9999-12-31T23:59:59-14:00"}, 1),
        ({"to": "1970-01-01T00:00:00Z"}, 0),
        ({"to": "0001-01-01T00:00:00Z"}, 0),
        ({"from": "9999-12-31T23:59:59Z"}, 0),
        ({"from": "2000-01-01T00:00:00.123456+05:30", "to": "3000-01-01T00:00:00Z"}, 1),
    ],
)
async def test_no_instant_is_too_early_or_too_late(
    api: Server, query: dict[str, str], count: int
) -> None:
    await api.place()

    assert len(await _found(api, **query)) == count


async def test_filters_narrow_each_other(api: Server, hand: Hand) -> None:
    wanted = await api.place(clientOrderId="a")
    await api.place(clientOrderId="b", outputMint="JUP")
    await hand.route(wanted)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    query = {"status": "routing", "pair": "SOL/USDC", "from": yesterday}

    assert await _found(api, **query) == [wanted]
    assert await _found(api, **query, clientOrderId="a") == [wanted]
    assert await _found(api, **query, clientOrderId="b") == []


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("status", "done", "choose from received, routing, building, submitted, confirmed"),
        ("status", "Received", "choose from"),
        ("pair", "SOL", "send two tokens, like SOL/USDC"),
        ("pair", "SOL/", "choose from SOL, USDC"),
        ("pair", "SOL/NOPE", "choose from SOL, USDC"),
        ("pair", "\0/\0", "choose from SOL, USDC"),
        ("clientOrderId", "\0", "NUL"),
        ("from", "yesterday", "send RFC 3339"),
        ("from", "2026-11-22T12:00:00", "with an offset"),
        ("to", "1795348800", "send RFC 3339"),
        ("to", "2026-11-22T12:00:00 01:00", "+ is %2B"),
        ("cursor", "x", "as it was given"),
        ("cursor", "🦀", "as it was given"),
        ("cursor", "AAAA", "as it was given"),
        ("limit", "0", "send 1 to 500"),
        ("limit", "501", "send 1 to 500"),
        ("limit", "-1", "send 1 to 500"),
        ("limit", "1.0", "send 1 to 500"),
        ("limit", " 1", "send 1 to 500"),
        ("limit", "1_0", "send 1 to 500"),
        ("limit", "٣", "send 1 to 500"),
        ("limit", "9" * 5_000, "send 1 to 500"),
        ("offset", "1", "choose from clientOrderId, cursor, from, limit, pair, status, to"),
    ],
)
async def test_a_bad_parameter_is_refused_with_what_to_send(
    api: Server, name: str, value: str, hint: str
) -> None:
    answer = await api.client.get(ORDERS, params={name: value})

    code = "unknown_mint" if "choose from SOL" in hint else "validation_failed"
    _is_problem(answer, 422, code)
    assert hint in answer.json()["detail"]
    assert [fault["pointer"] for fault in answer.json()["errors"]] in ([name], [name] * 2, [])


async def _found(api: Server, **query: str) -> list[UUID]:
    answer = await api.client.get(ORDERS, params=query)
    assert answer.status_code == 200, answer.text
    return [UUID(order["orderId"]) for order in answer.json()["orders"]]


def _is_problem(answer: httpx.Response, status: int, code: str) -> None:
    told = msgspec.json.decode(answer.content)
    assert (answer.status_code, told["code"]) == (status, code), told
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == status
