"""What Kubernetes and the add-ons say of an object: every field known, and every value fitting."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.chart import tools
from tests.chart.helm import Object

CHECK = tools.LOCK.parent / "check.mjs"
# The groups whose schemas `crds/check.mjs` knows.
ADD_ONS = ("keda.sh", "gateway.networking.k8s.io", "monitoring.coreos.com")


def complaints(objects: Iterable[Object], kubernetes: str) -> Iterator[str]:
    """What the API server of that version would refuse, read strictly."""
    for each in objects:
        group = each["apiVersion"].partition("/")[0]
        if group in ADD_ONS:
            found = _of_add_ons(json.dumps(each))
        elif group in POLICIES:
            found = tuple(_of_policies(each))
        else:
            found = _of_kubernetes(json.dumps(each), kubernetes)
        yield from (f"{each['kind']} {each['metadata']['name']}: {told}" for told in found)


@cache
def _of_kubernetes(text: str, kubernetes: str) -> tuple[str, ...]:
    each = json.loads(text)
    errors = _validator(each["kind"], each["apiVersion"], kubernetes).iter_errors(each)
    return tuple(f"{error.json_path}: {error.message}" for error in errors)


@cache
def _validator(kind: str, version: str, kubernetes: str) -> Draft202012Validator:
    group, _, version = version.rpartition("/")
    parts = [kind.lower(), group.partition(".")[0], version]
    name = "-".join(part for part in parts if part)
    schema = json.loads((_folder(kubernetes) / f"{name}.json").read_text())
    return Draft202012Validator(schema, registry=_registry(kubernetes))


def _folder(kubernetes: str) -> Any:
    schemas = files("kubernetes_validate") / "kubernetes-json-schema"
    (found,) = (
        each
        for each in schemas.iterdir()
        if each.name.startswith(f"v{kubernetes}.") and each.name.endswith("-local-strict")
    )
    return found


@cache
def _registry(kubernetes: str) -> Registry[Any]:
    text = (_folder(kubernetes) / "_definitions.json").read_text()
    return Resource.from_contents(json.loads(text)) @ Registry()


@cache
def _of_add_ons(text: str) -> tuple[str, ...]:
    done = subprocess.run(
        [tools.node(), CHECK, tools.crds()],
        input=f"[{text}]", capture_output=True, text=True, check=True,
    )  # fmt: skip
    (found,) = json.loads(done.stdout)
    return tuple(found)


# The gateways' own policies are in no package that we can reach. What the chart sets of them is
# written out after their references: gateway.envoyproxy.io/docs/api/extension_types for
# BackendTrafficPolicy, docs.nginx.com/nginx-gateway-fabric/reference/api for ProxySettingsPolicy.
def _exactly(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _policy(kind: str, timeout: dict[str, Any]) -> dict[str, Any]:
    """A policy that names one HTTPRoute and sets timeouts."""
    target = _exactly(
        group={"const": "gateway.networking.k8s.io"},
        kind={"const": "HTTPRoute"},
        name={"type": "string", "minLength": 1, "maxLength": 253},
    )
    targets = {"type": "array", "items": target, "minItems": 1, "maxItems": 16}
    return _exactly(
        apiVersion={"type": "string", "pattern": r"/v1alpha1$"},
        kind={"const": kind},
        metadata={"type": "object"},
        spec=_exactly(targetRefs=targets, timeout=timeout),
    )


POLICIES: dict[str, dict[str, Any]] = {}
# A duration of the Gateway API (GEP-2257), and one of nginx.
_DURATION = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_TIME = {"type": "string", "pattern": r"^[0-9]{1,4}(ms|s|m|h)?$"}
POLICIES["gateway.envoyproxy.io"] = _policy(
    "BackendTrafficPolicy", _exactly(http=_exactly(streamIdleTimeout=_DURATION))
)
POLICIES["gateway.nginx.org"] = _policy("ProxySettingsPolicy", _exactly(read=_TIME, send=_TIME))


def _of_policies(each: Object) -> Iterator[str]:
    schema = POLICIES[each["apiVersion"].partition("/")[0]]
    for error in Draft202012Validator(schema).iter_errors(each):
        yield f"{error.json_path}: {error.message}"
