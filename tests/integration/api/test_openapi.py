"""The API's description of itself."""

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from orders.domain.errors import FailureCode
from services.api.docs import openapi
from services.api.errors import KINDS, Code
from tests.integration.api.serving import SELL_SOL, Hand, Server, story

PATHS = {
    "/api/orders/execute",
    "/api/orders/stream/{orderId}",
    "/api/orders/{orderId}",
    "/api/orders/{orderId}/events",
    "/api/orders",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
}


async def test_it_is_valid_openapi_3_1(api: Server) -> None:
    answer = await api.client.get("/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    described = answer.json()
    assert described == openapi()
    assert described["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(described).validate()


async def test_every_route_of_the_app_is_described_and_no_other(api: Server) -> None:
    routes = {
        (_path(route.path), method.lower())
        for route in api.app.router.routes
        for method in route.methods
    }

    described = (await api.client.get("/openapi.json")).json()["paths"]

    assert {(path, method) for path, told in described.items() for method in told} == routes
    assert set(described) == PATHS


async def test_every_reference_leads_somewhere(api: Server) -> None:
    text = (await api.client.get("/openapi.json")).text
    schemas = openapi()["components"]["schemas"]

    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in schemas


async def test_what_is_answered_is_what_is_described(api: Server, hand: Hand) -> None:
    order_id = await api.place(clientOrderId="mine")
    await hand.finish(order_id)
    async with api.stream(order_id) as stream:
        steps, _ = await story(stream)
    failed = await api.place()
    await hand.fail(await hand.route(failed))
    refused = await api.client.post("/api/orders/execute", json=SELL_SOL | {"amountIn": 0})

    for name, answered in [
        ("Placed", {"orderId": str(order_id)}),
        *(("Step", step) for step in steps),
        ("Order", (await api.client.get(f"/api/orders/{order_id}")).json()),
        ("Order", (await api.client.get(f"/api/orders/{failed}")).json()),
        ("History", (await api.client.get(f"/api/orders/{order_id}/events")).json()),
        ("Page", (await api.client.get("/api/orders")).json()),
        ("Problem", refused.json()),
    ]:
        _check(name, answered)


@pytest.mark.parametrize("code", [*Code, *FailureCode])
async def test_the_page_tells_every_code(api: Server, code: str) -> None:
    answer = await api.client.get("/docs")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<code>{code}</code>" in answer.text


async def test_a_problem_s_type_leads_to_its_row_of_the_page(api: Server) -> None:
    page = (await api.client.get("/docs")).text

    for code, kind in KINDS.items():
        assert f"<tr id='{code}'><td><code>{code}</code></td><td>{kind.status}</td>" in page


async def test_the_page_names_every_path(api: Server) -> None:
    page = (await api.client.get("/docs")).text

    for path in PATHS:
        assert f" {path}</code>" in page


def _path(route: str) -> str:
    """A route of Sanic's as OpenAPI writes it."""
    return "/" + re.sub(r"<order_id(:\w+)?>", "{orderId}", route).rstrip("/")


def _check(name: str, answered: dict[str, Any]) -> None:
    """What was answered fits its schema, and no member of it is left out of the schema."""
    described = openapi()
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    OAS31Validator(schema).validate(answered)
    known = described["components"]["schemas"][name]["properties"]
    assert set(answered) <= set(known), (name, set(answered) - set(known))
