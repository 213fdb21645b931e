"""Values that make no sense are refused as templates are rendered, with the setting and the fix."""

from typing import Any

import pytest

from tests.chart.helm import APIS, HELM_3, HELM_4, Object, refusal, render
from tests.chart.refusals import ADD_ONS, ALONE, TOGETHER, ZERO, autoscaling
from tests.chart.scenarios import CANARY, SCENARIOS, URLS, merged


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize("case", TOGETHER)
def test_values_that_do_not_fit_together_are_refused_with_the_setting_and_the_fix(
    case: str, helm: str
) -> None:
    values, words = TOGETHER[case]

    told = refusal(merged(URLS, values), helm=helm)

    assert [each for each in words if each not in told] == [], told
    assert CANARY not in told


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize(("path", "value"), ALONE, ids=lambda each: str(each)[:40])
def test_an_unknown_key_and_a_value_of_another_kind_are_refused_by_name(
    path: str, value: Any, helm: str
) -> None:
    values: Any = value
    for key in reversed(path.split(".")):
        values = {key: values}

    told = refusal(merged(URLS, values), helm=helm)

    above, _, last = path.rpartition(".")
    assert last in told
    assert above.replace(".", "/" if helm == HELM_4 else ".") in told


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize(("scenario_", "group", "setting", "what"), ADD_ONS)
def test_an_add_on_that_the_cluster_lacks_is_named_with_what_to_install(
    scenario_: str, group: str, setting: str, what: str, helm: str
) -> None:
    others = [each for each in APIS if not each.startswith(f"{group}/")]

    told = refusal(SCENARIOS[scenario_], apis=others, helm=helm)

    assert setting in told
    assert what in told
    assert f"--api-versions {group}/" in told


@pytest.mark.parametrize(("kubernetes", "taken"), [("1.36", False), ("1.37", True)])
def test_an_hpa_down_to_none_needs_kubernetes_1_37(kubernetes: str, taken: bool) -> None:
    values = merged(URLS, autoscaling("hpa", **ZERO))

    if taken:
        assert render(values, kubernetes=kubernetes)
    else:
        told = refusal(values, kubernetes=kubernetes)
        assert "autoscaling.minReplicas: 0" in told
        assert "needs Kubernetes 1.37" in told
        assert "autoscaling.mode=keda" in told


def test_a_kubernetes_that_is_too_old_is_refused() -> None:
    assert "1.28.0-0" in refusal(URLS, kubernetes="1.27")
    assert render(URLS, kubernetes="1.28.0-gke.100")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = refusal(
        merged(URLS, {"postgres": {"url": ""}, "worker": {"terminationGracePeriodSeconds": 3}})
    )

    assert "postgres: no PostgreSQL" in told
    assert "worker.terminationGracePeriodSeconds: 3" in told


@pytest.mark.parametrize("values", [
    {"worker": {"terminationGracePeriodSeconds": 9}},
    {"api": {"terminationGracePeriodSeconds": 12}},
    {"settings": {"leaseSeconds": 3}},
])  # fmt: skip
def test_the_fix_is_the_least_that_is_taken(values: Object) -> None:
    assert render(merged(URLS, values))
