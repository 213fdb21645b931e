"""What a rendering holds, in the words of the tests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.chart.helm import Object


@dataclass(frozen=True)
class Pod:
    """A pod that some object of the rendering makes."""

    owner: Object
    metadata: Object
    spec: Object

    @property
    def name(self) -> str:
        return f"{self.owner['kind']} {self.owner['metadata']['name']}"

    @property
    def namespace(self) -> str:
        return str(self.owner["metadata"]["namespace"])

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def main(self) -> Object:
        """The container that the pod is for."""
        return self.spec["containers"][0]  # type: ignore[no-any-return]


def pods(objects: Iterable[Object]) -> list[Pod]:
    """Every pod of the rendering: of Deployments, StatefulSets, Jobs, hooks and tests."""
    found = []
    for each in objects:
        if each["kind"] == "Pod":
            found.append(Pod(each, each["metadata"], each["spec"]))
        elif "template" in each.get("spec", {}):
            template = each["spec"]["template"]
            found.append(Pod(each, template["metadata"], template["spec"]))
    return found


def pod(objects: Iterable[Object], component: str) -> Pod:
    """The one pod of `component`."""
    (found,) = (each for each in pods(objects) if each.component == component)
    return found


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """The objects of those kinds."""
    return [each for each in objects if each["kind"] in kinds]


def one(objects: Iterable[Object], kind: str, component: str | None = None) -> Object:
    """The one object of a kind, or the one of a kind and component."""
    (found,) = (
        each
        for each in of_kind(objects, kind)
        if component is None or labels(each)["app.kubernetes.io/component"] == component
    )
    return found


def labels(each: Object) -> dict[str, str]:
    return each["metadata"].get("labels") or {}


def identity(each: Object) -> tuple[str, str, str]:
    """What tells an object from all others of a cluster."""
    metadata = each["metadata"]
    return each["kind"], metadata.get("namespace", ""), metadata["name"]


def selects(selector: Object, given: dict[str, str]) -> bool:
    """Whether a label selector takes labels. An empty one takes everything."""
    plain = all(given.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return plain and all(_expression(each, given) for each in selector.get("matchExpressions", ()))


def _expression(each: Object, given: dict[str, str]) -> bool:
    value, values = given.get(each["key"]), each.get("values", ())
    return {
        "In": value is not None and value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[each["operator"]]


def strings(value: Any) -> Iterator[str]:
    """Every string within, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
