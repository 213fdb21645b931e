"""What the engine says of itself: one function for each thing that happens, its metric and its
log line together.

Labels come from closed sets; an order's id belongs in the log.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import TypeVar
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from orders.domain.amounts import BPS
from orders.domain.order import Order
from orders.domain.quote import Answer, Quote, Transaction

log = logging.getLogger("orders")

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 10, 30, 60, 300)

STEPS = Counter("order_engine_steps_total", "Stored steps of orders.", ["status"])
FAILURES = Counter("order_engine_failures_total", "Failed orders.", ["code"])
RETRIES = Counter("order_engine_retries_total", "Steps back, to be tried again.", ["status"])
COMPLETION = Histogram(
    "order_engine_completion_seconds", "From receipt to the final step.", ["status"], buckets=_SLOW
)
WINS = Counter("order_engine_route_wins_total", "Orders routed to a venue.", ["dex"])
IMPROVEMENT = Histogram(
    "order_engine_price_improvement_bps",
    "The chosen quote over the worst one.",
    buckets=(0, 1, 5, 10, 25, 50, 100, 250, 500, 1000),
)
QUOTES = Counter(
    "order_engine_quotes_total", "Answers to requests for a quote.", ["dex", "outcome"]
)
QUOTE_LATENCY = Histogram(
    "order_engine_quote_seconds", "How long a venue takes to quote.", ["dex"], buckets=_FAST
)
VENUE_UNKNOWN = Counter(
    "order_engine_venue_unknown_total", "Venue calls of unknown outcome.", ["dex", "call"]
)
UNSETTLED = Counter(
    "order_engine_unsettled_total", "Orders left submitted, to be asked about later.", ["dex"]
)
DELIVERIES_DROPPED = Counter(
    "order_engine_deliveries_dropped_total", "Hints that led to no work.", ["reason"]
)
ORDERS_DROPPED = Counter(
    "order_engine_orders_dropped_total", "Orders a worker let go of unfinished.", ["reason"]
)
SUSPECTS = Counter(
    "order_engine_suspects_total",
    "Visits to orders over which workers died, and which may have been executed.",
)
BUGS = Counter("order_engine_bugs_total", "Steps that met what nobody foresaw.", ["status"])
LEASES_LOST = Counter("order_engine_leases_lost_total", "Leases that ran out while held.")
HANDED_OVER = Counter("order_engine_handed_over_total", "Orders handed over on shutdown.")
TICKS_FAILED = Counter("order_engine_ticks_failed_total", "Failed periodic tasks.", ["task"])
SWEPT = Counter("order_engine_swept_total", "Orders hinted by the sweep.", ["reason"])
QUEUE_LOST = Counter("order_engine_queue_lost_total", "Times the queue lost its hints.")
HINTS_DROPPED = Counter("order_engine_hints_dropped_total", "Hints that Redis was not told.")
QUEUE_BACKLOG = Gauge("order_engine_queue_backlog", "Hints that are not yet acknowledged.")
QUEUE_WAIT = Histogram("order_engine_queue_wait_seconds", "From hint to delivery.", buckets=_SLOW)
STEPS_UNTOLD = Counter("order_engine_feed_dropped_total", "Steps that Redis was not told.")
REDIS_ERRORS = Counter("order_engine_redis_errors_total", "Failed calls to Redis.", ["call"])
REPLAYS = Counter("order_engine_replays_total", "Requests answered with an earlier order.")
REQUESTS = Counter("order_engine_requests_total", "HTTP requests.", ["route", "code"])
REQUEST_LATENCY = Histogram(
    "order_engine_request_seconds", "HTTP requests.", ["route"], buckets=_FAST
)
SOCKETS = Gauge("order_engine_sockets", "Open WebSocket connections.")
SOCKETS_CLOSED = Counter("order_engine_sockets_closed_total", "Closed sockets.", ["code"])
GAPS = Counter("order_engine_gaps_refilled_total", "Gaps in the feed refilled from the store.")

M = TypeVar("M", Counter, Histogram)


@cache
def _child(metric: M, *labels: str) -> M:
    """A metric's series: looked up once, since `labels` costs more than counting does."""
    return metric.labels(*labels)


def moved(order: Order) -> None:
    """A step of an order was stored."""
    _child(STEPS, order.status.value).inc()
    if order.retry:
        _child(RETRIES, order.status.value).inc()
        log.info(
            "order.retry order_id=%s status=%s tries=%d attempt=%d wait=%.3fs detail=%r",
            order.id,
            order.status.value,
            order.tries,
            order.attempt,
            order.retry.wait.total_seconds(),
            order.retry.detail,
        )
    if order.is_final:
        _ended(order)
    elif log.isEnabledFor(logging.DEBUG):
        log.debug("order.moved order_id=%s status=%s seq=%d", order.id, order.status, order.seq)


def _ended(order: Order) -> None:
    if order.created_at and order.updated_at:
        length = (order.updated_at - order.created_at).total_seconds()
        _child(COMPLETION, order.status.value).observe(length)
    if order.failure:
        _child(FAILURES, order.failure.code.value).inc()
        log.warning(
            "order.failed order_id=%s code=%s detail=%r",
            order.id,
            order.failure.code.value,
            order.failure.detail,
        )
    else:
        log.info("order.confirmed order_id=%s dex=%s out=%s", order.id, order.dex, order.actual_out)


def replayed(order: Order) -> None:
    """A request was answered with the earlier order of its key."""
    REPLAYS.inc()
    log.info("order.replayed order_id=%s", order.id)


