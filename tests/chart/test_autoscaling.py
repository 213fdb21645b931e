"""Workers follow the backlog, the API its CPU, and nothing fights over `replicas`."""

from typing import Any

import pytest

from orders.metrics import QUEUE_BACKLOG
from orders.queue import STREAM
from tests.chart.helm import Object, render
from tests.chart.reading import one
from tests.chart.scenarios import SCENARIOS, merged

KEDA = [name for name in SCENARIOS if name.startswith("keda")]


def _trigger(name: str, **autoscaling: Any) -> Object:
    objects = render(merged(SCENARIOS[name], {"autoscaling": autoscaling}))
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    return trigger  # type: ignore[no-any-return]


def test_redis_streams_reads_the_length_of_the_stream_and_never_the_lag() -> None:
    assert _trigger("keda redisStreams") == {
        "type": "redis-streams",
        "metricType": "AverageValue",
        "metadata": {
            "address": "redis.data.svc:6379",
            "stream": "order-engine:queue",
            "streamLength": "250",
            "databaseIndex": "0",
            "enableTLS": "false",
        },
    }


def test_the_stream_is_the_one_that_the_engine_fills() -> None:
    assert _trigger("keda redisStreams")["metadata"]["stream"] == STREAM


def test_the_gauge_is_the_one_that_the_engine_publishes() -> None:
    (gauge,) = QUEUE_BACKLOG.describe()

    assert _trigger("keda metricsApi")["metadata"]["valueLocation"] == gauge.name
    assert f"({gauge.name}{{" in _trigger("keda prometheus")["metadata"]["query"]


@pytest.mark.parametrize("name", KEDA)
def test_no_trigger_knows_lag_or_a_consumer_group(name: str) -> None:
    assert {"lagCount", "consumerGroup", "pendingEntriesCount"} & set(
        _trigger(name)["metadata"]
    ) == set()


def test_the_password_of_redis_comes_from_its_secret() -> None:
    objects = render(SCENARIOS["keda redisStreams with password"])
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    authentication = one(objects, "TriggerAuthentication")

    assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    assert authentication["spec"] == {
        "secretTargetRef": [{"parameter": "password", "name": "orders-redis", "key": "password"}]
    }
    assert trigger["metadata"]["enableTLS"] == "true"


def test_beside_the_dev_redis_keda_knows_its_address_and_password() -> None:
    objects = render(SCENARIOS["keda on dev"])
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    secret = one(objects, "TriggerAuthentication")["spec"]["secretTargetRef"][0]

    assert trigger["metadata"]["address"] == "engine-order-engine-redis.trade.svc:6379"
    assert secret["name"] == one(objects, "Service", "redis")["metadata"]["name"]
    assert secret["key"] in one(objects, "Secret", "redis")["data"]


def test_metrics_api_reads_the_gauge_through_the_workers_service() -> None:
    objects = render(SCENARIOS["keda metricsApi"])
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    service = one(objects, "Service", "worker")

    assert trigger == {
        "type": "metrics-api",
        "metricType": "AverageValue",
        "metadata": {
            "url": "http://engine-order-engine-worker.trade.svc:9100/metrics",
            "format": "prometheus",
            "valueLocation": "order_engine_queue_backlog",
            "targetValue": "250",
        },
    }
    assert service["metadata"]["name"] == "engine-order-engine-worker"
    assert service["spec"]["ports"][0]["port"] == 9100


def test_an_empty_answer_of_prometheus_is_no_zero() -> None:
    metadata = _trigger("keda prometheus")["metadata"]

    assert metadata["ignoreNullValues"] == "false"
    assert metadata["serverAddress"] == "http://prometheus.monitoring:9090"
    assert metadata["threshold"] == "250"


def test_the_backlog_that_api_and_workers_all_publish_is_read_by_max() -> None:
    query = _trigger("keda prometheus")["metadata"]["query"]

    assert query == (
        'max(order_engine_queue_backlog{namespace="trade",'
        'pod=~"(engine-order-engine-api|engine-order-engine-worker)-.+"})'
    )


@pytest.mark.parametrize("name", KEDA)
@pytest.mark.parametrize(
    ("values", "target"),
    [
        ({}, "250"),
        ({"worker": {"concurrency": 40}}, "40"),
        ({"worker": {"concurrency": 40}, "autoscaling": {"targetBacklog": 1500000}}, "1500000"),
    ],
)
def test_a_worker_is_wanted_for_each_concurrency_of_backlog(
    name: str, values: Object, target: str
) -> None:
    objects = render(merged(SCENARIOS[name], values))
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    metadata = trigger["metadata"]
    (named,) = {"streamLength", "targetValue", "threshold"} & set(metadata)

    assert metadata[named] == target


@pytest.mark.parametrize("name", KEDA)
def test_keda_that_is_blind_takes_no_worker_away(name: str) -> None:
    spec = one(render(SCENARIOS[name]), "ScaledObject")["spec"]

    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": 1,
        "behavior": "currentReplicasIfHigher",
    }
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 10)
