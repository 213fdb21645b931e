"""What pods run, how they start, live, stop and spread, and what a user may add to them."""

import pytest

from tests.chart.helm import HELM_3, HELM_4, Object, render
from tests.chart.reading import identity, of_kind, one, pod, pods
from tests.chart.scenarios import SCENARIOS, URLS, merged


@pytest.mark.parametrize(("component", "port"), [("api", "http"), ("worker", "metrics")])
def test_a_pod_is_started_once_kept_while_it_lives_and_used_while_it_is_ready(
    component: str, port: str
) -> None:
    container = pod(render(URLS), component).main
    paths = {
        each: container[f"{each}Probe"]["httpGet"] for each in ("startup", "liveness", "readiness")
    }

    assert paths == {
        "startup": {"path": "/livez", "port": port},
        "liveness": {"path": "/livez", "port": port},
        "readiness": {"path": "/readyz", "port": port},
    }


@pytest.mark.parametrize("component", ["api", "worker"])
def test_a_starting_pod_is_given_minutes_to_wait_for_its_tables(component: str) -> None:
    probe = pod(render(URLS), component).main["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] == 300


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize(
    ("kubernetes", "handler"),
    [
        ("1.28", {"exec": {"command": ["python", "-c", "import time; time.sleep(5)"]}}),
        ("1.29", {"exec": {"command": ["python", "-c", "import time; time.sleep(5)"]}}),
        ("1.30", {"sleep": {"seconds": 5}}),
        ("1.37", {"sleep": {"seconds": 5}}),
    ],
)
def test_a_stopping_api_serves_on_while_load_balancers_forget_it(
    kubernetes: str, handler: Object, helm: str
) -> None:
    container = pod(render(URLS, kubernetes=kubernetes, helm=helm), "api").main

    assert container["lifecycle"] == {"preStop": handler}


def test_a_worker_needs_no_sleep_before_it_stops() -> None:
    assert "lifecycle" not in pod(render(URLS), "worker").main


@pytest.mark.parametrize("component", ["api", "worker"])
def test_pods_are_spread_over_zones_and_nodes_each_rollout_for_itself(component: str) -> None:
    spread = pod(render(URLS), component).spec["topologySpreadConstraints"]

    assert {each["topologyKey"] for each in spread} == {
        "topology.kubernetes.io/zone", "kubernetes.io/hostname",
    }  # fmt: skip
    for each in spread:
        assert each["matchLabelKeys"] == ["pod-template-hash"]
        assert each["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component


@pytest.mark.parametrize("component", ["api", "worker"])
def test_a_rollout_takes_no_pod_away_before_another_is_ready(component: str) -> None:
    strategy = one(render(URLS), "Deployment", component)["spec"]["strategy"]

    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("component", ["api", "worker"])
def test_what_a_user_adds_to_a_pod_is_there_with_its_templates_filled_in(component: str) -> None:
    made = pod(render(SCENARIOS["parts"]), component)

    assert made.labels["team"] == "trade"
    assert made.metadata["annotations"]["example.com/release"] == "engine"
    assert {"name": "WHERE", "value": "trade"} in made.main["env"]
    assert {"secretRef": {"name": "engine-more", "optional": True}} in made.main["envFrom"]
    assert {"name": "ca", "configMap": {"name": "engine-ca"}} in made.spec["volumes"]
    assert {"name": "ca", "mountPath": "/etc/ca", "readOnly": True} in made.main["volumeMounts"]
    assert [each["name"] for each in made.spec["containers"]] == [component, "proxy"]
    assert [each["name"] for each in made.spec["initContainers"]] == ["first"]
    assert made.spec["priorityClassName"] == "orders"
    assert made.spec["nodeSelector"] == {"kubernetes.io/os": "linux"}


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ({}, "order-engine-api:0.1.0"),
        ({"tag": "2.0.0"}, "order-engine-api:2.0.0"),
        ({"registry": "example.com"}, "example.com/order-engine-api:0.1.0"),
        ({"tag": "2.0.0", "digest": "sha256:" + "0" * 64},
         "order-engine-api@sha256:" + "0" * 64),
    ],
)  # fmt: skip
def test_an_image_is_named_by_registry_tag_and_digest(image: Object, whole: str) -> None:
    objects = render(merged(URLS, {"api": {"image": image}}))

    assert pod(objects, "api").main["image"] == whole
    assert pod(objects, "test").main["image"] == whole


@pytest.mark.parametrize("name", ["global", "dev"])
def test_a_mirror_serves_every_image_and_its_secret_opens_it(name: str) -> None:
    objects = render(merged(SCENARIOS[name], {"global": SCENARIOS["global"]["global"]}))

    for each in pods(objects):
        assert each.spec["imagePullSecrets"] == [{"name": "pull"}], each.name
        for container in each.containers:
            assert container["image"].startswith("mirror.example.com/"), each.name


def test_common_labels_and_annotations_are_on_every_object(objects: list[Object]) -> None:
    objects = render(SCENARIOS["global"])

    for each in objects:
        assert each["metadata"]["labels"]["example.com/team"] == "orders", identity(each)
        assert each["metadata"]["annotations"]["example.com/owner"] == "orders", identity(each)


def test_a_label_that_is_given_twice_is_there_once() -> None:
    """Helm 3 takes a key that is there twice and Helm 4 may not; the last word is the pod's."""
    twice = {
        "commonLabels": {"example.com/team": "all"},
        "commonAnnotations": {"example.com/owner": "all"},
        "api": {
            "podLabels": {"example.com/team": "api"},
            "podAnnotations": {"example.com/owner": "api"},
        },
    }

    made = pod(render(merged(URLS, twice)), "api")

    assert made.labels["example.com/team"] == "api"
    assert made.metadata["annotations"]["example.com/owner"] == "api"


def test_dev_data_outlive_the_pod_and_go_with_the_release() -> None:
    (kept,) = (
        each
        for each in of_kind(render(SCENARIOS["dev"]), "StatefulSet")
        if each["spec"].get("volumeClaimTemplates")
    )

    assert kept["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
    assert kept["metadata"]["labels"]["app.kubernetes.io/component"] == "postgres"


def test_dev_databases_in_memory_claim_no_volume() -> None:
    for each in of_kind(render(SCENARIOS["dev in memory"]), "StatefulSet"):
        assert "volumeClaimTemplates" not in each["spec"]


def test_the_helm_test_calls_the_service_of_the_api() -> None:
    objects = render(merged(URLS, {"api": {"service": {"port": 8080}}}))
    container = pod(objects, "test").main
    told = {each["name"]: each["value"] for each in container["env"]}

    assert told["ORDER_ENGINE_URL"] == "http://engine-order-engine-api.trade.svc:8080"
    assert pod(objects, "test").owner["metadata"]["annotations"]["helm.sh/hook"] == "test"
    script = container["command"][1].removeprefix("/test/")
    (config,) = (each for each in of_kind(objects, "ConfigMap") if script in each.get("data", {}))
    assert (
        config["metadata"]["name"] == pod(objects, "test").spec["volumes"][0]["configMap"]["name"]
    )
