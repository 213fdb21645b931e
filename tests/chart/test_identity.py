"""Names, releases and checksums: what may change with what, and what never."""

from typing import Any

import pytest

from tests.chart.helm import HELM_3, HELM_4, Values, render
from tests.chart.reading import identity, of_kind, pod, pods
from tests.chart.scenarios import DATABASE, KEDA, REDIS, SCENARIOS, URLS, merged

LONGEST = "a-release-with-the-longest-name-that-helm-still-takes"
PASSWORDS: Values = {"dev": {each: {"password": "given-once"} for each in ("postgres", "redis")}}


def test_names_fit_with_the_longest_name_of_a_release(scenario: str) -> None:
    objects = render(SCENARIOS[scenario], release=LONGEST)

    assert len(LONGEST) == 53
    # A Service and what makes pods: 63 letters, as of a label; a StatefulSet less for its revision.
    assert [each for each in map(identity, objects) if len(each[2]) > 63] == []
    for made in pods(objects):
        assert max(map(len, made.labels.values())) <= 63
    for each in of_kind(objects, "StatefulSet"):
        assert len(each["metadata"]["name"]) <= 52


@pytest.mark.parametrize(
    "names",
    [
        ("blue", "green"),
        ("order-engine", "order-engine-2"),
        (LONGEST[:-1] + "a", LONGEST[:-1] + "b"),
    ],
)
def test_two_releases_in_one_namespace_share_no_object(names: tuple[str, str]) -> None:
    values = merged(SCENARIOS["everything"], {"extraObjects": []})
    ours, theirs = ({*map(identity, render(values, release=each))} for each in names)

    assert ours & theirs == set()


def test_a_name_of_ones_own_is_taken() -> None:
    named = {identity(each)[2] for each in render(merged(URLS, {"fullnameOverride": "swaps"}))}

    assert all(each.startswith("swaps-") for each in named)


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize("name", ["default", "everything"])
def test_rendering_twice_makes_the_same(name: str, helm: str) -> None:
    once, again = (render(SCENARIOS[name], helm=helm, options=each) for each in ((), ("--debug",)))

    assert once == again


def test_dev_passwords_are_made_anew_and_are_all_that_differs() -> None:
    once, again = (render(SCENARIOS["dev"], options=each) for each in ((), ("--debug",)))

    differing = [identity(one) for one, two in zip(once, again, strict=True) if one != two]

    assert {kind for kind, _, _ in differing} == {"Secret"}
    assert len(differing) == 2


def test_a_dev_password_that_is_given_is_kept() -> None:
    values = merged(SCENARIOS["dev"], PASSWORDS)
    once, again = (render(values, options=each) for each in ((), ("--debug",)))

    assert once == again


def _checksums(values: Values, component: str) -> dict[str, Any]:
    annotations = pod(render(values), component).metadata["annotations"]
    return {key: value for key, value in annotations.items() if key.startswith("checksum/")}


CHANGES: list[tuple[str, Values, set[str]]] = [
    ("a setting", {"settings": {"leaseSeconds": 9}}, {"checksum/settings"}),
    ("the URL of PostgreSQL", {"postgres": {"url": DATABASE + "2"}}, {"checksum/urls"}),
    ("the URL of Redis", {"redis": {"url": REDIS + "2"}}, {"checksum/urls"}),
    ("another secret", {"redis": {"existingSecret": {"name": "x"}}}, {"checksum/urls"}),
    ("replicas", {"api": {"replicas": 5}, "worker": {"replicas": 5}}, set()),
    ("autoscaling", KEDA, set()),
    ("an Ingress' peers", {"networkPolicy": {"ingressFrom": [{"podSelector": {}}]}}, set()),
    ("the test", {"test": {"enabled": False}}, set()),
]


@pytest.mark.parametrize("component", ["api", "worker"])
@pytest.mark.parametrize(("what", "change", "changed"), CHANGES, ids=lambda each: str(each)[:30])
def test_pods_are_replaced_when_what_they_read_changes_and_only_then(
    component: str, what: str, change: Values, changed: set[str]
) -> None:
    before, after = _checksums(URLS, component), _checksums(merged(URLS, change), component)

    assert {key for key in before if before[key] != after[key]} == changed, what
    same = pod(render(URLS), component).spec == pod(render(merged(URLS, change)), component).spec
    assert same == (what != "another secret")


def test_nothing_about_a_pod_changes_with_the_revision_or_by_an_upgrade() -> None:
    upgraded = render(URLS, options=("--is-upgrade",))

    for component in ("api", "worker"):
        assert pod(render(URLS), component) == pod(upgraded, component)


def test_a_migration_job_is_named_by_its_revision_and_content() -> None:
    (job,) = of_kind(render(URLS), "Job")
    (other,) = of_kind(render(merged(URLS, {"worker": {"image": {"tag": "2.0.0"}}})), "Job")

    assert job["metadata"]["name"].startswith("engine-order-engine-migrate-1-")
    assert job["metadata"]["name"] != other["metadata"]["name"]
