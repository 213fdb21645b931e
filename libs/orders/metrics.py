"""Every metric of the engine, and a cheap way to write those of the hot path.

Written by `observe` alone. `docs/metrics.md` is made from what stands here (`make reference`).
"""

from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TypeVar
from uuid import UUID

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

M = TypeVar("M", Counter, Gauge, Histogram)

# Around the goals: a POST within 10 ms and a step told within 20 ms at p99, an order within 4 ms
# where the venues take no time, and within 10 s where they do.
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.002, 0.004, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 10, 30, 60, 300)
_BPS = (1, 5, 10, 25, 50, 100, 250, 500, 1000)

_MANY = 1_000
_counted: dict[Counter, int] = {}
_measured: dict[Histogram, list[float]] = {}
_slowest: dict[Histogram, tuple[float, UUID]] = {}
_shown: set[Gauge] = set()


def count(counter: Counter) -> None:
    """Count one, soon: what happens to every order is written when somebody reads it, or a thousand
    at a time, at a fifth of the cost."""
    _counted[counter] = _counted.get(counter, 0) + 1


def measure(histogram: Histogram, value: float, order_id: UUID | None = None) -> None:
    """Observe a value, soon. The order with the greatest one becomes its bucket's exemplar."""
    values = _measured.get(histogram)
    if values is None:
        values = _measured[histogram] = []
    values.append(value)
    if order_id is not None:
        slowest = _slowest.get(histogram)
        if slowest is None or value > slowest[0]:
            _slowest[histogram] = value, order_id
    if len(values) >= _MANY:
        _write()


@cache
def series(metric: M, *labels: str) -> M:
    """A metric's series: looked up once, since `labels` costs more than counting does."""
    return metric.labels(*labels)


def shown(gauge: Gauge) -> Gauge:
    """`gauge`, told from now on. One of which a process knows nothing is not said to be 0."""
    if gauge not in _shown:
        _shown.add(gauge)
        REGISTRY.register(gauge)
    return gauge


def hidden(gauge: Gauge) -> None:
    """Tell no more of `gauge`, until it is known again: one that stood still would be believed."""
    if gauge in _shown:
        _shown.remove(gauge)
        REGISTRY.unregister(gauge)


def _write() -> None:
    """Write all that was counted and measured."""
    for counter, times in _counted.items():
        counter.inc(times)
    _counted.clear()
    for histogram, values in _measured.items():
        if values:
            _observe(histogram, values)
            values.clear()
    for histogram, (value, order_id) in _slowest.items():
        _mark(histogram, value, order_id)
    _slowest.clear()


def _observe(histogram: Histogram, values: list[float]) -> None:
    """What `Histogram.observe` does for one value, which takes a lock or two for each; a test holds
    it to that."""
    bounds: Sequence[float] = histogram._upper_bounds
    for bucket, times in Counted(bisect_left(bounds, value) for value in values).items():
        histogram._buckets[bucket].inc(times)
    histogram._sum.inc(sum(values))


def _mark(histogram: Histogram, value: float, order_id: UUID) -> None:
    """Let the bucket of `value` tell which order it was seen with: an order's id is its trace's."""
    bucket = histogram._buckets[bisect_left(histogram._upper_bounds, value)]
    bucket.set_exemplar(Exemplar({"trace_id": order_id.hex}, value))


class _Unwritten(Collector):
    """Sees to it that nobody reads metrics while some are unwritten."""

    def collect(self) -> Iterable[Metric]:
        _write()
        return ()


REGISTRY.register(_Unwritten())  # before the metrics: it is the first to be collected

# What every process says.

