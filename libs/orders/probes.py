"""The probes that every process answers: `/livez` is progress, `/readyz` is dependencies."""

from collections.abc import Awaitable, Callable

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json, raw


def probes(
    *, stuck: Callable[[], list[str]], missing: Callable[[], Awaitable[list[str]]]
) -> Blueprint:
    """Routes that answer 503 with the names of what is stuck, or of what cannot be reached."""
    routes = Blueprint("probes")

    @routes.get("/livez")
    async def livez(_: Request) -> HTTPResponse:
        return _answer("stuck", stuck())

    @routes.get("/readyz")
    async def readyz(_: Request) -> HTTPResponse:
        return _answer("missing", await missing())

    @routes.get("/metrics")
    async def metrics(request: Request) -> HTTPResponse:
        """In OpenMetrics, which carries exemplars, to whoever accepts that."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return raw(encode(REGISTRY), content_type=content_type)

    return routes


def _answer(kind: str, names: list[str]) -> HTTPResponse:
    return json({"ok": not names, kind: names}, status=503 if names else 200)
