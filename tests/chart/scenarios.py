"""Every way to install the chart that the tests look at: each toggle alone, and all at once."""

from typing import Any

import yaml

from tests.chart.helm import Values
from tests.chart.tools import ROOT

DATABASE = "postgresql://engine:canary-of-postgres@postgres.data.svc:5432/orders"
REDIS = "redis://engine:canary-of-redis@redis.data.svc:6379/0"
CANARY = "canary-of-"

URLS: Values = {"postgres": {"url": DATABASE}, "redis": {"url": REDIS}}
SECRETS: Values = {
    "postgres": {"existingSecret": {"name": "orders-db", "key": "uri"}},
    "redis": {"existingSecret": {"name": "orders-redis", "key": "uri"}},
}
INGRESS: Values = {
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "hosts": [{"host": "orders.example.com"}],
        "tls": [{"secretName": "orders-tls", "hosts": ["orders.example.com"]}],
    }
}
GATEWAY: Values = {
    "gateway": {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": ["orders.example.com"],
        }
    }
}
KEDA: Values = {"autoscaling": {"mode": "keda", "redis": {"address": "redis.data.svc:6379"}}}
PEERS: Values = {
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": {
            "postgres": {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]},
            "redis": {"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}]},
            "extra": [
                {
                    "to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}],
                    "ports": [{"port": 443, "protocol": "TCP"}],
                }
            ],
        },
    }
}
TRACING: Values = {
    "tracing": {"endpoint": "http://collector.monitoring:4318", "sampleRatio": 0.25},
    "networkPolicy": {"egress": {"tracing": {"to": [{"ipBlock": {"cidr": "10.3.0.0/16"}}]}}},
}
SIDECAR: dict[str, Any] = {
    "name": "proxy",
    "image": "example.com/proxy:1.2.3",
    "resources": {
        "requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "8Mi"},
        "limits": {"memory": "32Mi", "ephemeral-storage": "16Mi"},
    },
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
PART: Values = {
    "podLabels": {"team": "{{ .Release.Namespace }}"},
    "podAnnotations": {"example.com/release": "{{ .Release.Name }}"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "priorityClassName": "orders",
    "extraEnv": [{"name": "WHERE", "value": "{{ .Release.Namespace }}"}],
    "extraEnvFrom": [{"secretRef": {"name": "{{ .Release.Name }}-more", "optional": True}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "{{ .Release.Name }}-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "sidecars": [SIDECAR],
    "initContainers": [SIDECAR | {"name": "first"}],
    "serviceAccount": {"annotations": {"example.com/role": "orders"}},
}
EXTRA: Values = {
    "extraObjects": [
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: '{{ .Release.Name }}-ca'\n"
        "  namespace: {{ .Release.Namespace }}\ndata: {ca.crt: none}\n"
    ]
}


def merged(*parts: Values) -> dict[str, Any]:
    """Values laid over each other, as `--values` twice would."""
    whole: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], value) if both else value
    return whole


def _keda(**autoscaling: Any) -> dict[str, Any]:
    return merged(URLS, KEDA, {"autoscaling": autoscaling})


SCENARIOS: dict[str, Values] = {
    "default": URLS,
    "secrets": SECRETS,
    "dev": {"dev": {"enabled": True}},
    "dev.postgres": {"dev": {"postgres": {"enabled": True}}, "redis": {"url": REDIS}},
    "dev.redis": {"dev": {"redis": {"enabled": True}}, "postgres": {"url": DATABASE}},
    "dev in memory": {"dev": {"enabled": True, "postgres": {"persistence": {"enabled": False}}}},
    "minimal": merged(
        URLS,
        {
            "api": {"replicas": 1, "serviceAccount": {"create": False}},
            "worker": {"replicas": 1, "serviceAccount": {"create": False}},
            "networkPolicy": {"enabled": False},
            "migration": {"mode": "none"},
            "test": {"enabled": False},
        },
    ),
    "api.hpa": merged(URLS, {"api": {"hpa": {"enabled": True}}}),
    "keda redisStreams": _keda(),
    "keda redisStreams with password": _keda(
        redis={"passwordSecret": {"name": "orders-redis", "key": "password"}, "tls": True}
    ),
    "keda metricsApi": _keda(trigger="metricsApi"),
    "keda prometheus": _keda(
        trigger="prometheus", prometheus={"serverAddress": "http://prometheus.monitoring:9090"}
    ),
    "keda on dev": {
        "dev": {"enabled": True, "allowReplicas": True},
        "autoscaling": {"mode": "keda"},
    },
    "workers by hpa": merged(URLS, {"autoscaling": {"mode": "hpa"}}),
    "migration hook": merged(URLS, {"migration": {"mode": "hook"}}),
    "migration job": merged(URLS, {"migration": {"mode": "job"}}),
    "migration none": merged(URLS, {"migration": {"mode": "none"}}),
    "ingress": merged(URLS, PEERS, INGRESS),
    "httpRoute": merged(URLS, PEERS, GATEWAY),
    "httpRoute on Envoy Gateway": merged(
        URLS, PEERS, GATEWAY, {"gateway": {"backendTrafficPolicy": {"enabled": True}}}
    ),
    "httpRoute on NGINX Gateway Fabric": merged(
        URLS, PEERS, GATEWAY, {"gateway": {"proxySettingsPolicy": {"enabled": True}}}
    ),
    "peers": merged(URLS, PEERS),
    "networkPolicy off": merged(URLS, {"networkPolicy": {"enabled": False}}),
    "serviceMonitor": merged(URLS, PEERS, {"metrics": {"serviceMonitor": {"enabled": True}}}),
    "podMonitor": merged(URLS, PEERS, {"metrics": {"podMonitor": {"enabled": True}}}),
    "prometheusRule": merged(
        URLS,
        {
            "prometheusRule": {
                "enabled": True,
                "groups": [
                    {
                        "name": "orders",
                        "rules": [{"alert": "Down", "expr": "up == 0", "for": "5m"}],
                    }
                ],
            }
        },
    ),
    "dashboards": merged(URLS, {"dashboards": {"enabled": True}}),
    "tracing": merged(URLS, PEERS, TRACING),
    "test off": merged(URLS, {"test": {"enabled": False}}),
    "pdb off": merged(
        URLS, {"api": {"pdb": {"enabled": False}}, "worker": {"pdb": {"enabled": False}}}
    ),
    "parts": merged(URLS, EXTRA, {"api": PART, "worker": PART}),
    "global": merged(
        URLS,
        {
            "global": {
                "imageRegistry": "mirror.example.com",
                "imagePullSecrets": [{"name": "pull"}],
            },
            "commonLabels": {"example.com/team": "orders"},
            "commonAnnotations": {"example.com/owner": "orders"},
        },
    ),
}
SCENARIOS["everything"] = merged(
    *(values for name, values in SCENARIOS.items() if name in (
        "api.hpa", "keda redisStreams with password", "ingress", "httpRoute",
        "httpRoute on Envoy Gateway", "httpRoute on NGINX Gateway Fabric", "peers",
        "podMonitor", "prometheusRule", "dashboards", "tracing", "parts",
        "global",
    )),
)  # fmt: skip
# What the repository shows to whoever installs it.
SCENARIOS |= {
    str(each.relative_to(ROOT)): yaml.safe_load(each.read_text())
    for each in sorted((ROOT / "k8s").glob("**/values*.yaml"))
}
