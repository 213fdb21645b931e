"""The API's description: OpenAPI at `/openapi.json`, and a page of it at `/docs`."""

from html import escape
from typing import Any

import msgspec
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import html, raw

from orders.domain.errors import FailureCode
from orders.domain.lifecycle import Status
from services.api.errors import KINDS
from services.api.schemas import MAX_KEY, MAX_PAGE, PlaceOrder


def docs() -> Blueprint:
    """The routes of the description."""
    routes = Blueprint("docs")
    described = openapi()
    body, page = msgspec.json.encode(described), _page(described)

    @routes.get("/openapi.json")
    async def openapi_json(_: Request) -> HTTPResponse:
        return raw(body, content_type="application/json")

    @routes.get("/docs")
    async def docs_page(_: Request) -> HTTPResponse:
        return html(page)

    return routes


def openapi() -> dict[str, Any]:
    """The API as OpenAPI 3.1."""
    (body,), schemas = msgspec.json.schema_components(
        [PlaceOrder], ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Order Engine",
            "version": "1",
            "description": "Swap orders, routed to the best venue and executed at most once.",
        },
        "paths": _paths(body),
        "components": {"schemas": schemas | _SCHEMAS},
    }


_AMOUNT = {"type": "string", "pattern": "^[0-9]+$", "description": "Smallest units"}
_RESULT = {
    "type": "object",
    "required": ["dex", "txHash", "expectedOut", "minOut", "actualOut"],
    "properties": {
        "dex": {"type": "string"},
        "txHash": {"type": "string"},
        "expectedOut": _AMOUNT,
        "minOut": _AMOUNT,
        "actualOut": _AMOUNT,
    },
}
_ERROR = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "enum": list(FailureCode)},
        "detail": {"type": "string"},
    },
}
_STATUS = {"type": "string", "enum": list(Status)}
_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_SCHEMAS: dict[str, Any] = {
    "Placed": {"type": "object", "required": ["orderId"], "properties": {"orderId": _ID}},
    "Step": {
        "type": "object",
        "required": ["orderId", "status", "seq", "attempt", "at"],
        "properties": {
            "orderId": _ID,
            "status": _STATUS,
            "seq": {"type": "integer", "minimum": 1},
            "attempt": {"type": "integer", "minimum": 1},
            "at": _TIME,
            "route": {"type": "object", "description": "When building: the venue, and every quote"},
            "transaction": {"type": "object", "description": "When submitted: what was signed"},
            "retry": {"type": "object", "description": "Why a step is tried again, and when"},
            "result": _RESULT,
            "error": _ERROR,
            "final": {"const": True},
        },
    },
    "Order": {
        "type": "object",
        "required": ["orderId", "status", "seq", "attempt", "inputMint", "outputMint", "amountIn"],
        "properties": {
            "orderId": _ID,
            "status": _STATUS,
            "seq": {"type": "integer"},
            "attempt": {"type": "integer"},
            "inputMint": {"type": "string"},
            "outputMint": {"type": "string"},
            "amountIn": _AMOUNT,
            "slippageBps": {"type": "integer"},
            "minOut": {"type": ["string", "null"]},
            "clientOrderId": {"type": ["string", "null"]},
            "createdAt": _TIME,
            "updatedAt": _TIME,
            "result": _RESULT,
            "error": _ERROR,
        },
    },
    "History": {
        "type": "object",
        "required": ["orderId", "events"],
        "properties": {
            "orderId": _ID,
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}},
        },
    },
    "Page": {
        "type": "object",
        "required": ["orders", "nextCursor"],
        "properties": {
            "orders": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
            "nextCursor": {"type": ["string", "null"]},
        },
    },
    "Problem": {
        "type": "object",
        "required": [
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "code",
            "retryable",
            "errors",
        ],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "code": {"type": "string", "enum": list(KINDS)},
            "retryable": {"type": "boolean"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "message"],
                    "properties": {
                        "pointer": {"type": "string"},
                        "code": {"type": "string", "enum": list(KINDS)},
                        "message": {"type": "string"},
                    },
                },
            },
        },
    },
}


