"""Internals: PostgreSQL, Redis, recovery, the order's steps, and the processes themselves."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from charts.dashboards.board import board
from charts.dashboards.panels import Panel, lines, number, percentiles, rising, target
from charts.dashboards.queries import (
    EACH,
    OURS,
    PROCESS,
    of,
    quantile,
    quiet,
    rate,
    total,
    within,
    zero,
)

POISON = ("OrderEnginePoison",)
POOL = ("OrderEnginePoolExhausted",)
GAPS = ("OrderEngineFeedGaps",)
LOST = ("OrderEngineSweepFindsLost",)
QUEUE_LOST = ("OrderEngineQueueLost",)
DOWN = ("OrderEngineTargetDown",)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "internals",
        "Internals",
        "PostgreSQL, Redis, recovery, the steps of orders, and the processes themselves.",
        ("At a glance", _numbers()),
        ("PostgreSQL", _postgresql()),
        ("Redis: queue and feed", _redis()),
        ("Recovery and bugs", _recovery()),
        ("Steps", _steps()),
        ("Processes", _processes()),
    )


def _numbers() -> list[Panel]:
    return [
        number(
            "Save p99", "s",
            "How long 99 of 100 saves of a step took at most. Every step waits for one.",
            quantile(0.99, "statement_seconds", where='statement="save"'),
            limits=rising(0.02, 0.1), alerts=POOL,
        ),
        number(
            "Pool used", "percentunit",
            "The fullest pool of PostgreSQL connections. Full for long, statements wait: raise "
            "DATABASE_POOL_SIZE, or find the slow statement.",
            f"max({of('database_connections')} / {of('database_connections_limit')})",
            limits=rising(0.8, 1), alerts=POOL, empty="unknown",
        ),
        number(
            "Feed lag p99", "s",
            "From a step's being stored to an API's hearing of it. The goal is 20 ms.",
            quantile(0.99, "feed_lag_seconds"),
            limits=rising(0.02, 0.1), alerts=GAPS, empty="no feed",
        ),
        number(
            "Redis errors", "ops",
            "Calls to Redis that failed. Orders survive them, and are told later.",
            zero(rate("redis_errors_total")), limits=rising(0.1, 1), alerts=LOST,
        ),
        number(
            "Overlooked", "ops",
            "Orders that the sweep found whose hint led nowhere: Redis loses hints, or workers do.",
            zero(rate("swept_total", where='reason="overlooked"')),
            limits=rising(0.01, 0.1), alerts=LOST,
        ),
        number(
            "Ticks failed", "ops",
            "Runs of a periodic task that failed, such as heartbeats and sweeps.",
            zero(rate("ticks_failed_total")), limits=rising(0.1, 1),
        ),
        number(
            "Bugs", "ops",
            "Steps that met an error that nobody foresaw. The log has its traceback.",
            zero(rate("bugs_total")), limits=rising(0.001, 0.1), alerts=POISON,
        ),
        number(
            "Processes down", "none",
            "APIs and workers that Prometheus knows of and cannot scrape.",
            zero(f"sum(up{{{within(OURS)}}} == bool 0)"), limits=rising(1), alerts=DOWN,
        ),
    ]  # fmt: skip


def _postgresql() -> list[Panel]:
    return [
        lines(
            "Statement p99", "s",
            "How long 99 of 100 statements took at most, with the wait for a connection. All of "
            "them slow: PostgreSQL or the pool. One of them slow: its plan.",
            target(quantile(0.99, "statement_seconds", "statement"), "{{statement}}"),
            alerts=POOL,
        ),
        lines(
            "Statement p50", "s",
            "How long the middle statement took, with the wait for a connection.",
            target(quantile(0.5, "statement_seconds", "statement"), "{{statement}}"),
        ),
        lines(
            "Statements a second", "ops",
            "What PostgreSQL is asked. add, save, get and history carry many orders each.",
            target(rate("statement_seconds_count", "statement"), "{{statement}}"),
        ),
        lines(
            "Group commit: batch size", "none",
            "Values that one statement carried. It grows with load, which is what keeps the rate "
            "of commits low. At 1 under load batching does not work.",
            target(_mean_batch(), "{{statement}} mean"),
            target(quantile(0.95, "batch_size", "statement"), "{{statement}} p95"),
            label="values", width=12,
        ),
        lines(
            "Connections", "none",
            "PostgreSQL connections in use by each process, and the limit of the smallest pool.",
            target(total(of("database_connections"), *PROCESS), EACH),
            target(f"min({of('database_connections_limit')})", "limit"),
            alerts=POOL, width=12,
        ),
    ]  # fmt: skip


def _redis() -> list[Panel]:
    return [
        lines(
            "Feed lag", "s",
            "From a step's being stored to an API's hearing of it. Two clocks are compared, so a "
            "few milliseconds mean nothing.",
            *percentiles("feed_lag_seconds", 0.5, 0.95, 0.99),
            limits=rising(0.02, 0.1), alerts=GAPS, width=6,
        ),
        lines(
            "Gaps refilled", "ops",
            "Gaps in the feed that sockets filled from PostgreSQL, and steps that Redis could not "
            "be told. Clients miss nothing, but hear late.",
            target(zero(rate("gaps_refilled_total")), "gaps refilled"),
            target(zero(rate("feed_dropped_total")), "steps dropped"),
            alerts=GAPS, width=6,
        ),
        lines(
            "Hints dropped and queue lost", "ops",
            "Hints that Redis could not be told, and times that it was found to have forgotten "
            "the queue. The orders are hinted again.",
            target(zero(rate("hints_dropped_total")), "hints dropped"),
            target(zero(rate("queue_lost_total")), "queue lost"),
            alerts=(*LOST, *QUEUE_LOST), width=6,
        ),
        lines(
            "Redis errors by call", "ops",
            "Calls to Redis that failed, by what was to be done.",
            target(quiet(rate("redis_errors_total", "call"), "call"), "{{call}}"),
            is_stacked=True, alerts=LOST, width=6,
        ),
    ]  # fmt: skip


def _recovery() -> list[Panel]:
    return [
        lines(
            "Swept by reason", "ops",
            "Orders that the sweep hinted again. due is daily work: retries, and orders of workers "
            "that ended. overlooked is a hint that led nowhere.",
            target(rate("swept_total", "reason"), "{{reason}}"), is_stacked=True, alerts=LOST,
        ),
        lines(
            "Leases lost, orders let go", "ops",
            "Leases that ran out, and orders that a worker let go of unfinished.",
            target(zero(rate("leases_lost_total")), "leases lost"),
            target(rate("orders_dropped_total", "reason"), "{{reason}}"),
        ),
        lines(
            "Ticks failed by task", "ops",
            "Periodic tasks that failed; each goes on at its next tick. A heartbeat that fails for "
            "long loses leases.",
            target(quiet(rate("ticks_failed_total", "task"), "task"), "{{task}}"),
            is_stacked=True,
        ),
        lines(
            "Bugs by status", "ops",
            "Steps that met an error that nobody foresaw, by where the order stood.",
            target(rate("bugs_total", "status"), "{{status}}"), is_stacked=True, alerts=POISON,
        ),
        lines(
            "Suspects and poison", "ops",
            "Visits to orders over which several workers died, orders that failed as poison, and "
            "messages that made no sense.",
            target(zero(rate("suspects_total")), "suspects"),
            target(zero(rate("failures_total", where='code="poison"')), "poison"),
            target(zero(rate("deliveries_dropped_total", where='reason="malformed"')),
                   "malformed"),
            alerts=POISON,
        ),
        lines(
            "Oldest order", "s",
            "Age of the oldest order that is not final. What recovery forgets shows here.",
            target(f"max({of('oldest_order_seconds')})", "oldest order"),
            limits=rising(30, 60), alerts=("OrderEngineOldestOrder",),
        ),
    ]  # fmt: skip


def _steps() -> list[Panel]:
    return [
        lines(
            "Steps a second by status", "ops",
            "Steps that were stored, by the status stepped to. routing above received means that "
            "orders are routed again.",
            target(rate("steps_total", "status"), "{{status}}"),
            alerts=("OrderEngineNoProgress",),
        ),
        lines(
            "Step p50 by status", "s",
            "From one stored step to the next, in the middle. confirmed holds the venue's time.",
            target(quantile(0.5, "step_seconds", "status"), "{{status}}"),
        ),
        lines(
            "Step p99 by status", "s",
            "From one stored step to the next, for 99 of 100. The slowest is what to speed up.",
            target(quantile(0.99, "step_seconds", "status"), "{{status}}"),
        ),
    ]  # fmt: skip


def _processes() -> list[Panel]:
    return [
        lines(
            "Processes by release", "none",
            "Processes of each version. Two for longer than a rollout means that it hangs.",
            target(f"count by (version) ({of('build_info')})", "{{version}}"),
            is_stacked=True, alerts=DOWN,
        ),
        lines(
            "Garbage collections", "ops",
            "Python's, by generation. Many of generation 2 stop the loop again and again.",
            target(total(f"rate(python_gc_collections_total{{{within(OURS)}}}[$__rate_interval])",
                         "service", "generation"), "{{service}} {{generation}}"),
        ),
        lines(
            "Open files by process", "percentunit",
            "File descriptors, sockets among them, of the most that the process may open.",
            target(f"{total(f'process_open_fds{{{within(OURS)}}}', *PROCESS)} / "
                   f"{total(f'process_max_fds{{{within(OURS)}}}', *PROCESS)}", EACH),
            limits=rising(0.7, 0.9),
        ),
    ]  # fmt: skip


def _mean_batch() -> str:
    """The mean of a batch."""
    return f"{rate('batch_size_sum', 'statement')} / ({rate('batch_size_count', 'statement')} > 0)"
