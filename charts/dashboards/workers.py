"""Workers and autoscaling: do the workers keep up, and what did the autoscaler do?"""

from grafana_foundation_sdk.models.dashboard import Dashboard

from charts.dashboards.board import board
from charts.dashboards.panels import Panel, falling, lines, number, percentiles, rising, target
from charts.dashboards.queries import (
    EACH,
    OURS,
    PROCESS,
    of,
    once,
    quantile,
    rate,
    ratio,
    total,
    within,
    zero,
)

WHERE = 'namespace=~"$namespace"'
AUTOSCALER = f'{{{WHERE},horizontalpodautoscaler=~"(keda-hpa-)?$release(-.*)?-worker"}}'
DEPLOYMENT = f'{{{WHERE},deployment=~"$release(-.*)?-worker"}}'
WANTED = f"sum(kube_horizontalpodautoscaler_status_desired_replicas{AUTOSCALER})"
MOST = f"sum(kube_horizontalpodautoscaler_spec_max_replicas{AUTOSCALER})"
RUNNING = f"count({of('worker_slots')})"
AT_MAX = ("OrderEngineAutoscalerAtMax",)
NO_PROGRESS = ("OrderEngineNoProgress",)
ONE = "{{pod}} {{instance}}"
NO_CLUSTER = "no KSM"


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "workers",
        "Workers and autoscaling",
        "Do the workers keep up with the backlog, and what did the autoscaler do about it?",
        ("At a glance", _numbers()),
        ("Autoscaling", _autoscaling()),
        ("Work", _work()),
        ("Let go and dropped", _dropped()),
        ("Processes", _processes()),
    )


def _numbers() -> list[Panel]:
    return [
        number(
            "Workers", "none",
            "Workers that Prometheus reaches. None means that nothing is executed.",
            zero(RUNNING), limits=falling(1), alerts=(*NO_PROGRESS, "OrderEngineTargetDown"),
        ),
        number(
            "Replicas wanted", "none",
            "What the autoscaler asks for, as kube-state-metrics tells. More than the workers for "
            "long: pods do not start.",
            WANTED, alerts=AT_MAX, empty=NO_CLUSTER,
        ),
        number(
            "Of its most", "percentunit",
            "Replicas wanted of the most that the autoscaler may ask for. At 100 % with a backlog "
            "that does not fall, raise autoscaling.maxReplicas.",
            ratio(WANTED, MOST), limits=rising(0.8, 1), alerts=AT_MAX, empty=NO_CLUSTER,
        ),
        number(
            "Hints a worker", "short",
            "Hints for each worker. The autoscaler aims at a worker's slots.",
            ratio(once("queue_backlog"), RUNNING), alerts=AT_MAX, empty="unknown",
        ),
        number(
            "Slots used", "percentunit",
            "The share of the workers' slots that work on an order. Full slots with a growing "
            "backlog ask for more workers.",
            ratio(total(of("worker_slots_used")), total(of("worker_slots"))),
            limits=rising(0.9, 1), alerts=AT_MAX, empty="no worker",
        ),
        number(
            "Queue wait p95", "s",
            "How long 95 of 100 hints waited for a worker at most. Over a second orders pile up.",
            quantile(0.95, "queue_wait_seconds"), limits=rising(0.25, 1), alerts=AT_MAX,
        ),
        number(
            "Orders a worker", "ops",
            "Orders that a worker ends a second, on average. It falls with slower venues.",
            ratio(rate("completion_seconds_count"), RUNNING), empty="no worker",
        ),
        number(
            "Leases lost", "ops",
            "Leases that ran out while the worker still held the order: it or PostgreSQL hung.",
            zero(rate("leases_lost_total")), limits=rising(0.01, 0.1),
        ),
    ]  # fmt: skip


