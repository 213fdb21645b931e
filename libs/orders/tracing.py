"""Traces, if they are wanted: which of a process's parts tell what they do, and how.

Without a collector to send to, parts stay as they are, and nothing of OpenTelemetry is imported.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from orders.feed import Watcher
from orders.ports import Queue, Store, Venue
from orders.settings import BadSetting, Settings

S = TypeVar("S", bound=Store)
Q = TypeVar("Q", bound=Queue)


class Traces(Protocol):
    """One trace for each order, whose id is the order's."""

    def store(self, store: S) -> S:
        """`store`, whose steps and reads are spans."""

    def queue(self, queue: Q) -> Q:
        """`queue`, whose hints are spans, and carry which span sent them."""

    def venues(self, venues: Mapping[str, Venue]) -> Mapping[str, Venue]:
        """`venues`, each call to which is a span."""

    def visit(self, order_id: UUID, traceparent: str | None) -> AbstractContextManager[object]:
        """A worker's visit to an order, sent for by the span that the hint carried."""

    def stream(self, watcher: Watcher) -> AbstractContextManager[object]:
        """A client's stream of an order."""

    def placed(
        self, order_id: UUID, took: timedelta, code: int, traceparent: str | None, replayed: bool
    ) -> None:
        """A request that placed an order, or repeated one, was answered with `code`. What the
        client gave as its own `traceparent` is linked."""

    def close(self) -> None:
        """Send what is left. Blocks."""


class Untraced:
    """Parts as they were. Fits `Traces`."""

    _nothing = nullcontext()

    def store(self, store: S) -> S:
        return store

    def queue(self, queue: Q) -> Q:
        return queue

    def venues(self, venues: Mapping[str, Venue]) -> Mapping[str, Venue]:
        return venues

    def visit(self, order_id: UUID, traceparent: str | None) -> AbstractContextManager[object]:
        return self._nothing

    def stream(self, watcher: Watcher) -> AbstractContextManager[object]:
        return self._nothing

    def placed(
        self, order_id: UUID, took: timedelta, code: int, traceparent: str | None, replayed: bool
    ) -> None:
        pass

    def close(self) -> None:
        pass


def traced(settings: Settings, service: str) -> Traces:
    """What traces `service`, if its settings name a collector. Raises `BadSetting`."""
    endpoint, share = settings.otel_exporter_otlp_endpoint, settings.otel_traces_sampler_arg
    if not endpoint:
        return Untraced()
    try:
        from orders.sampling import exported
        from orders.spans import Spans
    except ImportError as missing:
        raise BadSetting(
            "OTEL_EXPORTER_OTLP_ENDPOINT: needs the extra `tracing`, which is not installed"
        ) from missing
    return Spans(exported(service, endpoint, share))
