"""What an object names is there, and what it selects is its own."""

import pytest

from tests.chart.helm import Object
from tests.chart.reading import identity, labels, of_kind, pods, selects

# What selects pods may never change while a release lives, so it names no version.
SELECTED_BY = {
    "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component",
}  # fmt: skip


def test_a_selector_names_no_version(objects: list[Object]) -> None:
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        assert set(each["spec"]["selector"]["matchLabels"]) == SELECTED_BY, identity(each)
    for each in of_kind(objects, "Service"):
        assert set(each["spec"]["selector"]) == SELECTED_BY, identity(each)


def test_a_selector_takes_its_own_pods_and_no_others(objects: list[Object]) -> None:
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        taken = [pod.name for pod in pods(objects) if selects(each["spec"]["selector"], pod.labels)]

        assert taken == [f"{each['kind']} {each['metadata']['name']}"]


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget"])
def test_what_selects_pods_takes_those_of_one_part(objects: list[Object], kind: str) -> None:
    for each in of_kind(objects, kind):
        selector = each["spec"]["selector"]
        selector = selector if kind == "PodDisruptionBudget" else {"matchLabels": selector}
        taken = [pod.component for pod in pods(objects) if selects(selector, pod.labels)]

        assert taken == [labels(each)["app.kubernetes.io/component"]], identity(each)


def test_a_service_leads_to_a_port_that_its_pods_open(objects: list[Object]) -> None:
    for each in of_kind(objects, "Service"):
        (pod,) = (
            pod
            for pod in pods(objects)
            if selects({"matchLabels": each["spec"]["selector"]}, pod.labels)
        )
        opened = {port["name"] for port in pod.main["ports"]}

        assert {port["targetPort"] for port in each["spec"]["ports"]} <= opened, identity(each)


def test_what_scales_and_what_routes_names_objects_that_are_there(objects: list[Object]) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    services = {name for kind, name in there if kind == "Service"}
    for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in there
    for each in of_kind(objects, "HTTPRoute"):
        refs = [ref for rule in each["spec"]["rules"] for ref in rule["backendRefs"]]
        assert {ref["name"] for ref in refs} <= services
    for each in of_kind(objects, "Ingress"):
        paths = [path for rule in each["spec"]["rules"] for path in rule["http"]["paths"]]
        assert {path["backend"]["service"]["name"] for path in paths} <= services
    for each in of_kind(objects, "StatefulSet"):
        assert each["spec"]["serviceName"] in services


def test_every_account_config_and_secret_that_a_pod_names_is_there_or_the_users(
    objects: list[Object],
) -> None:
    there = {identity(each) for each in objects}
    users = {"default", "orders-db", "orders-db-app", "orders-redis", "engine-more"}
    for each in pods(objects):
        account = each.spec.get("serviceAccountName", "default")
        assert account in users or ("ServiceAccount", "trade", account) in there, each.name
        for kind, name in _named(each.spec):
            assert name in users or (kind, "trade", name) in there, (each.name, name)


def _named(spec: Object) -> list[tuple[str, str]]:
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    sources = [source for each in containers for source in each.get("envFrom", ())]
    found = [
        ("ConfigMap", each["configMapRef"]["name"]) for each in sources if "configMapRef" in each
    ]
    found += [("Secret", each["secretRef"]["name"]) for each in sources if "secretRef" in each]
    for each in (env.get("valueFrom", {}) for held in containers for env in held.get("env", ())):
        found += [("Secret", each["secretKeyRef"]["name"])] if "secretKeyRef" in each else []
    for volume in spec.get("volumes", ()):
        found += [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
        found += [("Secret", volume["secret"]["secretName"])] if "secret" in volume else []
    return found
