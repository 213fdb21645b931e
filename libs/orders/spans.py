"""Spans by OpenTelemetry, in one trace for each order.

The first span is the request that placed the order. Every process knows it without being told,
also after Redis has lost a hint; a hint carries only what cannot be known: which span sent it.
"""

from asyncio import CancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from time import time_ns
from typing import Any, TypeVar, cast
from uuid import UUID

from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from orders import VERSION
from orders.domain.amounts import Amount
from orders.domain.order import Order
from orders.domain.quote import Outcome, Quote, Transaction
from orders.feed import Watcher
from orders.ports import Added, Hint, Horizon, Key, Queue, Store, Venue
from orders.queue import STREAM
from orders.sampling import EXPORT_SECONDS, ByOrder, Ids, first_span

S = TypeVar("S", bound=Store)
Q = TypeVar("Q", bound=Queue)

MOST_HINTS = 100
_w3c = TraceContextTextMapPropagator()


class Spans:
    """Fits `orders.tracing.Traces`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._sampler = cast(ByOrder, provider.sampler)
        self._tracer = provider.get_tracer("order-engine", VERSION)

    def store(self, store: S) -> S:
        return cast(S, _Store(store, self))

    def queue(self, queue: Q) -> Q:
        return cast(Q, _Queue(queue, self))

    def venues(self, venues: Mapping[str, Venue]) -> Mapping[str, Venue]:
        return {dex: _Venue(venue, self) for dex, venue in venues.items()}

    @contextmanager
    def visit(self, order_id: UUID, traceparent: str | None) -> Iterator[Span]:
        sent = _w3c.extract({"traceparent": traceparent} if traceparent else {})
        known = trace.get_current_span(sent).get_span_context().trace_id == order_id.int
        with self._tracer.start_as_current_span(
            f"process {STREAM}",
            sent if known else self.of(order_id),
            kind=SpanKind.CONSUMER,
            attributes={**_MESSAGING, "messaging.operation.type": "process", **_named(order_id)},
            record_exception=False,
        ) as span:
            yield span

    @contextmanager
    def stream(self, watcher: Watcher) -> Iterator[None]:
        began = time_ns()
        try:
            yield
        finally:
            if watcher.last_seq:  # else there is no such order
                self._tracer.start_span(
                    "stream order",
                    self.of(watcher.order_id),
                    kind=SpanKind.SERVER,
                    start_time=began,
                    attributes={
                        "network.protocol.name": "websocket",
                        "order_engine.last_seq": watcher.last_seq,
                        **_named(watcher.order_id),
                    },
                ).end()

    def placed(
        self, order_id: UUID, took: timedelta, code: int, traceparent: str | None, replayed: bool
    ) -> None:
        client = trace.get_current_span(_w3c.extract({"traceparent": traceparent or ""}))
        links = [Link(context)] if (context := client.get_span_context()).is_valid else []
        ids = cast(Ids, self._provider.id_generator)
        ids.first = None if replayed else order_id
        try:
            span = self._tracer.start_span(
                "POST /api/orders/execute",
                self.of(order_id) if replayed else Context(),
                kind=SpanKind.SERVER,
                start_time=time_ns() - took // timedelta(microseconds=1) * 1000,
                links=links,
                attributes={
                    "http.request.method": "POST",
                    "http.route": "/api/orders/execute",
                    "http.response.status_code": code,
                    "order_engine.replayed": replayed,
                    **_named(order_id),
                },
            )
        finally:
            ids.first = None
        span.end()

    def close(self) -> None:
        """In a thread that need not end: OpenTelemetry sends all that waits, batch after batch,
        however long a collector takes for each."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(EXPORT_SECONDS)

    def of(self, order_id: UUID) -> Context:
        """The context of the first span of an order's trace, which may be another process's."""
        sampled = self._sampler.samples(order_id.int)
        first = SpanContext(
            order_id.int,
            first_span(order_id),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT),
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(first), Context())

    @contextmanager
    def within(
        self, name: str, order_id: UUID | None = None, *, kind: SpanKind, **attributes: Any
    ) -> Iterator[Span]:
        """A span of the visit under way, or else of the order's trace. An error ends it as one, and
        so does a cancellation, which is how a call that takes too long is given up."""
        current = trace.get_current_span().get_span_context()
        elsewhere = order_id is not None and current.trace_id != order_id.int
        parent = self.of(order_id) if order_id is not None and elsewhere else None
        named = _named(order_id) if order_id else {}
        told = {f"order_engine.{key}": value for key, value in attributes.items() if value}
        with self._tracer.start_as_current_span(
            name, parent, kind=kind, attributes={**named, **told}, record_exception=False
        ) as span:
            try:
                yield span
            except CancelledError:
                span.set_status(Status(StatusCode.ERROR, "cancelled"))
                raise

    def stored(self, order: Order, began: int) -> None:
        """A new order was stored, which was `began` then, in nanoseconds of the epoch."""
        self._tracer.start_span(
            f"save {order.status}",
            self.of(order.id),
            kind=SpanKind.CLIENT,
            start_time=began,
            attributes={"order_engine.status": order.status.value, **_named(order.id)},
        ).end()

    def sent(self, hint: Hint) -> Hint:
        """`hint`, with the span that sent it, if its order is sampled."""
        if not self._sampler.samples(hint.order_id.int):
            return hint
        span = self._tracer.start_span(
            f"send {STREAM}",
            self.of(hint.order_id),
            kind=SpanKind.PRODUCER,
            attributes={**_MESSAGING, "messaging.operation.type": "send", **_named(hint.order_id)},
        )
        carried: dict[str, str] = {}
        _w3c.inject(carried, trace.set_span_in_context(span))
        span.end()
        return replace(hint, traceparent=carried.get("traceparent"))


