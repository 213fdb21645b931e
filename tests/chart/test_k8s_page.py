"""Every command of k8s/README.md names what is there."""

import re
from pathlib import Path

import pytest
import yaml

from k8s.render import CHART, NAMESPACE, RELEASE, ROOT
from services.cli import arguments
from tests.chart.commands import Command, given, plain, shown
from tests.chart.helm import HELM_3, HELM_4, Object, Refused, render
from tests.chart.reading import of_kind, pods

PAGE = ROOT / "k8s" / "README.md"
COMMANDS = shown(PAGE)
FILES = ("-f", "--filename", "--file", "--config", "--values")
VALUED = (*FILES, "--namespace", "--set", "--version", "--timeout", "--name")
OURS = str(CHART.relative_to(ROOT))
KIND = {"service": "Service", "deployment": "Deployment"}


def _of(*words: str) -> list[Command]:
    return [each for each in COMMANDS if each[: len(words)] == list(words)]


def _installs() -> list[Command]:
    return [each for each in _of("helm") if OURS in each]


def _rendered(command: Command, helm: str = HELM_4) -> list[Object]:
    """What Helm makes of our chart with a command's values."""
    (release,) = [word for word in plain(command, *VALUED)[2:] if word != OURS]
    options = [f"--values={ROOT / each}" for each in given(command, "-f", "--values")]
    options += [f"--set={each}" for each in given(command, "--set")]
    (namespace,) = given(command, "--namespace")
    return render({}, helm=helm, release=release, namespace=namespace, options=options)


def _everything() -> list[Object]:
    """All that the page installs by our chart, and the examples it applies."""
    examples = [
        each
        for path in sorted((ROOT / "k8s" / "examples").glob("*.yaml"))
        for each in yaml.safe_load_all(path.read_text())
    ]
    return [each for command in _installs() for each in _rendered(command)] + examples


def test_every_file_that_a_command_or_a_link_names_is_there() -> None:
    named = [path for each in COMMANDS for path in given(each, *FILES)]
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE.read_text())

    assert len(named) >= 10
    assert [each for each in named if not (ROOT / each).is_file()] == []
    assert [each for each in links if not (PAGE.parent / each).exists()] == []


def test_every_file_of_k8s_is_told_of() -> None:
    text, folder = PAGE.read_text(), PAGE.parent
    files = [str(each.relative_to(folder)) for each in folder.rglob("*.yaml")]

    assert len(files) >= 8
    assert [each for each in files if f"]({each})" not in text] == []


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize("command", _installs(), ids=lambda words: " ".join(words[1:]))
def test_the_chart_takes_the_values_of_a_command(command: Command, helm: str) -> None:
    assert command[1] in ("install", "upgrade")
    assert {"api", "worker"} <= {each.component for each in pods(_rendered(command, helm))}


def test_a_key_that_the_chart_does_not_know_would_be_found() -> None:
    (command,) = (each for each in _installs() if "global.imageRegistry=" in " ".join(each))

    with pytest.raises(Refused, match="imageRegister"):
        _rendered([each.replace("imageRegistry", "imageRegister") for each in command])


def test_every_release_and_namespace_is_the_one_that_was_installed() -> None:
    verbs = ("test", "history", "rollback", "uninstall")
    releases = [plain(each, *VALUED)[2] for each in _of("helm") if each[1] in verbs]
    spaces = {space for each in COMMANDS for space in given(each, "--namespace")}

    assert len(releases) >= 4
    assert set(releases) == {RELEASE}
    assert spaces == {NAMESPACE, "keda", "cnpg-system"}
    assert all(each[3] == NAMESPACE for each in _of("kubectl", "create", "namespace"))


def test_every_object_that_kubectl_names_is_one_of_those_that_are_made() -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in _everything()}
    scaled = {
        f"keda-hpa-{each['metadata']['name']}" for each in of_kind(_everything(), "ScaledObject")
    }
    named = list(_named())

    assert {kind for kind, _ in named} == {"Service", "Deployment", "Cluster", "hpa"}
    assert [each for each in named if each[0] != "hpa" and each not in made] == []
    assert {name for kind, name in named if kind == "hpa"} <= scaled


def _named() -> list[tuple[str, str]]:
    """What `kubectl get`, `wait` and `port-forward` name, as kind and name."""
    found = []
    for each in _of("kubectl"):
        if each[1] == "get":
            found.append((KIND.get(each[2], each[2]), each[3]))
        elif each[1] in ("wait", "port-forward"):
            kind, name = next(word for word in each if "/" in word).split("/")
            found.append((KIND.get(kind, kind.partition(".")[0].title()), name))
    return found


def test_a_forwarded_port_is_the_services_and_the_one_that_is_then_called() -> None:
    ((here, there),) = (each[3].split(":") for each in _of("kubectl", "port-forward"))
    services = of_kind(_rendered(_installs()[0]), "Service")
    (api,) = (each for each in services if each["metadata"]["name"] == "oe-order-engine-api")

    assert [str(each["port"]) for each in api["spec"]["ports"]] == [there]
    called = re.findall(r"(?:http|ws)://127\.0\.0\.1:(\d+)", PAGE.read_text())
    assert len(called) == 3
    assert set(called) == {here}


def test_the_images_that_are_built_are_loaded_and_are_those_of_the_pods() -> None:
    built = {tag for each in _of("docker", "build") for tag in given(each, "-t")}
    (load,) = _of("kind", "load")
    trial = pods(_rendered(_installs()[0]))
    ours = {each.main["image"] for each in trial if each.component in ("api", "worker")}

    assert built == ours == set(plain(load, *VALUED)[3:])
    clusters = {name for each in _of("kind") for name in given(each, "--name")}
    assert clusters == {yaml.safe_load((ROOT / "k8s" / "kind.yaml").read_text())["name"]}


def test_the_clients_commands_and_the_targets_of_make_are_there() -> None:
    client = [each[3:] for each in COMMANDS if each[1:3] == ["-m", "services.cli"]]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [each[0] for each in client] == ["watch", "submit"]
    assert all(arguments.parse(each).run for each in client)
    assert set(re.findall(r"\bmake ([a-z-]+)", PAGE.read_text())) <= set(targets)


def test_the_charts_of_others_are_named_by_version() -> None:
    others = [each for each in _of("helm", "install") if OURS not in each]

    assert [each[3] for each in others] == ["kedacore/keda", "cnpg/cloudnative-pg"]
    versions = [version for each in others for version in given(each, "--version")]
    assert len(versions) == len(others)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", each) for each in versions)


def test_the_secret_is_made_as_the_example_of_valkey_says() -> None:
    def made(path: Path) -> list[str]:
        return sorted(
            re.findall(r"--from-literal=\S+?=.*?(?= \\|$)", path.read_text(), re.MULTILINE)
        )

    assert len(made(PAGE)) == 3
    assert made(PAGE) == made(ROOT / "k8s" / "examples" / "valkey.yaml")
