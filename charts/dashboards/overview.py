"""Overview: what an operator sees at a glance, and below it what that is made of."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from charts.dashboards.board import board
from charts.dashboards.panels import (
    BURN,
    Panel,
    alerts_firing,
    falling,
    heatmap,
    lines,
    number,
    percentiles,
    rising,
    target,
)
from charts.dashboards.queries import (
    ACCEPTS_ALLOWED,
    CONFIRMED,
    EXECUTE,
    ORDERS_ALLOWED,
    SCOPE,
    accepts_kept,
    burn,
    increase,
    of,
    once,
    orders_kept,
    quantile,
    quiet,
    rate,
    ratio,
    total,
    zero,
)

ORDERS_BURN = ("OrderEngineOrdersBurnFast", "OrderEngineOrdersBurnSlow")
ACCEPTS_BURN = ("OrderEngineAcceptsBurnFast", "OrderEngineAcceptsBurnSlow")
ENDED = zero(rate("completion_seconds_count"))
FIRING = f'ALERTS{{{SCOPE.removesuffix(chr(34))}|",alertstate="firing",alertname=~"OrderEngine.*"}}'
"""Some alerts are about a namespace and have no release."""


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "overview",
        "Overview",
        "Are orders confirmed as promised, what waits, what fails, and do the workers keep up?",
        ("At a glance", [*_orders(), *_requests(), *_courses(), *_failures()]),
        ("The promise", _promise()),
        ("Queue and workers", _queue()),
        ("API", _api()),
    )


def _orders() -> list[Panel]:
    return [
        number(
            "Orders as promised", "percentunit",
            "Of the orders that the engine answers for, the share confirmed within 10 s, over the "
            "dashboard's time. 99 % is promised. What the market or the client made fail does not "
            "count. Below it: look at failures by code, then at the oldest order.",
            orders_kept("$__range"), limits=falling(0.99), alerts=ORDERS_BURN, is_instant=True,
        ),
        number(
            "Orders' burn, 1 h", BURN,
            "How many times faster than allowed orders missed their promise in the last hour. At 1 "
            "the budget lasts just as long as planned; at 14.4 a month's is gone in two days.",
            burn(orders_kept("1h"), ORDERS_ALLOWED),
            limits=rising(1, 14.4), alerts=ORDERS_BURN, is_instant=True,
        ),
        number(
            "Confirmed", "ops",
            "Orders confirmed a second. If it falls while the backlog grows, look at Workers.",
            zero(rate("completion_seconds_count", where=CONFIRMED)),
        ),
        number(
            "Confirm p99", "s",
            "From an order's receipt to its confirmation, for 99 of 100. More than 10 s breaks the "
            "promise: look at the queue, then at step latency in Internals.",
            quantile(0.99, "completion_seconds", where=CONFIRMED),
            limits=rising(5, 10), alerts=ORDERS_BURN,
        ),
        number(
            "Backlog", "short",
            "Hints in the queue that no worker has finished. The autoscaler follows it. It matters "
            "if it does not fall: see when it will be drained.",
            once("queue_backlog"), alerts=("OrderEngineNoProgress",), empty="unknown",
        ),
        number(
            "Oldest order", "s",
            "Age of the oldest order that is not final. Over a minute something holds it: read its "
            "history, GET api/orders/ID/events.",
            f"max({of('oldest_order_seconds')})",
            limits=rising(30, 60), alerts=("OrderEngineOldestOrder",), empty="unknown",
        ),
        number(
            "Workers", "none",
            "Workers that Prometheus reaches. None means that nothing is executed.",
            zero(f"count({of('worker_slots')})"),
            limits=falling(1), alerts=("OrderEngineNoProgress", "OrderEngineTargetDown"),
        ),
        number(
            "Firing alerts", "none",
            "Alerts of the engine that fire now. They are listed below, with their runbooks.",
            zero(f"count({FIRING})"), limits=rising(1), is_instant=True,
        ),
    ]  # fmt: skip


def _requests() -> list[Panel]:
    return [
        number(
            "Accepts without 5xx", "percentunit",
            "Of the requests that place orders, the share that got no 5xx, over the dashboard's "
            "time. 99.9 % is promised. Below it: look at PostgreSQL, which is all an accept needs.",
            accepts_kept("$__range"), limits=falling(0.999), alerts=ACCEPTS_BURN, is_instant=True,
        ),
        number(
            "Accepts' burn, 1 h", BURN,
            "How many times faster than allowed requests for an order got a 5xx in the last hour.",
            burn(accepts_kept("1h"), ACCEPTS_ALLOWED),
            limits=rising(1, 14.4), alerts=ACCEPTS_BURN, is_instant=True,
        ),
        number(
            "Accepted", "ops",
            "Orders stored a second. Compare it with confirmed: what is accepted must end.",
            zero(rate("steps_total", where='status="received"')),
        ),
        number(
            "POST p99", "s",
            "How long 99 of 100 requests for an order took at most. The goal is 10 ms; an answer "
            "means that the order is durable. More: look at statement times in Internals.",
            quantile(0.99, "request_seconds", where=EXECUTE), limits=rising(0.01, 0.1),
        ),
        number(
            "Drained in", "s",
            "The backlog at the rate at which orders end now, if no more came. Over a minute the "
            "workers do not keep up: look at what the autoscaler did.",
            f"{once('queue_backlog')} / clamp_min({ENDED}, 0.001)",
            limits=rising(10, 60), alerts=("OrderEngineNoProgress",), empty="unknown",
        ),
        number(
            "Stuck submitted", "short",
            "Orders over a minute old whose sent transaction has no known outcome. They are asked "
            "about again and never sent twice. More than none: look at unknown calls in Routing.",
            once("submitted_stuck"),
            limits=rising(1), alerts=("OrderEngineSubmittedStuck",), empty="unknown",
        ),
        number(
            "Slots used", "percentunit",
            "The share of the workers' slots that work on an order. Full slots with a growing "
            "backlog ask for more workers; full slots without one are well used.",
            ratio(total(of("worker_slots_used")), total(of("worker_slots"))),
            limits=rising(0.9, 1), empty="no worker",
        ),
        number(
            "Queue wait p95", "s",
            "How long 95 of 100 hints waited for a worker at most. Over a second orders pile up.",
            quantile(0.95, "queue_wait_seconds"),
            limits=rising(0.25, 1), alerts=("OrderEngineAutoscalerAtMax",),
        ),
    ]  # fmt: skip


def _courses() -> list[Panel]:
    return [
        lines(
            "Accept to confirmed", "s",
            "How long orders took from receipt to confirmation. The promise is 10 s. A point is a "
            "single order; its trace id is the order's id without dashes.",
            *percentiles("completion_seconds", 0.5, 0.95, 0.99, where=CONFIRMED, exemplars=True),
            limits=rising(5, 10), alerts=ORDERS_BURN,
        ),
        lines(
            "Orders a second", "ops",
            "What comes in and how it ends. Accepted above confirmed for long means that orders "
            "wait or fail.",
            target(zero(rate("steps_total", where='status="received"')), "accepted"),
            target(zero(rate("completion_seconds_count", where=CONFIRMED)), "confirmed"),
            target(zero(rate("failures_total")), "failed"),
            alerts=("OrderEngineConfirmRatio",),
        ),
        lines(
            "Queue", "short",
            "Hints that no worker has finished, orders whose wait for another try is over, and how "
            "old the oldest order is (on the right).",
            target(once("queue_backlog"), "backlog"),
            target(once("retries_due"), "retries due"),
            target(f"max({of('oldest_order_seconds')})", "oldest order"),
            right={"oldest order": "s"},
            alerts=("OrderEngineOldestOrder", "OrderEngineNoProgress"),
        ),
    ]  # fmt: skip


def _failures() -> list[Panel]:
    return [
        lines(
            "Failures by code", "ops",
            "Orders that failed for good. no_route, slippage_exceeded, insufficient_funds and "
            "venue_refused are the market's or the client's; attempts_exhausted and poison are "
            "ours.",
            target(rate("failures_total", "code"), "{{code}}"),
            is_stacked=True, alerts=("OrderEngineConfirmRatio", "OrderEnginePoison"),
        ),
        lines(
            "Retries by code", "ops",
            "Steps that failed and are tried again, by the code with which the order would fail "
            "in the end. What rises here fails a little later.",
            target(quiet(rate("retries_total", "code"), "code"), "{{code}}"), is_stacked=True,
        ),
        alerts_firing(
            "Which alerts fire",
            "The engine's alerts that fire now. A name leads to its runbook.",
            f"max by (alertname, severity, namespace, release) ({FIRING})",
        ),
    ]  # fmt: skip


def _promise() -> list[Panel]:
    windows = ("5m", "1h", "6h")
    return [
        lines(
            "Burn of the orders' budget", BURN,
            "1 % of the orders may miss 10 s. At 1 that is used up just as fast as allowed; "
            "14.4 over an hour and five minutes pages somebody.",
            *(target(burn(orders_kept(window), ORDERS_ALLOWED), window) for window in windows),
            limits=rising(1, 14.4), alerts=ORDERS_BURN, width=6,
        ),
        lines(
            "Burn of the accepts' budget", BURN,
            "0.1 % of the requests for an order may get a 5xx. At 1 that is used up just as fast "
            "as allowed; 14.4 over an hour and five minutes pages somebody.",
            *(target(burn(accepts_kept(window), ACCEPTS_ALLOWED), window) for window in windows),
            limits=rising(1, 14.4), alerts=ACCEPTS_BURN, width=6,
        ),
        heatmap(
            "Accept to confirmed, every order", "s",
            "How the times from receipt to confirmation are spread. A second band is a group of "
            "orders that something holds: open a point's trace.",
            increase("completion_seconds_bucket", "le", where=CONFIRMED),
            exemplars=True, alerts=ORDERS_BURN, width=6,
        ),
        lines(
            "Confirmed of all that ended", "percentunit",
            "Whatever they failed of, the market included. Under 90 % look at failures by code.",
            target(ratio(rate("completion_seconds_count", where=CONFIRMED),
                         rate("completion_seconds_count")), "confirmed"),
            limits=falling(0.9, 0.99), alerts=("OrderEngineConfirmRatio",), width=6,
        ),
    ]  # fmt: skip


def _queue() -> list[Panel]:
    return [
        lines(
            "Slots", "short",
            "Orders that the workers work on, and may work on at once.",
            target(total(of("worker_slots_used")), "used"),
            target(total(of("worker_slots")), "all"),
            alerts=("OrderEngineAutoscalerAtMax",),
        ),
        lines(
            "Queue wait", "s",
            "From a hint's being sent to its reaching a worker. Two clocks are compared, so a few "
            "milliseconds mean nothing.",
            *percentiles("queue_wait_seconds", 0.5, 0.95, 0.99),
            limits=rising(0.25, 1), alerts=("OrderEngineAutoscalerAtMax",),
        ),
        lines(
            "Waiting for somebody", "short",
            "Orders due for another try that no worker has taken up, and sent transactions over a "
            "minute old without an outcome. Both should return to none.",
            target(once("retries_due"), "retries due"),
            target(once("submitted_stuck"), "stuck submitted"),
            alerts=("OrderEngineSubmittedStuck",),
        ),
    ]  # fmt: skip


def _api() -> list[Panel]:
    return [
        lines(
            "Requests by code", "reqps",
            "Requests to the API. 499 is a client that "
            "hung up; 503 is admission, which protects the queue, or a PostgreSQL out of reach.",
            target(rate("requests_total", "code", where='route=~"api/.*|none"'), "{{code}}"),
            is_stacked=True, alerts=ACCEPTS_BURN, width=6,
        ),
        lines(
            "5xx by route", "reqps",
            "Requests that the API could not answer. A few during a failover of PostgreSQL are "
            "expected.",
            target(quiet(rate("requests_total", "route", where='code=~"5.."'), "route"),
                   "{{route}}"),
            alerts=ACCEPTS_BURN, width=6,
        ),
        lines(
            "POST latency", "s",
            "How long a request for an order took. The goal is 10 ms at p99. A point is a single "
            "request with its order's trace id.",
            *percentiles("request_seconds", 0.5, 0.95, 0.99, where=EXECUTE, exemplars=True),
            limits=rising(0.01, 0.1), width=6,
        ),
        heatmap(
            "POST latency, every request", "s",
            "How the times of requests for an order are spread.",
            increase("request_seconds_bucket", "le", where=EXECUTE), exemplars=True, width=6,
        ),
        lines(
            "Sockets", "short",
            "Open WebSockets. A fall to none means that a process or a proxy closed them all.",
            target(zero(total(of("sockets"))), "open"),
        ),
        lines(
            "Sockets closed by code", "ops",
            "1000 is a story told to its end, 1001 and 1012 a process that stops, 4404 an unknown "
            "order, 4408 a client that was too slow to read.",
            target(quiet(rate("sockets_closed_total", "code"), "code"), "{{code}}"),
            is_stacked=True,
        ),
        lines(
            "Repeated requests", "reqps",
            "Requests that repeated an idempotency key and got the earlier order. Many mean that "
            "clients do not hear the first answer.",
            target(zero(rate("replays_total")), "replays"),
        ),
    ]  # fmt: skip
