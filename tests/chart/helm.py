"""The chart, rendered by a real Helm. Every rendering is made once a session and kept."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from tests.chart import tools

Object = dict[str, Any]
Values = Mapping[str, Any]

CHART = tools.ROOT / "charts" / "order-engine"
HELM_3, HELM_4 = tools.HELMS
KUBERNETES = tuple(f"1.{minor}" for minor in range(28, 38))
OLDEST, NEWEST = KUBERNETES[0], KUBERNETES[-1]
# What a cluster with every add-on says it serves.
APIS = (
    "keda.sh/v1alpha1", "keda.sh/v1alpha1/ScaledObject", "keda.sh/v1alpha1/TriggerAuthentication",
    "gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1/HTTPRoute",
    "gateway.envoyproxy.io/v1alpha1", "gateway.envoyproxy.io/v1alpha1/BackendTrafficPolicy",
    "gateway.nginx.org/v1alpha1", "gateway.nginx.org/v1alpha1/ProxySettingsPolicy",
    "monitoring.coreos.com/v1", "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule",
)  # fmt: skip


def bands() -> list[tuple[str, ...]]:
    """The Kubernetes versions for which all templates do the same, the templates say."""
    text = "".join(each.read_text() for each in CHART.glob("templates/**/*") if each.is_file())
    starts = {int(minor) for minor in re.findall(r'semverCompare "(?:>=|<)1\.(\d+)-0"', text)}
    assert len(re.findall(r"semverCompare", text)) == len(
        re.findall(r'semverCompare "(?:>=|<)1\.', text)
    )
    edges = sorted({28, 38, *starts})
    return [tuple(f"1.{minor}" for minor in range(low, high)) for low, high in pairwise(edges)]


class Refused(Exception):
    """Helm would not render these values. Its text is what it told the user."""


def render(
    values: Values,
    *,
    helm: str = HELM_4,
    kubernetes: str = NEWEST,
    apis: Iterable[str] = APIS,
    release: str = "engine",
    namespace: str = "trade",
    options: Iterable[str] = (),
) -> list[Object]:
    """The objects that `helm template` makes of `values`. Raises `Refused`."""
    flags = [release, "--namespace", namespace, "--kube-version", kubernetes, *options]
    for api in apis:
        flags += ["--api-versions", api]
    text = _told(helm, "template", tuple(flags), json.dumps(values))
    return [each for each in yaml.load_all(text, _Loader) if each is not None]


def refusal(values: Values, **where: Any) -> str:
    """What Helm tells whoever asks for `values`."""
    try:
        render(values, **where)
    except Refused as refused:
        return str(refused)
    raise AssertionError(f"these values are taken: {values}")


def notes(values: Values, *, release: str = "engine") -> str:
    """What a user reads after `helm install`. Helm 3 asks a cluster even in a dry run."""
    flags = (release, "--namespace", "trade", "--dry-run=client", "--debug=false")
    text = _told(HELM_4, "install", flags, json.dumps(values))
    return text.partition("\nNOTES:\n")[2]


def lint(values: Values, *, helm: str, kubernetes: str = NEWEST) -> str:
    """What `helm lint --strict` says. Raises `Refused` at a warning."""
    return _told(helm, "lint", ("--strict", "--kube-version", kubernetes), json.dumps(values))


@cache
def _told(helm: str, verb: str, flags: tuple[str, ...], values: str) -> str:
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "HELM_NAMESPACE": "default"}
        words: list[str | Path] = (
            [*flags[:1], CHART, *flags[1:]] if verb != "lint" else [CHART, *flags]
        )
        done = subprocess.run(
            [tools.helm(helm), verb, *words, "--values", "-"],
            input=values, capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
    if done.returncode:
        raise Refused(done.stderr + done.stdout if verb == "lint" else done.stderr)
    return done.stdout


class _Loader(yaml.CSafeLoader):
    """Refuses what the plain loader lets pass: a key that is there twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Object:
    loader.flatten_mapping(node)
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise ValueError(f"keys that are there twice{node.start_mark}: {sorted(twice)}")
    made: Object = loader.construct_mapping(node, deep=True)  # type: ignore[assignment]
    return made


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
