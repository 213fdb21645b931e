"""One trace for each order, whichever processes and however many lost hints it went through."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event
from time import monotonic
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from redis.asyncio import Redis

from orders.domain.ids import uuid7
from orders.ports import Hint, Horizon
from orders.sampling import EXPORT_SECONDS, ByOrder, provided
from orders.settings import Settings
from orders.spans import MOST_HINTS, Spans
from services.api import app as api
from services.cli.ports import free_port
from services.worker import app as worker
from services.worker.receiver import LeanReceiver
from tests.eventually import eventually
from tests.integration.api.serving import Server, serving, story

PATIENCE = timedelta(seconds=20)
CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
"""A client's own trace, as in W3C Trace Context, section 3.2."""


class Tracing:
    """What API and worker told of orders."""

    def __init__(self) -> None:
        self.memory = InMemorySpanExporter()

    def spans(self, service: str, share: float = 1) -> Spans:
        return Spans(provided(service, share, SimpleSpanProcessor(self.memory)))

    def of(self, order_id: UUID) -> list[ReadableSpan]:
        """All spans of an order's trace that have ended."""
        return [
            span
            for span in self.memory.get_finished_spans()
            if span.context and span.context.trace_id == order_id.int
        ]

    def attributes(self, order_id: UUID, name: str) -> dict[str, object]:
        """Of the one span of this name."""
        (span,) = (span for span in self.of(order_id) if span.name == name)
        return dict(span.attributes or {})

    def tree(self, order_id: UUID) -> dict[str, str | None]:
        """The name of each span's parent, by the name of the span. Names must be unique."""
        spans = self.of(order_id)
        names = {span.context.span_id: span.name for span in spans if span.context}
        twice = [name for name, count in Counter(names.values()).items() if count > 1]
        assert not twice, twice
        return {
            span.name: names.get(span.parent.span_id, "missing") if span.parent else None
            for span in spans
        }


@pytest.fixture
def tracing() -> Tracing:
    return Tracing()


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LOG_LEVEL": "ERROR",
        "WORKER_PROBE_HOST": "127.0.0.1",
        "WORKER_PROBE_PORT": str(free_port()),
        "PAPER_QUOTE_LATENCY_MS": "0",
        "PAPER_EXECUTION_LATENCY_MS": "0",
        "SWEEP_SECONDS": "0.1",
    }


@asynccontextmanager
async def an_api(
    environment: dict[str, str], tracing: Tracing, share: float = 1
) -> AsyncIterator[Server]:
    settings = Settings.read(environment)
    parts = replace(api.make(settings), traces=tracing.spans("api", share))
    async with serving(environment, api.join(settings, parts)) as server:
        yield server


@asynccontextmanager
async def a_worker(
    environment: dict[str, str], tracing: Tracing, share: float = 1
) -> AsyncIterator[None]:
    settings = Settings.read(environment)
    parts = replace(worker.make(settings), traces=tracing.spans("worker", share))
    broker = worker.join(settings, parts)
    broker.is_worker_process = True
    await broker.startup()
    enough = asyncio.Event()
    receiver = LeanReceiver(broker, max_async_tasks=10, run_startup=False, wait_tasks_timeout=5)
    receiving = asyncio.create_task(receiver.listen(enough))
    try:
        yield
    finally:
        enough.set()
        await receiving
        await broker.shutdown()


async def ended(tracing: Tracing, order_id: UUID, *names: str) -> None:
    """Return when spans of these names have ended."""
    await eventually(lambda: {*names} <= {span.name for span in tracing.of(order_id)}, PATIENCE)


async def test_an_order_is_one_trace_from_its_request_to_its_last_frame(
    environment: dict[str, str], tracing: Tracing
) -> None:
    async with an_api(environment, tracing) as server, a_worker(environment, tracing):
        order_id = await server.place()
        async with server.stream(order_id) as socket:
            frames, _ = await story(socket)
        await ended(tracing, order_id, "stream order", "process order-engine:queue")
    dex = frames[-1]["result"]["dex"]
    tree = tracing.tree(order_id)
    quotes = {name for name in tree if name.startswith("quote ")}

    assert frames[-1]["status"] == "confirmed"
    assert len(quotes) == 2
    visit = "process order-engine:queue"
    assert tracing.attributes(order_id, "save confirmed") == {
        "order_engine.order_id": str(order_id),
        "order_engine.status": "confirmed",
        "order_engine.seq": 5,
        "order_engine.attempt": 1,
        "order_engine.dex": dex,
    }
    assert tree == {
        "POST /api/orders/execute": None,
        "save received": "POST /api/orders/execute",
        "send order-engine:queue": "POST /api/orders/execute",
        visit: "send order-engine:queue",
        "get order": visit,
        "save routing": visit,
        **dict.fromkeys(quotes, visit),
        "save building": visit,
        f"build {dex}": visit,
        "save submitted": visit,
        f"send {dex}": visit,
        f"status {dex}": visit,
        "save confirmed": visit,
        "stream order": "POST /api/orders/execute",
    }
    services = {span.resource.attributes["service.name"] for span in tracing.of(order_id)}
    assert services == {"api", "worker"}


async def test_an_order_whose_hint_was_lost_stays_in_its_trace(
    environment: dict[str, str], tracing: Tracing, redis_url: str
) -> None:
    async with an_api(environment, tracing) as server:
        order_id = await server.place()
        async with Redis.from_url(redis_url) as redis:
            await eventually(lambda: redis.xlen("order-engine:queue"), PATIENCE)
            await redis.flushdb()
        async with a_worker(environment, tracing):
            await ended(tracing, order_id, "save confirmed", "process order-engine:queue")
    sends = [span for span in tracing.of(order_id) if span.name == "send order-engine:queue"]
    (visit,) = (span for span in tracing.of(order_id) if span.name.startswith("process "))

    assert len(sends) == 2  # the API's, which Redis lost, and the sweep's
    assert visit.parent is not None
    assert visit.parent.span_id == sends[1].context.span_id
    assert sends[1].resource.attributes["service.name"] == "worker"


