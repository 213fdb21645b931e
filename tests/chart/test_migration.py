"""The migration comes before what needs its tables, by the mode that fits."""

import pytest

from tests.chart.helm import Object, render
from tests.chart.reading import of_kind, pod
from tests.chart.scenarios import SCENARIOS, URLS, merged


@pytest.mark.parametrize(("mode", "kinds"), [("hook", {"Job"}), ("job", {"Job"}), ("none", set())])
def test_the_migration_runs_in_the_workers_image_as_its_mode_says(
    mode: str, kinds: set[str]
) -> None:
    objects = render(SCENARIOS[f"migration {mode}"])

    assert {each["kind"] for each in of_kind(objects, "Job")} == kinds
    for job in of_kind(objects, "Job"):
        hook = (job["metadata"].get("annotations") or {}).get("helm.sh/hook")
        assert hook == ("pre-install,pre-upgrade" if mode == "hook" else None)
        assert pod(objects, "migration").main["command"] == [
            "python",
            "-m",
            "services.worker.migrate",
        ]
        assert pod(objects, "migration").main["image"] == pod(objects, "worker").main["image"]
        assert pod(objects, "migration").spec["restartPolicy"] == "Never"


def test_beside_the_dev_postgresql_the_migration_is_no_hook() -> None:
    (job,) = of_kind(render(SCENARIOS["dev"]), "Job")

    assert "helm.sh/hook" not in (job["metadata"].get("annotations") or {})


@pytest.mark.parametrize("mode", ["hook", "job"])
def test_a_bad_setting_ends_the_migration_and_a_drained_node_does_not_count(mode: str) -> None:
    (job,) = of_kind(render(SCENARIOS[f"migration {mode}"]), "Job")
    bad, drained = job["spec"]["podFailurePolicy"]["rules"]

    assert (bad["action"], bad["onExitCodes"]["values"]) == ("FailJob", [2])
    assert (drained["action"], drained["onPodConditions"][0]["type"]) == (
        "Ignore",
        "DisruptionTarget",
    )


def test_a_policy_of_a_hook_is_there_before_the_hook_runs() -> None:
    objects = [each for each in render(URLS) if _weight(each) is not None]
    (job,) = of_kind(objects, "Job")

    for each in of_kind(objects, "NetworkPolicy", "Secret", "ServiceAccount"):
        assert (_weight(each) or 0) < (_weight(job) or 0), each["metadata"]["name"]
    assert {each["kind"] for each in objects} == {
        "Job",
        "NetworkPolicy",
        "Secret",
        "ServiceAccount",
    }


def _weight(each: Object) -> int | None:
    annotations = each["metadata"].get("annotations") or {}
    if "pre-install" not in annotations.get("helm.sh/hook", ""):
        return None
    return int(annotations["helm.sh/hook-weight"])


@pytest.mark.parametrize(
    ("create", "name", "account"),
    [(True, "custom", "engine-order-engine-migration"), (False, "mine", "mine")],
)
def test_a_hook_takes_an_account_that_is_there_before_the_release(
    create: bool, name: str, account: str
) -> None:
    given = {"worker": {"serviceAccount": {"create": create, "name": name}}}

    objects = render(merged(SCENARIOS["migration hook"], given))

    assert pod(objects, "migration").spec["serviceAccountName"] == account


def test_a_migration_waits_for_nothing_that_a_worker_waits_for() -> None:
    given = {
        "worker": {
            "initContainers": [{"name": "wait", "image": "example.com/wait:1"}],
            "extraEnvFrom": [{"secretRef": {"name": "engine-more"}}],
        }
    }

    migration = pod(render(merged(SCENARIOS["migration hook"], given)), "migration")

    assert "initContainers" not in migration.spec
    assert migration.main["envFrom"] == [{"secretRef": {"name": "engine-more"}}]