def quoted(answer: Answer) -> None:
    """A venue answered a request for a quote."""
    outcome = "quote" if answer.quote else "refused" if answer.is_refusal else "error"
    _child(QUOTES, answer.dex, outcome).inc()
    _child(QUOTE_LATENCY, answer.dex).observe(answer.latency.total_seconds())
    if answer.error:
        log.info("quote.failed dex=%s error=%r", answer.dex, answer.error)


def routed(quote: Quote, answers: Iterable[Answer]) -> None:
    """A route was chosen."""
    _child(WINS, quote.dex).inc()
    worst = min(answer.quote.out for answer in answers if answer.quote)
    IMPROVEMENT.observe((quote.out - worst) * BPS // worst)


def send_unknown(transaction: Transaction, failure: Exception) -> None:
    """A send failed, which proves nothing."""
    _child(VENUE_UNKNOWN, transaction.dex, "send").inc()
    log.warning("venue.send_unknown tx_hash=%s error=%r", transaction.tx_hash, failure)


def status_unknown(transaction: Transaction, failure: Exception) -> None:
    """A venue could not say what became of a transaction."""
    _child(VENUE_UNKNOWN, transaction.dex, "status").inc()
    log.warning("venue.status_unknown tx_hash=%s error=%r", transaction.tx_hash, failure)


def unsettled(order: Order) -> None:
    """An order's outcome stayed unknown for a whole lease; it is asked for again later."""
    _child(UNSETTLED, order.dex or "none").inc()
    log.warning("order.unsettled order_id=%s dex=%s", order.id, order.dex)


def suspected(order: Order) -> None:
    """Several workers died over an order that must not fail, since it may have been executed."""
    SUSPECTS.inc()
    log.error("order.suspect order_id=%s crashes=%d dex=%s", order.id, order.crashes, order.dex)


def step_failed(order: Order, bug: Exception) -> None:
    """A step met what neither venue nor store is meant to raise."""
    _child(BUGS, order.status.value).inc()
    log.error("order.bug order_id=%s status=%s", order.id, order.status.value, exc_info=bug)


def reconciled(count: int, bugs: Iterable[BaseException]) -> None:
    """A starting worker asked the venues about orders that others had left submitted."""
    log.info("start.reconciled count=%d", count)
    for bug in bugs:
        tick_failed("reconcile", bug)


def delivered(hinted_at: datetime, now: datetime) -> None:
    """A hint reached a worker. Two clocks are compared, so a little skew shows."""
    QUEUE_WAIT.observe(max(0.0, (now - hinted_at).total_seconds()))


def delivery_dropped(order_id: UUID, reason: str) -> None:
    """A hint led to no work: its order is `finished`, `unknown` or `held` by another."""
    _child(DELIVERIES_DROPPED, reason).inc()
    log.debug("delivery.dropped order_id=%s reason=%s", order_id, reason)


def order_dropped(order_id: UUID, reason: str) -> None:
    """A worker let go of an order: its hold was `stale`, or the store `unavailable`."""
    _child(ORDERS_DROPPED, reason).inc()
    log.warning("order.dropped order_id=%s reason=%s", order_id, reason)


def leases_lost(count: int) -> None:
    """A heartbeat found leases gone to others."""
    if count:
        LEASES_LOST.inc(count)
        log.warning("leases.lost count=%d", count)


def handed_over(count: int) -> None:
    """Held orders were let go of for others to take up."""
    HANDED_OVER.inc(count)
    log.info("leases.handed_over count=%d", count)


def swept(count: int, reason: str) -> None:
    """The sweep hinted orders again: `due`, or `overlooked` by their first hint."""
    if count:
        _child(SWEPT, reason).inc(count)
        log.info("sweep.hinted count=%d reason=%s", count, reason)


def tick_failed(name: str, failure: BaseException) -> None:
    """A periodic task did not reach what it needs, or has a bug; it goes on at its next tick."""
    _child(TICKS_FAILED, name).inc()
    log.warning("tick.failed task=%s error=%r", name, f"{type(failure).__name__}: {failure}")


def queue_lost(count: int) -> None:
    """The queue forgot its hints; `count` orders were made due again."""
    QUEUE_LOST.inc()
    log.warning("queue.lost orders=%d", count)


def backlog(length: int) -> None:
    """The queue's length was read."""
    QUEUE_BACKLOG.set(length)


def hints_dropped(count: int) -> None:
    """Redis could not be told of hints; the sweep makes up for them."""
    HINTS_DROPPED.inc(count)


def steps_untold(count: int) -> None:
    """Redis could not be told of steps; watchers read them from the store."""
    STEPS_UNTOLD.inc(count)


def redis_failed(call: str, failure: Exception) -> None:
    """A call to Redis failed."""
    _child(REDIS_ERRORS, call).inc()
    log.warning("redis.failed call=%s error=%r", call, f"{type(failure).__name__}: {failure}")


def responded(route: str, code: int, took: timedelta) -> None:
    """An HTTP request was answered."""
    _child(REQUESTS, route, str(code)).inc()
    _child(REQUEST_LATENCY, route).observe(took.total_seconds())


def socket_opened() -> None:
    """A WebSocket was opened."""
    SOCKETS.inc()


def socket_closed(code: int) -> None:
    """A WebSocket was closed, by us with `code` or by the client with 1000."""
    SOCKETS.dec()
    _child(SOCKETS_CLOSED, str(code)).inc()


def gap_refilled() -> None:
    """Steps that the feed lost were read from the store."""
    GAPS.inc()


def request_failed(path: str, failure: Exception) -> None:
    """A request met a bug."""
    log.error("request.failed path=%s", path, exc_info=failure)


def message_malformed(text: str | bytes) -> None:
    """A message of the queue made no sense, or named no order; it was dropped."""
    _child(DELIVERIES_DROPPED, "malformed").inc()
    log.warning("delivery.malformed text=%r", text[:64])
