"""Orders over HTTP: place one, read one, read its history, list them."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sanic import Blueprint, HTTPResponse, Request

from orders import wire
from orders.domain.tokens import Tokens
from orders.placement import Placement
from orders.ports import Store
from services.api import schemas
from services.api.admission import Admission
from services.api.errors import Code, Problem

T = TypeVar("T")


def orders(
    *, placement: Placement, store: Store, tokens: Tokens, admission: Admission
) -> Blueprint:
    """The routes under `/api/orders`."""
    routes = Blueprint("orders", url_prefix="/api/orders")
    accepting: set[asyncio.Task[Any]] = set()

    @routes.post("/execute")
    async def execute(request: Request) -> HTTPResponse:
        _check_media_type(request)
        wanted = schemas.request(request.body, tokens)
        key = schemas.idempotency_key(request.headers.get("idempotency-key"))
        admission.check(len(accepting))
        added = await _owned(accepting, placement.place(wanted, key))
        request.ctx.order_id, request.ctx.is_replay = added.order.id, added.replayed
        headers = {"Idempotency-Replayed": "true"} if added.replayed else {}
        return _json({"orderId": added.order.id}, 201, headers)

    @routes.get("/<order_id:str>")
    async def read(_: Request, order_id: str) -> HTTPResponse:
        order = await store.get(schemas.order_id(order_id))
        if order is None:
            raise _unknown(order_id)
        return _json(wire.summary(order))

    @routes.get("/<order_id:str>/events")
    async def history(_: Request, order_id: str) -> HTTPResponse:
        steps = await store.history(schemas.order_id(order_id))
        if not steps:
            raise _unknown(order_id)
        frames = [msgspec.Raw(wire.replayed(step).body) for step in steps]
        return _json({"orderId": steps[0].order_id, "events": frames})

    @routes.get("/")
    async def find(request: Request) -> HTTPResponse:
        asked = {name: values[-1] for name, values in request.args.items()}
        wanted, limit = schemas.page(asked, tokens)
        found = await store.find(wanted, limit + 1)
        more = len(found) > limit
        return _json(
            {
                "orders": [wire.summary(order) for order in found[:limit]],
                "nextCursor": schemas.cursor(found[limit - 1].id) if more else None,
            }
        )

    return routes


class Json(HTTPResponse):
    """A response whose headers are all our own: none is looked through for line breaks."""

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        self.headers.setdefault("content-type", self.content_type)
        return ((name.encode(), str(value).encode()) for name, value in self.headers.items())


async def _owned(tasks: set[asyncio.Task[Any]], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which goes on even if the client hangs up: Sanic cancels a
    handler then, and a half-done accept must finish."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return await asyncio.shield(task)


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        detail = f"send Content-Type: application/json, not {media_type or 'nothing'}"
        raise Problem(Code.UNSUPPORTED_MEDIA_TYPE, detail)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    return Json(wire.encode(body), status, headers, content_type="application/json")


def _unknown(order_id: str | UUID) -> Problem:
    return Problem(Code.ORDER_NOT_FOUND, f"no order has the id {order_id}")
