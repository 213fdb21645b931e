"""Values that make no sense, each with words of the setting and of the fix."""

from typing import Any

from tests.chart.helm import Object, Values
from tests.chart.scenarios import GATEWAY, INGRESS, PEERS, merged


def autoscaling(mode: str, **more: Any) -> Object:
    """Values for workers that are scaled so."""
    redis = {"redis": {"address": "redis.data.svc:6379"}}
    return merged({"autoscaling": {"mode": mode} | redis | more})


ZERO: Object = {"minReplicas": 0, "acceptWaitingOrders": True}


DEV: Object = {"dev": {"enabled": True}, "postgres": {"url": ""}, "redis": {"url": ""}}


# What is laid over values that fit, and words of the setting and of the fix.
TOGETHER: dict[str, tuple[Values, list[str]]] = {
    "a grace period below a worker's drain": (
        {"worker": {"drainSeconds": 25, "terminationGracePeriodSeconds": 30}},
        ["worker.terminationGracePeriodSeconds: 30", "drainSeconds 25", "Set it to 33 or more"],
    ),
    "a grace period one second too short": (
        {"worker": {"terminationGracePeriodSeconds": 8}},
        ["worker.terminationGracePeriodSeconds: 8", "1 + drainSeconds 0.5 + shutdownSeconds 5 + 2",
         "Set it to 9 or more"],
    ),
    "a grace period below the API's sleep": (
        {"api": {"preStopSleepSeconds": 30}},
        ["api.terminationGracePeriodSeconds: 30", "Set it to 37 or more"],
    ),
    "no PostgreSQL": (
        {"postgres": {"url": ""}},
        ["postgres: no PostgreSQL", "postgres.existingSecret.name", "dev.enabled=true"],
    ),
    "no Redis": (
        {"redis": {"url": ""}},
        ["redis: no Redis", "redis.existingSecret.name", "dev.enabled=true"],
    ),
    "a URL of another database": (
        {"postgres": {"url": "mysql://root:canary-of-mysql@db/orders"}},
        ["postgres.url", "postgresql://"],
    ),
    "Redis' URL where PostgreSQL's belongs": (
        {"redis": {"url": "http://:canary-of-redis@redis"}},
        ["redis.url", "redis://"],
    ),
    "a dev database and one of one's own": (
        {"dev": {"postgres": {"enabled": True}}},
        ["dev.postgres and postgres.url", "Unset postgres.*"],
    ),
    "dev databases and many of the API": (
        merged(DEV, {"api": {"replicas": 2}}),
        ["api.replicas: 2", "dev database", "Set it to 1", "dev.allowReplicas=true"],
    ),
    "dev databases and many workers": (
        merged(DEV, {"worker": {"replicas": 3}}),
        ["worker.replicas: 3", "dev database", "Set it to 1"],
    ),
    "dev databases and an API that scales": (
        merged(DEV, {"api": {"hpa": {"enabled": True}}}),
        ["api.hpa.maxReplicas: 10", "dev database"],
    ),
    "dev databases and workers that scale": (
        merged(DEV, autoscaling("keda")),
        ["autoscaling.maxReplicas: 10", "dev database"],
    ),
    "a migration before its database": (
        merged(DEV, {"migration": {"mode": "hook"}}),
        ["migration.mode", "migration.mode=job"],
    ),
    "a dev password that breaks its URL": (
        merged(DEV, {"dev": {"redis": {"password": "canary-of-@:/"}}}),
        ["dev.redis.password", "A-Z, a-z, 0-9"],
    ),
    "no address for KEDA": (
        {"autoscaling": {"mode": "keda"}},
        ["autoscaling.redis.address", "host:port"],
    ),
    "more workers at least than at most": (
        autoscaling("keda", minReplicas=11),
        ["autoscaling.minReplicas: 11", "autoscaling.maxReplicas, 10"],
    ),
    "more of the API at least than at most": (
        {"api": {"hpa": {"enabled": True, "minReplicas": 11}}},
        ["api.hpa.minReplicas: 11", "api.hpa.maxReplicas, 10"],
    ),
    "no workers, and nobody agreed": (
        autoscaling("keda", minReplicas=0),
        ["autoscaling.minReplicas: 0", "Set it to 1 or more", "acceptWaitingOrders=true"],
    ),
    "no workers to ask for what wakes them": (
        autoscaling("keda", trigger="metricsApi", **ZERO),
        ["autoscaling.minReplicas: 0", "KEDA would ask the workers", "trigger=redisStreams",
         "autoscaling.metricsApi.url", "http://engine-order-engine-api.trade.svc:80/metrics"],
    ),
    "no workers before an order of unknown outcome is looked at": (
        autoscaling("keda", cooldownPeriod=30, **ZERO),
        ["autoscaling.cooldownPeriod: 30", "Set it to 120 or more"],
    ),
    "an Ingress that nothing may come through": (
        INGRESS,
        ["networkPolicy.ingressFrom: is empty", "Name its controller", "networkPolicy.enabled"],
    ),
    "a Gateway that nothing may come through": (
        GATEWAY,
        ["networkPolicy.ingressFrom: is empty", "the Gateway"],
    ),
    "a load balancer that nothing may come through": (
        {"api": {"service": {"type": "LoadBalancer"}}},
        ["networkPolicy.ingressFrom: is empty", "a Service of type LoadBalancer"],
    ),
    "metrics that nobody may read": (
        {"metrics": {"podMonitor": {"enabled": True}}},
        ["networkPolicy.metricsFrom: is empty", "Prometheus"],
    ),
    "workers that KEDA may not read": (
        merged(autoscaling("keda", trigger="metricsApi"), {"networkPolicy": {"kedaFrom": []}}),
        ["networkPolicy.kedaFrom: is empty", "Name the operator's namespace"],
    ),
    "a database that nobody may reach": (
        {"networkPolicy": {"egress": {"postgres": {"to": []}}}},
        ["networkPolicy.egress.postgres.to: is empty"],
    ),
    "a policy without its route": (
        {"gateway": {"backendTrafficPolicy": {"enabled": True}}},
        ["gateway.backendTrafficPolicy.enabled", "gateway.httpRoute.enabled=true"],
    ),
    "two monitors": (
        merged(PEERS, {"metrics": {"podMonitor": {"enabled": True},
                                   "serviceMonitor": {"enabled": True}}}),
        ["metrics.serviceMonitor.enabled and metrics.podMonitor.enabled", "Turn one of them off"],
    ),
    "traces that may go nowhere": (
        {"tracing": {"endpoint": "http://collector:4318"},
         "networkPolicy": {"egress": {"tracing": {"to": []}}}},
        ["networkPolicy.egress.tracing.to: is empty", "tracing.endpoint", "Name its pods"],
    ),
    "a latency that ends before it begins": (
        {"settings": {"paperQuoteLatencyMs": "300-150"}},
        ["settings.paperQuoteLatencyMs: 300-150", "Set 150-300"],
    ),
    "a drain that `--set` made a string of": (
        {"worker": {"drainSeconds": "25.5", "terminationGracePeriodSeconds": 33}},
        ["worker.terminationGracePeriodSeconds: 33", "Set it to 34 or more"],
    ),
    "a heartbeat that is too slow for its lease": (
        {"settings": {"leaseSeconds": 2}},
        ["settings.heartbeatSeconds: 1.5", "settings.leaseSeconds, 2", "Set it to 1 or less"],
    ),
}  # fmt: skip


