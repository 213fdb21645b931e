"""How many pods there are at least and at most, and how fast that changes."""

import pytest

from tests.chart.helm import Object, render
from tests.chart.reading import of_kind, one
from tests.chart.scenarios import SCENARIOS, URLS, merged

KEDA = [name for name in SCENARIOS if name.startswith("keda")]


def test_what_is_scaled_says_nothing_of_its_replicas(objects: list[Object]) -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    }
    for each in of_kind(objects, "Deployment"):
        assert ("replicas" in each["spec"]) != (each["metadata"]["name"] in scaled)


@pytest.mark.parametrize("name", [*KEDA, "workers by hpa"])
def test_workers_come_at_once_and_leave_slowly(name: str) -> None:
    objects = render(SCENARIOS[name])
    if name == "workers by hpa":
        behavior = one(objects, "HorizontalPodAutoscaler", "worker")["spec"]["behavior"]
    else:
        advanced = one(objects, "ScaledObject")["spec"]["advanced"]
        behavior = advanced["horizontalPodAutoscalerConfig"]["behavior"]

    assert behavior == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 300,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }


def test_the_workers_hpa_reads_the_backlog_and_not_cpu() -> None:
    spec = one(render(SCENARIOS["workers by hpa"]), "HorizontalPodAutoscaler", "worker")["spec"]

    assert spec["metrics"] == [
        {
            "type": "External",
            "external": {
                "metric": {"name": "order_engine_queue_backlog"},
                "target": {"type": "AverageValue", "averageValue": "250"},
            },
        }
    ]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 10)


def test_the_api_scales_by_cpu() -> None:
    spec = one(render(SCENARIOS["api.hpa"]), "HorizontalPodAutoscaler", "api")["spec"]

    assert spec["metrics"][0]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 70},
    }


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("keda redisStreams", {}),
        ("keda prometheus", {}),
        ("keda metricsApi", {"metricsApi": {"url": "http://engine-order-engine-api/metrics"}}),
    ],
)
def test_no_workers_at_all_are_taken_where_others_tell_the_backlog(name: str, more: Object) -> None:
    """Redis itself, or the API, which is never down to none."""
    zero = {"minReplicas": 0, "acceptWaitingOrders": True} | more
    objects = render(merged(SCENARIOS[name], {"autoscaling": zero}))
    spec = one(objects, "ScaledObject")["spec"]

    assert spec["minReplicaCount"] == 0
    # A fallback of none would keep a target at zero that nobody can read.
    assert spec["fallback"]["replicas"] == 1


def test_no_workers_at_all_are_taken_of_an_hpa_from_kubernetes_1_37_on() -> None:
    values = merged(
        URLS,
        {
            "autoscaling": {
                "mode": "hpa",
                "minReplicas": 0,
                "acceptWaitingOrders": True,
            }
        },
    )

    spec = one(render(values, kubernetes="1.37"), "HorizontalPodAutoscaler")["spec"]

    assert spec["minReplicas"] == 0


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({}, {"api", "worker"}),
        ({"api": {"replicas": 1}}, {"worker"}),
        ({"worker": {"replicas": 1}}, {"api"}),
        ({"worker": {"replicas": 1}, "autoscaling": {"mode": "hpa"}}, {"api", "worker"}),
        ({"api": {"replicas": 1, "hpa": {"enabled": True}}}, {"api", "worker"}),
        ({"api": {"pdb": {"enabled": False}}}, {"worker"}),
    ],
)
def test_a_disruption_budget_is_there_only_where_pods_can_be_several(
    values: Object, parts: set[str]
) -> None:
    budgets = of_kind(render(merged(URLS, values)), "PodDisruptionBudget")

    assert {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in budgets} == parts
    assert {each["spec"]["maxUnavailable"] for each in budgets} == {1}