class _Store:
    """A store whose steps and reads are spans. All else is passed on."""

    def __init__(self, store: Store, spans: Spans) -> None:
        self._store = store
        self._spans = spans

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def add(self, order: Order, keys: Sequence[Key], fingerprint: str) -> Added:
        """A span only if it was stored: of a repeated request the order is another one."""
        began = time_ns()
        added = await self._store.add(order, keys, fingerprint)
        if not added.replayed:
            self._spans.stored(order, began)
        return added

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        with self._step(order):
            return await self._store.save(order, claim=claim)

    async def get(self, order_id: UUID) -> Order | None:
        with self._spans.within("get order", order_id, kind=SpanKind.CLIENT):
            return await self._store.get(order_id)

    def _step(self, order: Order) -> Any:
        return self._spans.within(
            f"save {order.status}",
            order.id,
            kind=SpanKind.CLIENT,
            status=order.status.value,
            seq=order.seq,
            attempt=order.attempt,
            dex=order.dex,
            retry=order.retry and order.retry.detail,
            failure=order.failure and order.failure.code.value,
        )


class _Queue:
    """A queue whose hints carry the span that sent them."""

    def __init__(self, queue: Queue, spans: Spans) -> None:
        self._queue = queue
        self._spans = spans

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def enqueue(self, hints: Sequence[Hint]) -> None:
        """Without spans where there are thousands, after a loss: the loop has more to do then."""
        few = len(hints) <= MOST_HINTS
        self._queue.enqueue([self._spans.sent(hint) for hint in hints] if few else hints)

    async def horizon(self) -> Horizon | None:
        return await self._queue.horizon()


class _Venue:
    """A venue each call to which is a span."""

    def __init__(self, venue: Venue, spans: Spans) -> None:
        self.dex = venue.dex
        self._venue = venue
        self._spans = spans

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        with self._call("quote") as span:
            quote = await self._venue.quote(input_mint, output_mint, amount_in)
            span.set_attribute("order_engine.out", str(quote.out))
            return quote

    async def build(self, order: Order) -> Transaction:
        with self._call("build"):
            return await self._venue.build(order)

    async def send(self, transaction: Transaction) -> None:
        with self._call("send", tx_hash=transaction.tx_hash):
            await self._venue.send(transaction)

    async def status(self, transaction: Transaction) -> Outcome:
        with self._call("status", tx_hash=transaction.tx_hash) as span:
            outcome = await self._venue.status(transaction)
            span.set_attribute("order_engine.outcome", type(outcome).__name__)
            return outcome

    def _call(self, call: str, **attributes: Any) -> Any:
        name = f"{call} {self.dex}"
        return self._spans.within(name, kind=SpanKind.CLIENT, dex=self.dex, **attributes)


_MESSAGING = {"messaging.system": "redis", "messaging.destination.name": STREAM}


def _named(order_id: UUID) -> dict[str, str]:
    return {"order_engine.order_id": str(order_id)}
