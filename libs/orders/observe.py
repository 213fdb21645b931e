"""What the engine says of itself: one function for each thing that happens, its metric and its
log line together.

Labels come from closed sets; an order's id belongs in the log, and in an exemplar.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from orders import metrics
from orders.domain.amounts import BPS
from orders.domain.errors import FailureCode
from orders.domain.lifecycle import FINAL, Status
from orders.domain.order import Order
from orders.domain.quote import Answer, Quote, Transaction
from orders.logger import log
from orders.metrics import count, hidden, measure, series, shown
from orders.ports import Survey


def running(version: str) -> None:
    """A process of release `version` has begun."""
    series(metrics.BUILD_INFO, version).set(1)


def serving() -> None:
    """An API is made. What it counts begins at 0: Prometheus does not see a series' first step."""
    series(metrics.STEPS, Status.RECEIVED)
    shown(metrics.SOCKETS)


def moved(order: Order, since: datetime | None) -> None:
    """A step of an order was stored, the one before it at `since`; both by the store's clock."""
    count(series(metrics.STEPS, order.status))
    if since and order.updated_at:
        took = (order.updated_at - since).total_seconds()
        measure(series(metrics.STEP_LATENCY, order.status), took)
    if order.retry:
        series(metrics.RETRIES, order.status, order.retry.code).inc()
        log.info(
            "order.retry",
            order_id=order.id,
            status=order.status,
            tries=order.tries,
            attempt=order.attempt,
            wait_seconds=order.retry.wait.total_seconds(),
            code=order.retry.code,
            detail=order.retry.detail,
        )
    if order.is_final:
        _ended(order)
    else:
        log.debug("order.moved", order_id=order.id, status=order.status, seq=order.seq)


def _ended(order: Order) -> None:
    if order.created_at and order.updated_at:
        took = (order.updated_at - order.created_at).total_seconds()
        measure(series(metrics.COMPLETION, order.status), took, order.id)
    if order.failure:
        code, detail = order.failure.code, order.failure.detail
        series(metrics.FAILURES, code).inc()
        log.warning("order.failed", order_id=order.id, code=code, detail=detail)
        return
    if order.dex and order.expected_out and order.actual_out:
        slipped = (order.expected_out - order.actual_out) * BPS // order.expected_out
        measure(series(metrics.SLIPPAGE, order.dex), slipped)
    log.info("order.confirmed", order_id=order.id, dex=order.dex, out=order.actual_out)


def replayed(order: Order) -> None:
    """A request was answered with the earlier order of its key."""
    metrics.REPLAYS.inc()
    log.info("order.replayed", order_id=order.id)


def quoted(order: Order, answer: Answer) -> None:
    """A venue answered a request for a quote."""
    outcome = "quote" if answer.quote else "refused" if answer.is_refusal else "error"
    count(series(metrics.QUOTES, answer.dex, outcome))
    measure(series(metrics.QUOTE_LATENCY, answer.dex), answer.latency.total_seconds())
    if answer.error:
        log.info("quote.failed", order_id=order.id, dex=answer.dex, error=answer.error)


def quote_late(order: Order, answer: Answer) -> None:
    """A venue did not answer a request for a quote in time."""
    series(metrics.QUOTES, answer.dex, "late").inc()
    log.info("quote.failed", order_id=order.id, dex=answer.dex, error=answer.error)