def _autoscaling() -> list[Panel]:
    return [
        lines(
            "Replicas", "none",
            "Wanted and at most: the autoscaler's. Current: the deployment's. Running: workers "
            "that Prometheus reaches. All but running come from kube-state-metrics, for objects "
            "that bear the release's name.",
            target(WANTED, "wanted"),
            target(f"sum(kube_horizontalpodautoscaler_status_current_replicas{AUTOSCALER})",
                   "counted by the autoscaler"),
            target(f"sum(kube_deployment_spec_replicas{DEPLOYMENT})", "asked of the deployment"),
            target(f"sum(kube_deployment_status_replicas{DEPLOYMENT})", "current"),
            target(MOST, "at most"),
            target(zero(RUNNING), "running"),
            alerts=(*AT_MAX, "OrderEngineTargetDown"), width=12,
        ),
        lines(
            "What the autoscaler did", "none",
            "Replicas that the autoscaler added or took away. It may add at once, and takes away "
            "one a minute after five quiet minutes.",
            target(f"{WANTED} - {WANTED.replace('})', '} offset $__interval)')}", "replicas"),
            is_bars=True, label="replicas", alerts=AT_MAX, width=12,
        ),
        lines(
            "Backlog", "short",
            "Hints in the queue, waiting or being worked on. It is what the autoscaler follows.",
            target(once("queue_backlog"), "backlog"),
            target(total(of("worker_slots")), "slots of all workers"),
            alerts=NO_PROGRESS, width=12,
        ),
        lines(
            "Backlog a worker", "short",
            "Hints for each worker, beside the slots that one has. Above its slots, hints wait.",
            target(ratio(once("queue_backlog"), RUNNING), "backlog a worker"),
            target(f"avg({of('worker_slots')})", "slots a worker"),
            alerts=AT_MAX, width=12,
        ),
    ]  # fmt: skip


def _work() -> list[Panel]:
    return [
        lines(
            "Slots used by worker", "percentunit",
            "The share of each worker's slots that work on an order. One far below the others "
            "takes no work: look at its log.",
            target(f"{total(of('worker_slots_used'), *PROCESS)} / "
                   f"{total(of('worker_slots'), *PROCESS)}", ONE),
            limits=rising(0.9, 1), alerts=AT_MAX,
        ),
        lines(
            "Queue wait", "s",
            "From a hint's being sent to its reaching a worker. Two clocks are compared, so a few "
            "milliseconds mean nothing.",
            *percentiles("queue_wait_seconds", 0.5, 0.95, 0.99),
            limits=rising(0.25, 1), alerts=AT_MAX,
        ),
        lines(
            "Orders a second by worker", "ops",
            "Orders that each worker ended. One at none while the others work hangs.",
            target(rate("completion_seconds_count", *PROCESS), ONE), alerts=NO_PROGRESS,
        ),
    ]  # fmt: skip


def _dropped() -> list[Panel]:
    return [
        lines(
            "Leases lost by worker", "ops",
            "Leases that ran out while the worker still held the order. Another took it up, and "
            "nothing that the first still did was stored.",
            target(rate("leases_lost_total", *PROCESS, where='service="worker"'), ONE),
        ),
        lines(
            "Orders let go unfinished", "ops",
            "stale: another worker had taken the order. unavailable: PostgreSQL could not be "
            "reached. Both are taken up again by the sweep.",
            target(rate("orders_dropped_total", "reason"), "{{reason}}"), is_stacked=True,
        ),
        lines(
            "Deliveries dropped", "ops",
            "Hints that led to no work. finished and held are repeats and harmless; unknown and "
            "malformed should not be: somebody else writes to the queue.",
            target(rate("deliveries_dropped_total", "reason"), "{{reason}}"),
            is_stacked=True, alerts=("OrderEnginePoison",),
        ),
    ]  # fmt: skip


def _processes() -> list[Panel]:
    return [
        lines(
            "CPU by process", "percentunit",
            "Cores used. A process is one thread: at 100 % it can do no more, so run more of them.",
            target(total(f"rate(process_cpu_seconds_total{{{within(OURS)}}}[$__rate_interval])",
                         *PROCESS), EACH),
            limits=rising(0.8, 1), width=12,
        ),
        lines(
            "Memory by process", "bytes",
            "Resident memory. Compare it with the pods' limits; steady growth is a leak.",
            target(total(f"process_resident_memory_bytes{{{within(OURS)}}}", *PROCESS), EACH),
            width=12,
        ),
    ]  # fmt: skip
