"""Ingress and HTTPRoute lead to the API, and let a stream be quiet for as long as it likes."""

import pytest

from tests.chart.helm import Object, render
from tests.chart.reading import of_kind, one, pods
from tests.chart.scenarios import GATEWAY, INGRESS, PEERS, SCENARIOS, URLS, merged

STREAM = "/api/orders/stream"
# Metrics and probes are on the same port, and are nobody's business outside.
PUBLIC = ("/api", "/docs", "/openapi.json")


def test_an_ingress_leads_to_the_api_and_waits_an_hour_for_a_quiet_stream() -> None:
    ingress = one(render(SCENARIOS["ingress"]), "Ingress")

    backend = {"service": {"name": "engine-order-engine-api", "port": {"name": "http"}}}
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"secretName": "orders-tls", "hosts": ["orders.example.com"]}],
        "rules": [
            {
                "host": "orders.example.com",
                "http": {
                    "paths": [
                        {"path": each, "pathType": "Prefix", "backend": backend} for each in PUBLIC
                    ]
                },
            }
        ],
    }
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "3600"
    assert annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"] == "3600"


def test_a_stream_has_a_route_of_its_own_that_no_request_timeout_cuts() -> None:
    rest, stream = of_kind(render(SCENARIOS["httpRoute"]), "HTTPRoute")

    (rule,) = stream["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": STREAM}}]
    assert rule["timeouts"] == {"request": "0s"}
    assert "timeouts" not in rest["spec"]["rules"][0]


def test_both_routes_have_the_same_gateways_hosts_and_backend() -> None:
    values = merged(SCENARIOS["httpRoute"], {"api": {"service": {"port": 8080}}})
    rest, stream = of_kind(render(values), "HTTPRoute")

    for each in (rest, stream):
        assert each["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
        assert each["spec"]["hostnames"] == ["orders.example.com"]
        (rule,) = each["spec"]["rules"]
        assert rule["backendRefs"] == [{"name": "engine-order-engine-api", "port": 8080}]
    assert rest["spec"]["rules"][0]["matches"] == [
        {"path": {"type": "PathPrefix", "value": each}} for each in PUBLIC
    ]


@pytest.mark.parametrize(
    ("scenario_", "kind", "timeout"),
    [
        ("httpRoute on Envoy Gateway", "BackendTrafficPolicy",
         {"http": {"streamIdleTimeout": "3600s"}}),
        ("httpRoute on NGINX Gateway Fabric", "ProxySettingsPolicy",
         {"read": "3600s", "send": "3600s"}),
    ],
)  # fmt: skip
def test_a_gateways_policy_is_on_the_streams_route_alone(
    scenario_: str, kind: str, timeout: Object
) -> None:
    objects = render(SCENARIOS[scenario_])
    policy = one(objects, kind)
    (stream,) = (
        each for each in of_kind(objects, "HTTPRoute") if "timeouts" in each["spec"]["rules"][0]
    )

    assert policy["spec"]["timeout"] == timeout
    assert policy["spec"]["targetRefs"] == [
        {
            "group": "gateway.networking.k8s.io",
            "kind": "HTTPRoute",
            "name": stream["metadata"]["name"],
        }
    ]


def test_hosts_and_annotations_are_templates() -> None:
    host = {
        "host": "{{ .Release.Name }}.example.com",
        "paths": [{"path": "/x", "pathType": "Exact"}],
    }
    ingress = {"hosts": [host], "tls": [], "annotations": {"a/b": "{{ .Release.Namespace }}"}}
    routes = {"gateway": {"httpRoute": {"hostnames": ["{{ .Release.Name }}.example.com"]}}}

    objects = render(merged(URLS, PEERS, INGRESS, {"ingress": ingress}, GATEWAY, routes))

    rule = one(objects, "Ingress")["spec"]["rules"][0]
    assert rule["host"] == "engine.example.com"
    assert rule["http"]["paths"][0]["path"] == "/x"
    assert one(objects, "Ingress")["metadata"]["annotations"]["a/b"] == "trade"
    for each in of_kind(objects, "HTTPRoute"):
        assert each["spec"]["hostnames"] == ["engine.example.com"]


def test_the_workers_service_is_for_metrics_alone() -> None:
    objects = render(SCENARIOS["everything"])
    service = one(objects, "Service", "worker")["metadata"]["name"]

    assert [port["name"] for port in one(objects, "Service", "worker")["spec"]["ports"]] == [
        "metrics"
    ]
    for each in of_kind(objects, "Ingress", "HTTPRoute"):
        assert service not in str(each["spec"])


@pytest.mark.parametrize(("name", "kind", "endpoints"), [
    ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
    ("serviceMonitor", "ServiceMonitor", "endpoints"),
])  # fmt: skip
def test_a_monitor_reads_the_api_and_the_workers_of_this_release(
    name: str, kind: str, endpoints: str
) -> None:
    spec = one(render(SCENARIOS[name]), kind)["spec"]

    assert {each["port"] for each in spec[endpoints]} == {"http", "metrics"}
    assert {each["path"] for each in spec[endpoints]} == {"/metrics"}
    assert spec["namespaceSelector"] == {"matchNames": ["trade"]}
    assert spec["selector"] == {
        "matchLabels": {
            "app.kubernetes.io/name": "order-engine",
            "app.kubernetes.io/instance": "engine",
        },
        "matchExpressions": [
            {"key": "app.kubernetes.io/component", "operator": "In", "values": ["api", "worker"]}
        ],
    }


LABELLED = [
    {
        "sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"],
        "targetLabel": "release",
    },
    {
        "sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_component"],
        "targetLabel": "service",
    },
]


@pytest.mark.parametrize(("name", "kind", "endpoints"), [
    ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
    ("serviceMonitor", "ServiceMonitor", "endpoints"),
])  # fmt: skip
def test_a_monitor_labels_each_series_by_release_and_service_before_the_users_relabelings(
    name: str, kind: str, endpoints: str
) -> None:
    own = {"action": "labeldrop", "regex": "container"}
    values = merged(SCENARIOS[name], {"metrics": {name: {"relabelings": [own]}}})
    without, with_own = render(SCENARIOS[name]), render(values)

    for each in one(without, kind)["spec"][endpoints]:
        assert each["relabelings"] == LABELLED
    for each in one(with_own, kind)["spec"][endpoints]:
        assert each["relabelings"] == [*LABELLED, own]
    for pod in pods(without):
        if pod.component in ("api", "worker"):
            assert pod.labels["app.kubernetes.io/instance"] == "engine"