def routed(quote: Quote, answers: Iterable[Answer]) -> None:
    """A route was chosen."""
    count(series(metrics.WINS, quote.dex))
    worst = min(answer.quote.out for answer in answers if answer.quote)
    measure(series(metrics.IMPROVEMENT, quote.dex), (quote.out - worst) * BPS // worst)


def venue_unknown(call: str, transaction: Transaction, failure: Exception) -> None:
    """A `send` failed, which proves nothing, or a `status` said nothing."""
    series(metrics.VENUE_UNKNOWN, transaction.dex, call).inc()
    log.warning(
        "venue.unknown",
        call=call,
        dex=transaction.dex,
        tx_hash=transaction.tx_hash,
        error=_told(failure),
    )


def unsettled(order: Order) -> None:
    """An order's outcome stayed unknown for a whole lease; it is asked for again later."""
    series(metrics.UNSETTLED, order.dex or "none").inc()
    log.warning("order.unsettled", order_id=order.id, dex=order.dex)


def suspected(order: Order) -> None:
    """Several workers died over an order that must not fail, since it may have been executed."""
    metrics.SUSPECTS.inc()
    log.error("order.suspect", order_id=order.id, crashes=order.crashes, dex=order.dex)


def step_failed(order: Order, bug: Exception) -> None:
    """A step met what neither venue nor store is meant to raise."""
    series(metrics.BUGS, order.status).inc()
    log.error("order.bug", order_id=order.id, status=order.status, exc_info=bug)


def task_failed(order_id: str, bug: Exception) -> None:
    """A delivery met a bug outside of any step."""
    series(metrics.BUGS, "none").inc()
    log.error("task.failed", order_id=order_id, exc_info=bug)


def reconciled(count: int, bugs: Iterable[BaseException]) -> None:
    """A starting worker asked the venues about orders that others had left submitted."""
    log.info("start.reconciled", count=count)
    for bug in bugs:
        tick_failed("reconcile", bug)


def working(limit: int, used: Callable[[], int], dexes: Iterable[str]) -> None:
    """A worker is made, which may work on `limit` orders at once, does on `used`, and asks the
    venues `dexes`. What it counts begins at 0: Prometheus does not see a series' first step."""
    shown(metrics.WORKER_SLOTS).set(limit)
    shown(metrics.WORKER_SLOTS_USED).set_function(used)
    for status in Status:
        series(metrics.STEPS, status)
        series(metrics.BUGS, status)
    series(metrics.BUGS, "none")
    for status in FINAL:
        series(metrics.COMPLETION, status)
    for code in FailureCode:
        series(metrics.FAILURES, code)
    for reason in ("due", "overlooked"):
        series(metrics.SWEPT, reason)
    for reason in ("finished", "unknown", "held", "malformed"):
        series(metrics.DELIVERIES_DROPPED, reason)
    for reason in ("stale", "unavailable"):
        series(metrics.ORDERS_DROPPED, reason)
    for dex in dexes:
        for metric in (metrics.WINS, metrics.UNSETTLED):
            series(metric, dex)
        for outcome in ("quote", "refused", "error", "late"):
            series(metrics.QUOTES, dex, outcome)
        for call in ("send", "status"):
            series(metrics.VENUE_UNKNOWN, dex, call)


def delivered(hinted_at: datetime, now: datetime) -> None:
    """A hint reached a worker. Two clocks are compared, so a little skew shows."""
    measure(metrics.QUEUE_WAIT, max(0.0, (now - hinted_at).total_seconds()))


def delivery_dropped(order_id: UUID, reason: str) -> None:
    """A hint led to no work: its order is `finished`, `unknown` or `held` by another."""
    series(metrics.DELIVERIES_DROPPED, reason).inc()
    log.debug("delivery.dropped", order_id=order_id, reason=reason)


def message_malformed(text: str | bytes) -> None:
    """A message of the queue made no sense, or named no order; it was dropped."""
    series(metrics.DELIVERIES_DROPPED, "malformed").inc()
    log.warning("delivery.malformed", text=repr(text[:64]))


def order_dropped(order_id: UUID, reason: str) -> None:
    """A worker let go of an order: its hold was `stale`, or the store `unavailable`."""
    series(metrics.ORDERS_DROPPED, reason).inc()
    log.warning("order.dropped", order_id=order_id, reason=reason)


def leases_lost(count: int) -> None:
    """A heartbeat found leases gone to others."""
    if count:
        metrics.LEASES_LOST.inc(count)
        log.warning("leases.lost", count=count)


def handed_over(count: int) -> None:
    """Held orders were let go of for others to take up."""
    log.info("leases.handed_over", count=count)


def left_in_haste(within: timedelta) -> None:
    """A process could not end in time what it had begun; the sweep will find it."""
    log.warning("process.left_in_haste", after_seconds=within.total_seconds())


def waited_for(what: str, failure: Exception) -> None:
    """A starting process cannot go on without `what`; it asks again."""
    log.warning("start.waiting", what=what, error=_told(failure))


def reached(what: str) -> None:
    """What a starting process waited for is there."""
    log.warning("start.reached", what=what)


def swept(count: int, reason: str) -> None:
    """The sweep hinted orders again: `due`, or `overlooked` by their first hint."""
    if count:
        series(metrics.SWEPT, reason).inc(count)
        log.info("sweep.hinted", count=count, reason=reason)


def surveyed(survey: Survey) -> None:
    """The open orders were counted."""
    oldest = survey.oldest.total_seconds() if survey.oldest else 0
    shown(metrics.OLDEST_ORDER).set(oldest)
    shown(metrics.RETRIES_DUE).set(survey.due)
    shown(metrics.SUBMITTED_STUCK).set(survey.stuck)


def unsurveyed() -> None:
    """The open orders could not be counted."""
    for gauge in (metrics.OLDEST_ORDER, metrics.RETRIES_DUE, metrics.SUBMITTED_STUCK):
        hidden(gauge)


def tick_failed(name: str, failure: BaseException) -> None:
    """A periodic task did not reach what it needs, or has a bug; it goes on at its next tick."""
    series(metrics.TICKS_FAILED, name).inc()
    log.warning("tick.failed", task=name, error=_told(failure))


def queue_lost(count: int) -> None:
    """The queue forgot its hints; `count` orders were made due again."""
    metrics.QUEUE_LOST.inc()
    log.warning("queue.lost", orders=count)


def backlog(length: int) -> None:
    """The queue's length was read. While it cannot be, the last one stays: an autoscaler that was
    told nothing could not tell that from an empty queue."""
    shown(metrics.QUEUE_BACKLOG).set(length)


def hints_dropped(count: int) -> None:
    """Redis could not be told of hints; the sweep makes up for them."""
    metrics.HINTS_DROPPED.inc(count)


def steps_untold(count: int) -> None:
    """Redis could not be told of steps; watchers read them from the store."""
    metrics.FEED_DROPPED.inc(count)


def redis_failed(call: str, failure: Exception) -> None:
    """A call to Redis failed."""
    series(metrics.REDIS_ERRORS, call).inc()
    log.warning("redis.failed", call=call, error=_told(failure))


def pooled(in_use: Callable[[], int], limit: int) -> None:
    """A pool of at most `limit` PostgreSQL connections was opened; `in_use` says how many are."""
    metrics.DATABASE_CONNECTIONS_LIMIT.set(limit)
    metrics.DATABASE_CONNECTIONS.set_function(in_use)


def queried(statement: str, seconds: float, values: int | None = None) -> None:
    """PostgreSQL answered a statement, which carried a batch of `values` if told."""
    measure(series(metrics.STATEMENT_LATENCY, statement), seconds)
    if values is not None:
        measure(series(metrics.BATCH_SIZE, statement), values)


def responded(route: str, code: int, took: timedelta, order_id: UUID | None) -> None:
    """An HTTP request was answered; it placed the order `order_id`, if any."""
    count(series(metrics.REQUESTS, route, str(code)))
    measure(series(metrics.REQUEST_LATENCY, route), took.total_seconds(), order_id)


def request_failed(path: str, failure: Exception) -> None:
    """A request met a bug."""
    log.error("request.failed", path=path, exc_info=failure)


def socket_opened() -> None:
    """A WebSocket was opened."""
    shown(metrics.SOCKETS).inc()


def socket_closed(code: int) -> None:
    """A WebSocket was closed, by us with `code` or by the client with 1000."""
    shown(metrics.SOCKETS).dec()
    series(metrics.SOCKETS_CLOSED, str(code)).inc()


def heard(stored_at: datetime, now: datetime) -> None:
    """A batch of steps came by the feed. Two clocks are compared, so a little skew shows."""
    measure(metrics.FEED_LAG, max(0.0, (now - stored_at).total_seconds()))


def gap_refilled() -> None:
    """Steps that the feed lost were read from the store."""
    metrics.GAPS.inc()


def _told(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}"
