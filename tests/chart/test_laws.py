"""What holds of every object, whatever the values."""

import re

from tests.chart.helm import Object
from tests.chart.reading import identity, labels, of_kind, pods, strings
from tests.chart.scenarios import CANARY

RECOMMENDED = {
    "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
    "app.kubernetes.io/component", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}  # fmt: skip
OF_CHART = {"app.kubernetes.io/managed-by", "helm.sh/chart"}


def _own(objects: list[Object]) -> list[Object]:
    """All but the user's own `extraObjects`."""
    return [each for each in objects if each["metadata"]["name"] != "engine-ca"]


def test_every_object_bears_the_recommended_labels(objects: list[Object]) -> None:
    lacking = {identity(each): RECOMMENDED - set(labels(each)) for each in _own(objects)}

    assert {each: names for each, names in lacking.items() if names} == {}


def test_a_pod_bears_labels_that_a_new_version_of_the_chart_leaves_alone(
    objects: list[Object],
) -> None:
    """The chart's version within would replace every pod for a change that is none."""
    for each in pods(objects):
        if each.owner["kind"] != "Pod":
            assert set(each.labels) >= RECOMMENDED - OF_CHART, each.name
            assert set(each.labels) & OF_CHART == set(), each.name


def test_no_object_is_there_twice(objects: list[Object]) -> None:
    names = [identity(each) for each in objects]

    assert sorted(names) == sorted(set(names))


def test_every_object_is_in_the_namespace_of_the_release(objects: list[Object]) -> None:
    assert {each["metadata"].get("namespace") for each in objects} == {"trade"}


def test_every_container_says_what_it_needs_and_the_most_memory_it_takes(
    objects: list[Object],
) -> None:
    for each in pods(objects):
        for container in each.containers:
            resources = container.get("resources", {})
            told = (each.name, container["name"])

            assert {"cpu", "memory"} <= set(resources.get("requests", {})), told
            assert "memory" in resources.get("limits", {}), told


def test_every_pod_keeps_to_the_restricted_standard(objects: list[Object]) -> None:
    """kubernetes.io/docs/concepts/security/pod-security-standards, each row of `restricted`."""
    for each in pods(objects):
        spec, context = each.spec, each.spec.get("securityContext", {})

        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), each.name
        assert "hostUsers" not in spec or spec["hostUsers"] is False, each.name
        assert not context.get("sysctls"), each.name
        for volume in spec.get("volumes", ()):
            (kind,) = set(volume) - {"name"}
            assert kind in _VOLUMES, (each.name, volume)
        for container in each.containers:
            _assert_restricted(each.name, context, container)


_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip


def _assert_restricted(name: str, of_pod: Object, container: Object) -> None:
    own = container.get("securityContext", {})
    both, told = of_pod | own, (name, container["name"])
    assert own.get("privileged") in (None, False), told
    assert own.get("allowPrivilegeEscalation") is False, told
    assert own.get("capabilities", {}).get("drop") == ["ALL"], told
    assert set(own["capabilities"].get("add", ())) <= {"NET_BIND_SERVICE"}, told
    assert both.get("runAsNonRoot") is True, told
    assert both.get("runAsUser", 1) > 0, told
    assert both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"), told
    assert own.get("procMount") in (None, "Default"), told
    assert all("hostPort" not in port for port in container.get("ports", ())), told


def test_every_container_has_a_read_only_root_file_system(objects: list[Object]) -> None:
    for each in pods(objects):
        for container in each.containers:
            context = container.get("securityContext", {})

            assert context.get("readOnlyRootFilesystem") is True, (each.name, container["name"])


def test_no_pod_is_given_a_token_of_the_cluster(objects: list[Object]) -> None:
    for each in pods(objects):
        assert each.spec["automountServiceAccountToken"] is False, each.name
    for account in of_kind(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_no_pod_is_told_of_other_services_by_its_environment(objects: list[Object]) -> None:
    """A Service called `api` would set `API_PORT` to `tcp://…`, which is no port."""
    assert {each.name for each in pods(objects) if each.spec.get("enableServiceLinks", True)} == (
        set()
    )


def test_every_image_is_pinned(objects: list[Object]) -> None:
    for each in pods(objects):
        for container in each.containers:
            assert re.search(r"(:[\w.-]+|@sha256:[0-9a-f]{64})$", container["image"]), each.name
            assert not container["image"].endswith(":latest"), each.name


def test_a_password_is_in_secrets_only(objects: list[Object]) -> None:
    elsewhere = [each for each in objects if each["kind"] != "Secret"]

    assert [each for each in strings(elsewhere) if CANARY in each] == []
    assert [each for each in strings(elsewhere) if _encoded(each)] == []


def _encoded(text: str) -> bool:
    """Whether base64 text holds the canary, at any of its three alignments."""
    return any(each in text for each in ("Y2FuYXJ5LW9m", "NhbmFyeS1vZ", "jYW5hcnktb2"))


def test_a_variable_is_set_once(objects: list[Object]) -> None:
    for each in pods(objects):
        for container in each.containers:
            names = [env["name"] for env in container.get("env", ())]

            assert sorted(names) == sorted(set(names)), each.name


def test_every_name_is_one_that_kubernetes_takes(objects: list[Object]) -> None:
    for each in objects:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", each["metadata"]["name"])
        for value in labels(each).values():
            assert re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", value)
