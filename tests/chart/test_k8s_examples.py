"""The databases of k8s/examples are sound, and values-production.yaml leads to them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from k8s.render import NAMESPACE, RELEASE, ROOT
from services.cli.ports import free_port
from tests.chart.guarded import guarded
from tests.chart.helm import KUBERNETES, Object, render
from tests.chart.reading import one, pod, pods, selects
from tests.chart.schemas import _exactly, complaints

K8S = ROOT / "k8s"
PRODUCTION: dict[str, Any] = yaml.safe_load((K8S / "values-production.yaml").read_text())
# CloudNativePG's schema is in no package that we can reach. What the example sets is written out
# after its documentation's samples: cluster-example.yaml and cluster-example-full.yaml.
_TEXT = {"type": "string", "minLength": 1}
_AMOUNTS = {"type": "object", "additionalProperties": {"type": "string"}}
CLUSTER = _exactly(
    apiVersion={"const": "postgresql.cnpg.io/v1"},
    kind={"const": "Cluster"},
    metadata=_exactly(name=_TEXT, namespace=_TEXT),
    spec=_exactly(
        instances={"type": "integer", "minimum": 1},
        imageName={"type": "string", "pattern": r":\d+\.\d+[\w.-]*$"},
        bootstrap=_exactly(initdb=_exactly(database=_TEXT, owner=_TEXT)),
        postgresql=_exactly(
            synchronous=_exactly(
                method={"enum": ["any", "first"]}, number={"type": "integer", "minimum": 1}
            ),
            parameters={"type": "object", "additionalProperties": {"type": "string"}},
        ),
        storage=_exactly(size={"type": "string", "pattern": r"^\d+(Mi|Gi|Ti)$"}),
        resources=_exactly(requests=_AMOUNTS, limits=_AMOUNTS),
    ),
)


def _example(name: str) -> list[Object]:
    return list(yaml.safe_load_all((K8S / "examples" / f"{name}.yaml").read_text()))


def test_the_cluster_of_cloudnative_pg_sets_what_its_samples_show() -> None:
    (cluster,) = _example("cloudnative-pg")

    assert list(Draft202012Validator(CLUSTER).iter_errors(cluster)) == []
    assert cluster["spec"]["instances"] == 3
    assert cluster["spec"]["postgresql"]["synchronous"]["number"] < cluster["spec"]["instances"]


def test_the_engine_reads_the_secret_that_cloudnative_pg_writes_and_may_reach_its_pods() -> None:
    """cloudnative-pg.io/docs/current/applications: `[cluster name]-app`, key `uri`."""
    (cluster,) = _example("cloudnative-pg")
    values, name = PRODUCTION, cluster["metadata"]["name"]

    assert values["postgres"]["existingSecret"] == {"name": f"{name}-app", "key": "uri"}
    assert cluster["metadata"]["namespace"] == NAMESPACE
    (peer,) = values["networkPolicy"]["egress"]["postgres"]["to"]
    assert selects(peer["podSelector"], {"cnpg.io/cluster": name})


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_every_kubernetes_takes_the_example_of_valkey(kubernetes: str) -> None:
    assert list(complaints(_example("valkey"), kubernetes)) == []


def test_the_engine_and_keda_find_valkey_and_are_let_in() -> None:
    valkey, values = _example("valkey"), PRODUCTION
    service, policy = one(valkey, "Service"), one(valkey, "NetworkPolicy")["spec"]
    (server,), (rule,) = pods(valkey), policy["ingress"]
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]

    assert values["autoscaling"]["redis"]["address"] == f"{name}.{NAMESPACE}.svc:{port}"
    assert selects({"matchLabels": service["spec"]["selector"]}, server.labels)
    (peer,) = values["networkPolicy"]["egress"]["redis"]["to"]
    assert selects(peer["podSelector"], server.labels)
    engine = [
        pod(render(PRODUCTION, release=RELEASE, namespace=NAMESPACE), part).labels
        for part in ("api", "worker")
    ]
    assert all(selects(rule["from"][0]["podSelector"], each) for each in engine)
    keda = {"kubernetes.io/metadata.name": "keda"}
    assert selects(rule["from"][1]["namespaceSelector"], keda)
    assert [each["port"] for each in rule["ports"]] == [port]


def test_the_secret_that_one_makes_for_valkey_has_the_keys_that_are_read() -> None:
    text = (K8S / "examples" / "valkey.yaml").read_text()
    made = set(re.findall(r"--from-literal=([\w.]+)=", text))
    (server,), values = pods(_example("valkey")), PRODUCTION
    (volume,) = (each["secret"] for each in server.spec["volumes"] if "secret" in each)
    read = [values["redis"]["existingSecret"], values["autoscaling"]["redis"]["passwordSecret"]]

    assert {each["key"] for each in (*read, *volume["items"])} == made
    assert {each["name"] for each in read} | {volume["secretName"]} == {"orders-redis"}
    assert "create secret generic orders-redis " in text


async def test_valkey_starts_with_its_files_throws_nothing_away_and_takes_no_strangers(
    tmp_path: Path,
) -> None:
    config, port = one(_example("valkey"), "ConfigMap")["data"]["valkey.conf"], free_port()
    config = config.replace("dir /data", f"dir {tmp_path}")  # the container's own folders
    (tmp_path / "valkey.conf").write_text(config.replace("/etc/valkey-auth", str(tmp_path)))
    (tmp_path / "auth.conf").write_text("requirepass of-this-test\n")

    async with guarded(tmp_path / "valkey.conf", port, "of-this-test") as known:
        told = await known.config_get("maxmemory-policy", "maxmemory")
        assert told == {"maxmemory-policy": "noeviction", "maxmemory": str(384 * 2**20)}
