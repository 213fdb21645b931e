"""NetworkPolicies let through what is listed, and nothing else."""

import pytest

from tests.chart.helm import Object, render
from tests.chart.network import Network, Peer, reachable
from tests.chart.reading import Pod, of_kind, pods
from tests.chart.scenarios import PEERS, SCENARIOS, TRACING, URLS, merged

INGRESS = Peer("the Ingress controller", namespace={"name": "ingress"})
MONITORING = Peer("Prometheus", namespace={"name": "monitoring"})
KEDA_OPERATOR = Peer("KEDA", namespace={"kubernetes.io/metadata.name": "keda"})
DNS = Peer("the resolver", namespace={"kubernetes.io/metadata.name": "kube-system"})
STRANGER = Peer("a pod elsewhere", namespace={"name": "others"})
NEIGHBOUR = Peer("a pod beside", namespace={"kubernetes.io/metadata.name": "trade"})
POSTGRES, REDIS = Peer("PostgreSQL", address="10.1.2.3"), Peer("Redis", address="10.2.2.3")
RPC, ANYWHERE = Peer("RPC", address="203.0.113.9"), Peer("anywhere", address="198.51.100.7")
COLLECTOR = Peer("the collector", address="10.3.2.3")
METADATA = Peer("the cloud's metadata", address="169.254.169.254")
PEERS_OUTSIDE = (
    INGRESS, MONITORING, KEDA_OPERATOR, DNS, STRANGER, NEIGHBOUR,
    POSTGRES, REDIS, RPC, COLLECTOR, ANYWHERE, METADATA,
)  # fmt: skip
PORTS = (22, 53, 80, 443, 4318, 5432, 5433, 6379, 8000, 8080, 9100, 9900)

Flow = tuple[str, str, int]


def _in(objects: list[Object]) -> set[Flow]:
    network = Network.of(objects)
    return {
        (peer.name, pod.component, port)
        for pod in pods(objects)
        for peer in PEERS_OUTSIDE
        for port in PORTS
        if network.into(pod, peer, port)
    }


def _out(objects: list[Object], protocol: str = "TCP") -> set[Flow]:
    network = Network.of(objects)
    return {
        (pod.component, peer.name, port)
        for pod in pods(objects)
        for peer in PEERS_OUTSIDE
        for port in PORTS
        if network.out_of(pod, peer, port, protocol)
    }


def _resolving(*components: str) -> set[Flow]:
    return {(each, "the resolver", 53) for each in components}


NARROW = merged(URLS, PEERS)


def test_the_api_is_open_to_the_ingress_and_all_metrics_to_prometheus() -> None:
    assert _in(render(NARROW)) == {
        ("the Ingress controller", "api", 8000),
        ("Prometheus", "api", 8000),
        ("Prometheus", "worker", 9100),
    }


def test_each_pod_reaches_its_own_databases_and_only_workers_the_rpc() -> None:
    assert _out(render(NARROW)) == {
        *_resolving("api", "worker", "migration", "test"),
        ("api", "PostgreSQL", 5432), ("api", "Redis", 6379),
        ("worker", "PostgreSQL", 5432), ("worker", "Redis", 6379), ("worker", "RPC", 443),
        ("migration", "PostgreSQL", 5432),
    }  # fmt: skip


def test_traces_reach_the_collector_and_its_port_alone() -> None:
    without, traced = render(NARROW), render(merged(NARROW, TRACING))

    assert _out(traced) - _out(without) == {
        ("api", "the collector", 4318), ("worker", "the collector", 4318),
    }  # fmt: skip
    assert _in(traced) == _in(without)


@pytest.mark.parametrize(
    ("tracing", "port"),
    [
        ({"endpoint": "http://collector:4318/otlp"}, 4318),
        ({"endpoint": "http://[fd00::1]:4318"}, 4318),
        ({"endpoint": "http://[fd00::443]"}, 80),
        ({"endpoint": "http://collector.monitoring"}, 80),
        ({"endpoint": "https://collector.monitoring/otlp"}, 443),
        ({"endpoint": "http://collector", "port": 4318}, 4318),
    ],
)
def test_the_collectors_port_is_the_one_that_is_told_or_the_endpoints(
    tracing: Object, port: int
) -> None:
    objects = render(merged(NARROW, TRACING, {"tracing": tracing}))

    ports = {flow[2] for flow in _out(objects) if flow[1] == "the collector"}
    assert ports == {port}


def test_names_are_resolved_by_udp_and_nothing_else_goes_by_udp() -> None:
    assert _out(render(NARROW), "UDP") == _resolving("api", "worker", "migration", "test")


