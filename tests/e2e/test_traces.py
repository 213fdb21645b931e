"""Traces as real processes send them, to a collector that keeps what it is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.cli.ports import free_port
from tests.e2e.engine import HOST, Engine
from tests.eventually import eventually

PATIENCE = timedelta(seconds=30)


class Told(NamedTuple):
    """A span, as it was sent."""

    service: str
    name: str
    trace_id: bytes


class Collector:
    """Listens for OTLP over HTTP."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"
        self.spans: list[Told] = []

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (
                each.value.string_value
                for each in told.resource.attributes
                if each.key == "service.name"
            )
            for scope in told.scope_spans:
                self.spans += [Told(service, span.name, span.trace_id) for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                collector.take(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        collector = Collector(server.server_port)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


async def test_api_and_worker_send_one_trace_an_order_to_a_collector(engine: Engine) -> None:
    with collecting() as collector:
        await engine.whole(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100")
        order_id = await engine.place()

        def services() -> set[str]:
            return {each.service for each in collector.spans if each.trace_id == order_id.bytes}

        def names() -> set[str]:
            return {each.name for each in collector.spans if each.trace_id == order_id.bytes}

        await eventually(
            lambda: {"POST /api/orders/execute", "save confirmed"} <= names(), PATIENCE
        )
        assert services() == {"order-engine-api", "order-engine-worker"}


async def test_a_collector_that_is_away_costs_no_order_and_no_stop(engine: Engine) -> None:
    away = f"http://{HOST}:{free_port()}"
    api, worker = await engine.whole(OTEL_EXPORTER_OTLP_ENDPOINT=away)

    order_id = await engine.place()

    await eventually(lambda: _is_confirmed(engine, order_id), PATIENCE)
    for service in (api, worker):
        service.child.ask_to_stop()
    await eventually(lambda: (api.exit_code(), worker.exit_code()) == (0, 0), PATIENCE)


async def _is_confirmed(engine: Engine, order_id: UUID) -> bool:
    return bool((await engine.get(f"/api/orders/{order_id}"))["status"] == "confirmed")