BUILD_INFO = Gauge(
    "order_engine_build_info",
    "Always 1; the label says which release this process runs.",
    ["version"],
)
TICKS_FAILED = Counter(
    "order_engine_ticks_failed_total",
    "Runs of a periodic task that failed; it goes on at its next tick.",
    ["task"],
)
REDIS_ERRORS = Counter(
    "order_engine_redis_errors_total",
    "Failed calls to Redis, by what was to be done. Orders survive them.",
    ["call"],
)
DATABASE_CONNECTIONS = Gauge(
    "order_engine_database_connections",
    "PostgreSQL connections that this process is using right now.",
)
DATABASE_CONNECTIONS_LIMIT = Gauge(
    "order_engine_database_connections_limit",
    "PostgreSQL connections that this process may open (DATABASE_POOL_SIZE).",
)
STATEMENT_LATENCY = Histogram(
    "order_engine_statement_seconds",
    "How long a PostgreSQL statement took, with the wait for a connection.",
    ["statement"],
    buckets=_FAST,
)
BATCH_SIZE = Histogram(
    "order_engine_batch_size",
    "Values that one group-commit statement carried.",
    ["statement"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)

# Orders.

STEPS = Counter(
    "order_engine_steps_total",
    "Steps of orders that were stored, by the status stepped to. `received` counts accepts.",
    ["status"],
)
STEP_LATENCY = Histogram(
    "order_engine_step_seconds",
    "From one stored step of an order to the next, by the status stepped to.",
    ["status"],
    buckets=_SLOW,
)
COMPLETION = Histogram(
    "order_engine_completion_seconds",
    "From an order's receipt to its final step, by how it ended: confirmed or failed.",
    ["status"],
    buckets=_SLOW,
)
FAILURES = Counter(
    "order_engine_failures_total", "Orders that failed for good, by the failure's code.", ["code"]
)
RETRIES = Counter(
    "order_engine_retries_total",
    "Steps that failed and will be tried again: the status the order goes on from, and the code "
    "with which it would fail in the end.",
    ["status", "code"],
)
REPLAYS = Counter(
    "order_engine_replays_total",
    "Requests that repeated an idempotency key and were answered with the earlier order.",
)

# Routing and venues.

WINS = Counter(
    "order_engine_route_wins_total", "Orders routed to a venue, whose quote was the best.", ["dex"]
)
IMPROVEMENT = Histogram(
    "order_engine_price_improvement_bps",
    "How much more the chosen quote promised than the worst one, in basis points, by the chosen "
    "venue. 0 where only one venue quoted.",
    ["dex"],
    buckets=(0, *_BPS),
)
SLIPPAGE = Histogram(
    "order_engine_slippage_bps",
    "How much less arrived than was quoted, in basis points of the quote. Negative where more "
    "arrived.",
    ["dex"],
    buckets=(*(-bps for bps in reversed(_BPS[:-1])), 0, *_BPS),
)
QUOTES = Counter(
    "order_engine_quotes_total",
    "Requests for a quote, by how the venue answered: quote, refused, error or late.",
    ["dex", "outcome"],
)
QUOTE_LATENCY = Histogram(
    "order_engine_quote_seconds",
    "How long a venue took to answer a request for a quote, also with a refusal or an error.",
    ["dex"],
    buckets=_FAST,
)
VENUE_UNKNOWN = Counter(
    "order_engine_venue_unknown_total",
    "Calls to a venue, send or status, that failed and so left the outcome unknown.",
    ["dex", "call"],
)
UNSETTLED = Counter(
    "order_engine_unsettled_total",
    "Visits that ended without knowing what became of a sent transaction; it is asked for again.",
    ["dex"],
)

# Queue. Every process that says one of these says the same, as it read it last: take the `max`.

QUEUE_BACKLOG = Gauge(
    "order_engine_queue_backlog",
    "Hints in the queue that no worker has finished: waiting or being worked on. Every process "
    "says the same number: take the max, never the sum.",
    registry=None,
)
OLDEST_ORDER = Gauge(
    "order_engine_oldest_order_seconds",
    "Age of the oldest order that is not final; 0 when there is none. Take the max, never the sum.",
    registry=None,
)
RETRIES_DUE = Gauge(
    "order_engine_retries_due",
    "Orders whose wait for another try is over and that no worker has taken up yet; counted to "
    "10,000. Take the max, never the sum.",
    registry=None,
)
SUBMITTED_STUCK = Gauge(
    "order_engine_submitted_stuck",
    "Orders received over a minute ago whose sent transaction has no known outcome; counted to "
    "10,000. Take the max, never the sum.",
    registry=None,
)

# Workers.

WORKER_SLOTS = Gauge(
    "order_engine_worker_slots",
    "Orders that this worker may work on at once (WORKER_CONCURRENCY).",
    registry=None,
)
WORKER_SLOTS_USED = Gauge(
    "order_engine_worker_slots_used",
    "Orders that this worker is working on right now.",
    registry=None,
)
QUEUE_WAIT = Histogram(
    "order_engine_queue_wait_seconds",
    "From a hint's being sent to its reaching a worker, on two machines' clocks.",
    buckets=_SLOW,
)
DELIVERIES_DROPPED = Counter(
    "order_engine_deliveries_dropped_total",
    "Hints that led to no work, since their order was finished, unknown or held by another worker, "
    "or since they were malformed.",
    ["reason"],
)
ORDERS_DROPPED = Counter(
    "order_engine_orders_dropped_total",
    "Orders that a worker let go of unfinished: another had taken them (stale), or PostgreSQL was "
    "unavailable.",
    ["reason"],
)
LEASES_LOST = Counter(
    "order_engine_leases_lost_total", "Leases that ran out while the worker still held the order."
)
SUSPECTS = Counter(
    "order_engine_suspects_total",
    "Visits to orders over which several workers died, and which may have been executed.",
)
BUGS = Counter(
    "order_engine_bugs_total",
    "Steps that met an error that nobody foresaw, by the order's status.",
    ["status"],
)

# Recovery and the queue's losses.

SWEPT = Counter(
    "order_engine_swept_total",
    "Orders that the sweep hinted again: due, or overlooked since their first hint.",
    ["reason"],
)
QUEUE_LOST = Counter(
    "order_engine_queue_lost_total", "Times that Redis was found to have forgotten the queue."
)
HINTS_DROPPED = Counter(
    "order_engine_hints_dropped_total",
    "Hints that Redis could not be told; the sweep finds their orders.",
)

# Feed and sockets.

FEED_DROPPED = Counter(
    "order_engine_feed_dropped_total",
    "Steps that Redis could not be told; sockets read them from PostgreSQL.",
)
FEED_LAG = Histogram(
    "order_engine_feed_lag_seconds",
    "From a step's being stored to an API's hearing of it, on two machines' clocks. One "
    "observation for each batch that arrives.",
    buckets=_FAST,
)
GAPS = Counter(
    "order_engine_gaps_refilled_total", "Gaps in the feed that sockets refilled from PostgreSQL."
)
SOCKETS = Gauge(
    "order_engine_sockets", "Open WebSocket connections of this process.", registry=None
)
SOCKETS_CLOSED = Counter(
    "order_engine_sockets_closed_total",
    "WebSocket connections that ended, by close code. 4408 is a client that was too slow.",
    ["code"],
)

# HTTP.

REQUESTS = Counter(
    "order_engine_requests_total",
    "HTTP requests, by route and status code. 499 is a client that hung up.",
    ["route", "code"],
)
REQUEST_LATENCY = Histogram(
    "order_engine_request_seconds",
    "How long an HTTP request took, by route. The POST answers when the order is durable.",
    ["route"],
    buckets=_FAST,
)

LABELS = {
    "version": "the release",
    "status": "where an order stands: received, routing, building, submitted, confirmed, failed; "
    "none where a bug was met outside of a step",
    "code": "of a failure: no_route, slippage_exceeded, insufficient_funds, venue_refused, "
    "attempts_exhausted, poison; of a request: its HTTP status; of a socket: its close code",
    "dex": "the venue",
    "outcome": "quote, refused, error, late",
    "call": "of a venue: send, status; of Redis: publish, enqueue, fetch, ack, horizon, mark, "
    "show_life, remake_group, hand_back, leave, decode",
    "statement": "add, save, get, history (in batches); due, overlooked, forget_hints, renew, "
    "release, ahead, unsettled, survey",
    "reason": "of the sweep: due, overlooked; of a delivery: finished, unknown, held, malformed; "
    "of an order: stale, unavailable",
    "task": "listen, look, backlog, refill, pulse, replay; heartbeat, sweep, reconcile, hand_over",
    "route": "the route's path without the leading slash; none where there is none",
}
"""The values that labels take: all of closed sets."""