async def test_a_client_s_own_trace_is_linked_and_a_repeated_request_is_in_the_order_s(
    environment: dict[str, str], tracing: Tracing
) -> None:
    async with an_api(environment, tracing) as server:
        sold = {"inputMint": "SOL", "outputMint": "USDC", "amountIn": 5, "clientOrderId": "one"}
        headers = {"traceparent": CLIENT}
        answers = [
            await server.client.post("/api/orders/execute", json=sold, headers=headers)
            for _ in range(2)
        ]
        order_id = UUID(answers[0].json()["orderId"])
    first, again = (span for span in tracing.of(order_id) if span.name.startswith("POST"))
    traces = {span.context.trace_id for span in tracing.memory.get_finished_spans()}

    assert [answer.json()["orderId"] for answer in answers] == [str(order_id)] * 2
    assert traces == {order_id.int}
    for span in (first, again):
        (link,) = span.links
        assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" == CLIENT[3:-3]
    assert first.parent is None
    assert again.parent is not None
    assert again.parent.span_id == first.context.span_id
    assert (first.attributes or {})["order_engine.replayed"] is False
    assert (again.attributes or {})["order_engine.replayed"] is True


async def test_a_venue_s_failure_ends_its_span_as_an_error(
    environment: dict[str, str], tracing: Tracing
) -> None:
    environment |= {"PAPER_FAILURE_RATE": "1", "RETRY_TRIES": "1"}
    async with an_api(environment, tracing) as server, a_worker(environment, tracing):
        order_id = await server.place()
        await ended(tracing, order_id, "save failed")
    quotes = [span for span in tracing.of(order_id) if span.name.startswith("quote ")]
    (failed,) = (span for span in tracing.of(order_id) if span.name == "save failed")

    assert [span.status.status_code for span in quotes] == [StatusCode.ERROR] * len(quotes)
    assert (failed.attributes or {})["order_engine.failure"] == "no_route"


async def test_a_call_to_a_venue_that_is_given_up_ends_its_span_as_an_error(
    environment: dict[str, str], tracing: Tracing
) -> None:
    environment |= {
        "PAPER_QUOTE_LATENCY_MS": "60000",
        "QUOTE_TIMEOUT_SECONDS": "0.1",
        "RETRY_TRIES": "1",
    }
    async with an_api(environment, tracing) as server, a_worker(environment, tracing):
        order_id = await server.place()
        await ended(tracing, order_id, "save failed")
    quotes = [span for span in tracing.of(order_id) if span.name.startswith("quote ")]

    assert [span.status.status_code for span in quotes] == [StatusCode.ERROR] * 2


async def test_a_collector_that_does_not_answer_holds_no_stop() -> None:
    answering = Event()

    class Hanging(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            answering.wait()
            return SpanExportResult.SUCCESS

    spans = Spans(provided("worker", 1, BatchSpanProcessor(Hanging())))
    order_id = uuid7(datetime.now(UTC), 1)
    for _ in range(2000):
        spans.sent(Hint(order_id, datetime.now(UTC)))
    began = monotonic()

    try:
        await asyncio.to_thread(spans.close)
        assert monotonic() - began < 2 * EXPORT_SECONDS
    finally:
        answering.set()


async def test_after_a_loss_thousands_of_hints_are_sent_without_spans(tracing: Tracing) -> None:
    class Kept:
        def __init__(self) -> None:
            self.hints: list[Hint] = []

        def enqueue(self, hints: Sequence[Hint]) -> None:
            self.hints += hints

        async def horizon(self) -> Horizon | None:
            return None

        async def mark(self) -> None:
            pass

    kept = Kept()
    queue = tracing.spans("worker").queue(kept)
    many = [Hint(uuid7(datetime.now(UTC), n), datetime.now(UTC)) for n in range(MOST_HINTS + 1)]

    queue.enqueue(many)
    queue.enqueue(many[:1])

    assert [hint.traceparent for hint in kept.hints[:-1]] == [None] * len(many)
    assert kept.hints[-1].traceparent is not None
    assert len(tracing.memory.get_finished_spans()) == 1


async def test_a_stream_of_an_order_that_there_is_not_is_no_span(
    environment: dict[str, str], tracing: Tracing
) -> None:
    nobody = uuid4()
    async with an_api(environment, tracing) as server, server.stream(nobody) as socket:
        await socket.wait_closed()

    assert tracing.of(nobody) == []


async def test_what_is_not_sampled_leaves_no_span_in_any_process(
    environment: dict[str, str], tracing: Tracing
) -> None:
    async with an_api(environment, tracing, 0) as server, a_worker(environment, tracing, 0):
        order_id = await server.place()
        async with server.stream(order_id) as socket:
            frames, _ = await story(socket)

    assert frames[-1]["final"]
    assert tracing.memory.get_finished_spans() == ()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_of_many_orders_the_share_is_sampled_that_was_asked_for(share: float) -> None:
    sampler = ByOrder(share)
    dice = Random(1)
    orders = [uuid7(datetime.now(UTC), dice.getrandbits(74)).int for _ in range(4000)]

    # Of 4,000 draws, the deviation is 32 at the most; five of them are 160.
    assert abs(sum(map(sampler.samples, orders)) - 4000 * share) <= 160 * (0 < share < 1)
