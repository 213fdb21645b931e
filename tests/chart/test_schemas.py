"""Kubernetes 1.28 to 1.37 and the add-ons take every object, field by field."""

import pytest

from tests.chart.helm import HELM_3, HELM_4, KUBERNETES, NEWEST, bands, render
from tests.chart.reading import of_kind
from tests.chart.scenarios import SCENARIOS, merged
from tests.chart.schemas import complaints


@pytest.mark.parametrize("band", bands(), ids=lambda band: f"{band[0]} to {band[-1]}")
def test_every_kubernetes_takes_every_object(scenario: str, band: tuple[str, ...]) -> None:
    objects = render(SCENARIOS[scenario], kubernetes=band[0])

    assert {each: told for each in band if (told := list(complaints(objects, each)))} == {}


def test_within_a_band_every_kubernetes_is_given_the_same_objects() -> None:
    """So that one rendering of each band is enough for the test above."""
    for band in bands():
        first, *others = (render(SCENARIOS["everything"], kubernetes=each) for each in band)

        assert all(each == first for each in others)
    assert tuple(each for band in bands() for each in band) == KUBERNETES


def test_helm_3_and_helm_4_make_the_same_objects(scenario: str) -> None:
    values = merged(SCENARIOS[scenario], _passwords(scenario))

    assert render(values, helm=HELM_3) == render(values, helm=HELM_4)


def _passwords(scenario: str) -> dict[str, object]:
    """Those that each rendering would make anew."""
    dev = "dev" in SCENARIOS[scenario]
    return (
        {"dev": {each: {"password": "of-dev-databases"} for each in ("postgres", "redis")}}
        if dev
        else {}
    )


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("Deployment", "replicas", "two"),
        ("Deployment", "replica", 2),
        ("ScaledObject", "triggerz", []),
        ("ScaledObject", "cooldownPeriod", "5m"),
        ("HTTPRoute", "hostname", "orders.example.com"),
        ("PodMonitor", "podMetricsEndpoints", "metrics"),
        ("BackendTrafficPolicy", "streamIdleTimeout", "1h"),
        ("ProxySettingsPolicy", "readTimeout", "1h"),
    ],
)
def test_the_schemas_find_a_wrong_type_and_an_unknown_field(
    kind: str, path: str, wrong: object
) -> None:
    found = of_kind(render(SCENARIOS["everything"]), kind)[0]
    broken = found | {"spec": found["spec"] | {path: wrong}}

    assert list(complaints([found], NEWEST)) == []
    assert len(list(complaints([broken], NEWEST))) == 1