def _paths(body: dict[str, Any]) -> dict[str, Any]:
    order_id = {"name": "orderId", "in": "path", "required": True, "schema": _ID}
    execute = _operation("Place a market order", "Placed", status="201", failures=(400, 413, 415))
    execute["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    execute["parameters"] = [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
        }
    ]
    execute["responses"]["201"]["headers"] = {
        "Idempotency-Replayed": {
            "description": "`true` when an earlier order is answered",
            "schema": {"type": "string"},
        }
    }
    read = _operation("An order as it stands", "Order", failures=(400, 404))
    history = _operation("An order's whole history", "History", failures=(400, 404))
    find = _operation("Orders, newest first", "Page", failures=())
    find["parameters"] = [_query(name, schema) for name, schema in _FILTERS.items()]
    stream = _operation(
        "An order's steps over WebSocket: from seq 1 or `fromSeq`, then live, then closed. Closes "
        "with 1000 after the final step, 4400 and 4404 for a bad or unknown id, 4408 when too "
        "slow, 1012 when restarting, 1011 after a bug",
        "Step",
        status="101",
        failures=(),
    )
    stream["parameters"] = [order_id, _query("fromSeq", {"type": "integer", "minimum": 1})]
    read["parameters"] = history["parameters"] = [order_id]
    return {
        "/api/orders/execute": {"post": execute},
        "/api/orders/stream/{orderId}": {"get": stream},
        "/api/orders/{orderId}": {"get": read},
        "/api/orders/{orderId}/events": {"get": history},
        "/api/orders": {"get": find},
        "/livez": {"get": _probe("Whether this process makes progress")},
        "/readyz": {"get": _probe("Whether this process can take requests")},
        "/metrics": {"get": _page_of("Prometheus metrics", "text/plain")},
        "/openapi.json": {"get": _page_of("This description", "application/json")},
        "/docs": {"get": _page_of("This description, to be read", "text/html")},
    }


_FILTERS: dict[str, dict[str, Any]] = {
    "status": _STATUS,
    "pair": {"type": "string", "description": "Two tokens, like SOL/USDC"},
    "clientOrderId": {"type": "string"},
    "from": _TIME | {"description": "Received at or after"},
    "to": _TIME | {"description": "Received before"},
    "cursor": {"type": "string", "description": "`nextCursor` of the page before"},
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50},
}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _operation(
    summary: str, answer: str, *, status: str = "200", failures: tuple[int, ...]
) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    responses: dict[str, Any] = {status: {"description": answer, "content": content}}
    for failure in (*failures, 422, 503):
        codes = ", ".join(f"`{code}`" for code, kind in KINDS.items() if kind.status == failure)
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
        responses[str(failure)] = {
            "description": codes,
            "content": {"application/problem+json": problem},
        }
    return {"summary": summary, "responses": responses}


def _probe(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": "Yes"}, "503": {"description": "No"}},
    }


def _page_of(summary: str, media_type: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {media_type: {}}}},
    }


def _page(described: dict[str, Any]) -> str:
    """The description as one page that needs nothing from elsewhere."""
    operations = "".join(
        f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(told['summary'])}.</p>"
        f"{_parameters(told)}"
        for path, methods in described["paths"].items()
        for method, told in methods.items()
    )
    codes = "".join(
        f"<tr id='{code}'><td><code>{code}</code></td><td>{kind.status}</td>"
        f"<td>{escape(kind.title)}</td><td>{'yes' if kind.retryable else 'no'}</td></tr>"
        for code, kind in KINDS.items()
    )
    body = escape(
        msgspec.json.format(
            msgspec.json.encode(described["components"]["schemas"]["PlaceOrder"]), indent=2
        ).decode()
    )
    failures = ", ".join(f"<code>{code}</code>" for code in FailureCode)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Order Engine API</title>
<style>body{{font:16px/1.5 system-ui;max-width:56rem;margin:2rem auto;padding:0 1rem}}
td,th{{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}}
pre{{background:#f4f4f4;padding:1rem;overflow:auto}}</style>
<h1>Order Engine API</h1>
<p>Amounts are integers in the token's smallest unit, and go out as strings. Times are RFC 3339 in
UTC. The machine-readable description is <a href="/openapi.json">/openapi.json</a>.</p>
<h2>Paths</h2>{operations}
<h2>The body of an order</h2><pre>{body}</pre>
<h2>Problems</h2><table><tr><th>code<th>status<th>meaning<th>retry</tr>{codes}</table>
<h2>Codes of a failed order</h2><p>{failures}</p></html>"""


def _parameters(told: dict[str, Any]) -> str:
    names = [f"<code>{each['name']}</code> ({each['in']})" for each in told.get("parameters", [])]
    return f"<p>Parameters: {', '.join(names)}</p>" if names else ""