def test_within_the_release_only_the_test_calls_the_api() -> None:
    assert reachable(Network.of(render(NARROW)), PORTS) == {("test", "api", 8000)}


def test_nobody_calls_a_release_that_lists_nobody() -> None:
    assert _in(render(URLS)) == set()


def test_a_release_that_lists_no_databases_reaches_any_on_their_ports_alone() -> None:
    """Where they are is not known yet; what port they have is."""
    flows = {each for each in _out(render(URLS)) if each not in _resolving("api", "worker", "migration", "test")}  # noqa: E501  # fmt: skip

    assert {(caller, port) for caller, _, port in flows} == {
        ("api", 5432), ("api", 6379), ("worker", 5432), ("worker", 6379), ("migration", 5432),
    }  # fmt: skip


def test_a_port_of_its_own_is_followed() -> None:
    ports = merged(
        NARROW, {"api": {"port": 8080}, "worker": {"probePort": 9900}, "postgres": {"port": 5433}}
    )

    objects = render(ports)

    assert _in(objects) == {
        ("the Ingress controller", "api", 8080), ("Prometheus", "api", 8080),
        ("Prometheus", "worker", 9900),
    }  # fmt: skip
    assert ("worker", "PostgreSQL", 5433) in _out(objects)
    assert ("worker", "PostgreSQL", 5432) not in _out(objects)


def test_dev_databases_are_open_to_the_release_alone() -> None:
    objects = render(SCENARIOS["dev"])

    assert _in(objects) == set()
    assert _out(objects) == _resolving("api", "worker", "migration", "test")
    assert reachable(Network.of(objects), PORTS) == {
        ("api", "postgres", 5432), ("worker", "postgres", 5432), ("migration", "postgres", 5432),
        ("api", "redis", 6379), ("worker", "redis", 6379), ("test", "api", 8000),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "flows"),
    [
        ("keda metricsApi", {("KEDA", "worker", 9100)}),
        ("keda redisStreams", set()),
        ("keda prometheus", set()),
        ("keda on dev", {("KEDA", "redis", 6379)}),
    ],
)
def test_keda_reaches_what_it_reads_of_the_release(name: str, flows: set[Flow]) -> None:
    assert _in(render(SCENARIOS[name])) == flows


def test_two_releases_in_one_namespace_do_not_reach_each_other() -> None:
    values = SCENARIOS["dev"]
    ours, theirs = (render(values, release=each) for each in ("blue", "green"))
    network = Network.of([*ours, *theirs])

    met = [
        (a.name, b.name, port)
        for a in pods(ours)
        for b in pods(theirs)
        for port in PORTS
        if network.between(a, b, port) or network.between(b, a, port)
    ]

    assert met == []


def test_every_pod_is_under_a_policy_for_both_ways(objects: list[Object], scenario: str) -> None:
    network = Network.of(objects)
    off = scenario in ("minimal", "networkPolicy off")

    for each in pods(objects):
        assert network.into(each, STRANGER, 22) == off, each.name
        assert network.out_of(each, STRANGER, 22) == off, each.name
    assert bool(of_kind(objects, "NetworkPolicy")) != off


def test_no_rule_lists_nobody_which_would_mean_everybody(objects: list[Object]) -> None:
    for each in of_kind(objects, "NetworkPolicy"):
        for side, rules in (("from", "ingress"), ("to", "egress")):
            for rule in each["spec"].get(rules, ()):
                assert rule.get(side), (each["metadata"]["name"], rule)
                assert rule.get("ports"), (each["metadata"]["name"], rule)


def test_a_list_of_nobody_opens_nothing() -> None:
    nobody = {"networkPolicy": {"egress": {"dns": {"to": []}}, "metricsFrom": []}}
    objects = render(merged(NARROW, nobody))

    assert {flow for flow in _out(objects) if flow[2] == 53} == set()
    assert _in(objects) == {("the Ingress controller", "api", 8000)}


def test_a_pod_of_the_release_that_no_other_policy_knows_is_shut_off() -> None:
    objects = render(NARROW)
    labels = {
        key: value
        for key, value in pods(objects)[0].labels.items()
        if key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")
    }
    unknown = Pod(pods(objects)[0].owner, {"labels": labels}, {"containers": []})
    network = Network.of(objects)

    assert not any(network.into(unknown, peer, 8000) for peer in PEERS_OUTSIDE)
    assert not any(network.out_of(unknown, peer, 53) for peer in PEERS_OUTSIDE)
