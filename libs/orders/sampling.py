"""Which orders are traced, and under which ids: what every process knows of an order by its id.

The order's id is its trace's id, and its last 64 bits are the id of the trace's first span.
"""

from typing import Any
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import Attributes

from orders import VERSION

EXPORT_SECONDS = 2.0
"""How long a collector may take; it may not hold a process that stops."""
_SPAN_BITS = 2**64 - 1
_RANDOM_BITS = 62
"""Of a UUIDv7, as many of its last bits are random (RFC 9562, section 5.7). The two above them
are always `10`: a sampler that took 64 would trace none or all."""


class ByOrder(Sampler):
    """Samples a share of orders by their ids, in every process alike."""

    def __init__(self, share: float) -> None:
        self._bound = round(share * 2**_RANDOM_BITS)

    def samples(self, trace_id: int) -> bool:
        """Whether the trace of this id is kept."""
        return bool(trace_id % 2**_RANDOM_BITS < self._bound)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        *_: Any,
        **__: Any,
    ) -> SamplingResult:
        if self.samples(trace_id):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return f"ByOrder({self._bound / 2**_RANDOM_BITS:g})"


class Ids(RandomIdGenerator):
    """Random ids, but for the first span of an order's trace."""

    first: UUID | None = None

    def generate_trace_id(self) -> int:
        return self.first.int if self.first else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return first_span(self.first) if self.first else super().generate_span_id()


def exported(service: str, endpoint: str, share: float) -> TracerProvider:
    """A provider that sends to the OTLP collector at `endpoint`, in a thread of its own."""
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    return provided(service, share, BatchSpanProcessor(exporter))


def provided(service: str, share: float, processor: SpanProcessor) -> TracerProvider:
    """A provider whose spans go to `processor`."""
    resource = Resource.create({"service.name": service, "service.version": VERSION})
    provider = TracerProvider(
        sampler=ByOrder(share), resource=resource, id_generator=Ids(), shutdown_on_exit=False
    )
    provider.add_span_processor(processor)
    return provider


def first_span(order_id: UUID) -> int:
    """The id of the span that all others of an order's trace are below."""
    return order_id.int & _SPAN_BITS