# A value at a path, and what the schema has to say besides naming the path.
ALONE: list[tuple[str, Any]] = [
    ("replicaCount", 3),
    ("api.replica", 3),
    ("api.image.tags", "1.0.0"),
    ("api.hpa.minReplica", 3),
    ("api.hpa.minReplicas", 0),
    ("api.replicas", "two"),
    ("api.replicas", -1),
    ("api.replicas", 1.5),
    ("api.service.type", "External"),
    ("api.port", 70000),
    ("api.image.pullPolicy", "Sometimes"),
    ("api.image.digest", "sha256:short"),
    ("api.probes.liveness.periodSecond", 5),
    ("api.pdb.minAvailable", 1),
    ("api.resources.limit", {}),
    ("api.extraEnv", {"A": "b"}),
    ("api.topologySpread", "zone"),
    ("worker.concurrency", 0),
    ("worker.drainSeconds", 0),
    ("worker.drainSeconds", "long"),
    ("worker.preStopSleepSeconds", 5),
    ("worker.service.type", "LoadBalancer"),
    ("autoscaling.mode", "cpu"),
    ("autoscaling.trigger", "lag"),
    ("autoscaling.maxReplicas", 0),
    ("autoscaling.targetBacklog", 0),
    ("autoscaling.redis.address", "redis://redis:6379"),
    ("autoscaling.redis.password", "secret"),
    ("migration.mode", "manual"),
    ("migration.enabled", True),
    ("postgres.host", "db"),
    ("postgres.existingSecret", "orders-db"),
    ("redis.existingSecret.keys", "url"),
    ("dev.enabled", "yes"),
    ("dev.postgres.persistence.size", 1),
    ("ingress.className", 1),
    ("ingress.host", "orders.example.com"),
    ("gateway.httpRoute.parentRef", {}),
    ("networkPolicy.ingressFrom", {"podSelector": {}}),
    ("networkPolicy.egress.rpc", []),
    ("metrics.podMonitor.enable", True),
    ("dashboards.enabled", 1),
    ("prometheusRule.rules", []),
    ("tracing.endpoint", "collector:4317"),
    ("tracing.endpoint", "http://user:canary-of-otlp@collector:4318"),
    ("tracing.port", 0),
    ("tracing.sampleRatio", 2),
    ("tracing.sampler", "always_on"),
    ("runbooks.url", "docs/runbooks"),
    ("runbooks.suffix", " .md"),
    ("test.timeout", 5),
    ("global.registry", "example.com"),
    ("settings.leaseSecond", 5),
    ("settings.databaseUrl", "postgresql://"),
    ("settings.workerConcurrency", 5),
    ("settings.LEASE_SECONDS", 5),
    ("settings.logLevel", "LOUD"),
    ("settings.logFormat", "xml"),
    ("settings.otelTracesSamplerArg", 1),
    ("settings.retryTries", 0),
    ("settings.leaseSeconds", "86401"),
    ("settings.leaseSeconds", "0.0"),
    ("settings.venues", "a,b"),
    ("extraObjects", {}),
]


ADD_ONS = [
    ("keda redisStreams", "keda.sh", "autoscaling.mode: keda", "Install KEDA"),
    ("httpRoute", "gateway.networking.k8s.io", "gateway.httpRoute.enabled", "Gateway API"),
    ("httpRoute on Envoy Gateway", "gateway.envoyproxy.io", "gateway.backendTrafficPolicy.enabled",
     "Envoy Gateway"),
    ("httpRoute on NGINX Gateway Fabric", "gateway.nginx.org",
     "gateway.proxySettingsPolicy.enabled", "NGINX Gateway Fabric"),
    ("serviceMonitor", "monitoring.coreos.com", "metrics.serviceMonitor.enabled", "Prometheus"),
    ("podMonitor", "monitoring.coreos.com", "metrics.podMonitor.enabled", "Prometheus"),
    ("prometheusRule", "monitoring.coreos.com", "prometheusRule.enabled", "Prometheus"),
]  # fmt: skip
