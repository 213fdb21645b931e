"""The manifests are what the chart makes, clusters take them, and Helm takes the values."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.render import KUBERNETES as RENDERED_FOR
from k8s.render import MANIFESTS, NAMESPACE, PLACEHOLDER, RELEASE, ROOT
from k8s.render import render as manifests
from tests.chart import tools
from tests.chart.helm import HELM_3, HELM_4, KUBERNETES, NEWEST, Object, render
from tests.chart.reading import of_kind, one, pods, strings
from tests.chart.schemas import complaints

K8S = ROOT / "k8s"
VALUES = sorted(K8S.glob("values*.yaml"))
FILES = sorted(MANIFESTS.glob("*.yaml"))
SINCE = KUBERNETES[KUBERNETES.index(RENDERED_FOR) :]


def _read(path: Path) -> list[Object]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each is not None]


def _values(name: str) -> dict[str, Any]:
    (values,) = _read(K8S / f"values-{name}.yaml")
    return values


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
def test_the_manifests_are_what_the_chart_makes_by_either_helm(helm: str) -> None:
    made = manifests(tools.helm(helm))

    assert sorted(made) == FILES
    assert {each: each.read_text() for each in FILES} == made, "run: make manifests"


@pytest.mark.parametrize("kubernetes", SINCE)
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_a_kubernetes_takes_every_object_of_a_manifest(path: Path, kubernetes: str) -> None:
    objects = _read(path)

    assert list(complaints(objects, kubernetes)) == []
    assert {each["metadata"]["namespace"] for each in objects} == {NAMESPACE}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_a_manifest_needs_no_helm(path: Path) -> None:
    """A hook or a `helm test` would be applied at once, as anything else is."""
    objects = _read(path)

    assert [each for each in strings(objects) if each.startswith("helm.sh/hook")] == []
    assert [each.owner["kind"] for each in pods(objects)].count("Job") == 1
    assert of_kind(objects, "Pod") == []


def test_the_only_passwords_in_a_manifest_say_that_they_are_none() -> None:
    secrets = of_kind(_read(MANIFESTS / "dev.yaml"), "Secret")
    data = [value for each in secrets for value in each["data"].values()]

    assert len(secrets) == 2
    assert all(PLACEHOLDER in base64.b64decode(each).decode() for each in data)
    assert of_kind(_read(MANIFESTS / "production.yaml"), "Secret") == []


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize("path", VALUES, ids=lambda path: str(path.stem))
def test_either_helm_takes_the_values(path: Path, helm: str) -> None:
    objects = render(*_read(path), helm=helm, release=RELEASE, namespace=NAMESPACE)

    assert {"api", "worker"} <= {each.component for each in pods(objects)}


def test_the_values_that_scale_want_a_worker_for_each_five_orders() -> None:
    scaled = one(render(_values("dev-scaling")), "ScaledObject")["spec"]

    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 6)
    assert [each["type"] for each in scaled["triggers"]] == ["redis-streams"]
    assert scaled["triggers"][0]["metadata"]["streamLength"] == "5"


def test_kind_makes_three_nodes_of_the_newest_kubernetes_open_on_loopback_alone() -> None:
    (cluster,) = _read(K8S / "kind.yaml")
    nodes = cluster["nodes"]

    assert (cluster["kind"], cluster["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert [each["role"] for each in nodes] == ["control-plane", "worker", "worker"]
    (image,) = {each["image"] for each in nodes}
    assert re.fullmatch(rf"kindest/node:v{NEWEST}\.\d+@sha256:[0-9a-f]{{64}}", image)
    ports = [each for node in nodes for each in node.get("extraPortMappings", ())]
    assert {each["containerPort"]: each["hostPort"] for each in ports} == {30080: 8080, 30443: 8443}
    assert {each["listenAddress"] for each in ports} == {"127.0.0.1"}
