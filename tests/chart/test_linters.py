"""Linters find nothing in the chart but what is explained in `exceptions.py`."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.chart import exceptions, tools
from tests.chart.exceptions import Exempt
from tests.chart.helm import CHART, HELM_3, HELM_4, KUBERNETES, Object, lint, render
from tests.chart.reading import labels
from tests.chart.scenarios import SCENARIOS

Finding = tuple[str, str]


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize("name", ["default", "dev", "minimal"])
def test_helm_lint_has_nothing_to_say(name: str, helm: str) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in lint(SCENARIOS[name], helm=helm)


@pytest.mark.parametrize(
    ("name", "exempt"),
    [
        ("default", exceptions.KUBE_SCORE),
        ("dev", exceptions.KUBE_SCORE_DEV),
        ("everything", exceptions.KUBE_SCORE_SCALED),
    ],
)
def test_kube_score_says_what_is_explained_and_no_more(
    name: str, exempt: Sequence[Exempt], tmp_path: Path
) -> None:
    objects = render(SCENARIOS[name], kubernetes=KUBERNETES[2])
    command: list[str | Path] = [
        tools.kube_score(),
        "score",
        "--kubernetes-version",
        f"v{KUBERNETES[2]}",
    ]

    told = json.loads(_run([*command, "--output-format", "json"], objects, tmp_path))

    assert _expected(exempt) == {
        (check["check"]["id"], each["object_meta"]["labels"]["app.kubernetes.io/component"])
        for each in told
        for check in each["checks"]
        if check["grade"] < 10 and not check["skipped"]
    }


@pytest.mark.parametrize(
    ("name", "exempt"),
    [
        ("default", exceptions.CHECKOV),
        ("dev", exceptions.CHECKOV_DEV),
        ("everything", exceptions.CHECKOV_SCALED),
    ],
)
def test_checkov_says_what_is_explained_and_no_more(
    name: str, exempt: Sequence[Exempt], tmp_path: Path
) -> None:
    objects = render(SCENARIOS[name])
    of = {f"{each['kind']}.trade.{each['metadata']['name']}": _component(each) for each in objects}
    command: list[str | Path] = [
        tools.checkov(), "-m", "checkov.main", "--framework", "kubernetes", "--quiet",
        "--compact", "--skip-download", "--output", "json", "--file",
    ]  # fmt: skip

    told = json.loads(_run(command, objects, tmp_path))

    assert told["summary"]["parsing_errors"] == 0
    assert _expected(exempt) == {
        (each["check_id"], of[each["resource"]]) for each in told["results"]["failed_checks"]
    }


@pytest.mark.parametrize("name", ["default", "dev", "everything"])
def test_kube_linter_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    config = tools.ROOT / ".kube-linter.yaml"
    command: list[str | Path] = [
        tools.kube_linter(),
        "lint",
        "--config",
        config,
        "--format",
        "json",
    ]

    told = json.loads(_run(command, render(SCENARIOS[name]), tmp_path))

    assert [each["Diagnostic"]["Message"] for each in told["Reports"] or ()] == []


def test_the_yaml_that_people_read_is_tidy() -> None:
    config = YamlLintConfig(
        "{extends: default, rules: {line-length: {max: 150}, document-start: disable, "
        "comments: {min-spaces-from-content: 1}, braces: {max-spaces-inside: 1}}}"
    )
    files = [CHART / "Chart.yaml", CHART / "values.yaml", *tools.ROOT.glob("k8s/values*.yaml")]

    found = [
        f"{each.name}: {told}" for each in files for told in linter.run(each.read_text(), config)
    ]

    assert found == []


def _run(command: Sequence[str | Path], objects: Iterable[Object], folder: Path) -> str:
    """What a linter says of a file with `objects`, by whatever code it ends."""
    manifests = folder / "manifests.yaml"
    manifests.write_text(yaml.safe_dump_all(objects))
    done = subprocess.run([*command, manifests], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.stdout


def _expected(exempt: Iterable[Exempt]) -> set[Finding]:
    return {(each.check, component) for each in exempt for component in each.of}


def _component(each: Object) -> str:
    return labels(each).get("app.kubernetes.io/component", "")
