"""As much of a Kubernetes API as Helm needs to look an object up."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.chart.helm import Object

VERSION: Object = {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
KINDS = {
    "v1": ("Secret", "ConfigMap", "Service", "ServiceAccount", "Pod"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}


def _resource(kind: str) -> Object:
    name = kind.lower()
    plural = f"{name.removesuffix('y')}ies" if name.endswith("y") else f"{name}s"
    return {"name": plural, "namespaced": True, "kind": kind, "verbs": ["get"]}


def _group(version: str) -> Object:
    told = {"groupVersion": version, "version": "v1"}
    return {"name": version.partition("/")[0], "versions": [told], "preferredVersion": told}


def _resources(version: str) -> Object:
    resources = [_resource(kind) for kind in KINDS[version]]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


KNOWN: dict[str, Object] = {
    "/version": VERSION,
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(version) for version in KINDS if "/" in version],
    },
    "/api/v1": _resources("v1"),
    **{f"/apis/{version}": _resources(version) for version in KINDS if "/" in version},
}
GONE = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "NotFound",
    "code": 404,
}


@contextmanager
def holding(*objects: Object) -> Iterator[str]:
    """The URL of a cluster that holds these Secrets, put there by Helm, and nothing else."""
    answers = dict(KNOWN)
    for each in objects:
        metadata = each["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
        owner = {"meta.helm.sh/release-name": "engine", "meta.helm.sh/release-namespace": "trade"}
        answers[path] = each | {"metadata": metadata | {"annotations": owner}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(found or GONE).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()
