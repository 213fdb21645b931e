"""What the linters say of the chart and we do not follow, each with the reason.

A table is exact: what a linter no longer says, or says of another part, fails the test as well.
"""

from typing import NamedTuple

CPU = "a CPU limit throttles: sockets would lag, and a worker would be late with its leases"
PULL = "a tag is a version and a digest never moves; `Always` would need the registry to restart"
SPREAD = "topologySpreadConstraints do it for nodes and zones, and count each rollout by itself"
ONE = "one pod is what the dev databases are for, and what an autoscaler may go down to"
PROBES = "a database has one question to answer; liveness only asks it more patiently"
POSTGRES = "70 is the user that the official image on Alpine has its folders made for"
VARIABLES = "the engine reads its environment; a file would be as readable to the same user"
DIGEST = "the images are the user's to build; `image.digest` takes one"
ENDS = "a pod that runs once and ends is neither restarted nor sent requests"
THEIRS = "the container is the user's own"

APPS = frozenset({"api", "worker"})
OURS = APPS | {"migration", "test"}
DEV = frozenset({"postgres", "redis"})


class Exempt(NamedTuple):
    """A check that is not followed, for which components, and why."""

    check: str
    of: frozenset[str]
    why: str


# Those of a release without dev databases, and those that they add.
KUBE_SCORE = (
    Exempt("container-resources", OURS, CPU),
    Exempt("container-image-pull-policy", OURS, PULL),
    Exempt("deployment-has-host-podantiaffinity", APPS, SPREAD),
)
KUBE_SCORE_DEV = (
    Exempt("container-resources", OURS | DEV, CPU),
    Exempt("container-image-pull-policy", OURS | DEV, PULL),
    Exempt("deployment-replicas", APPS, ONE),
    Exempt("pod-probes-identical", DEV, PROBES),
    Exempt("container-security-context-user-group-id", frozenset({"postgres"}), POSTGRES),
)
KUBE_SCORE_SCALED = (*KUBE_SCORE, Exempt("deployment-replicas", frozenset({"worker"}), ONE))

CHECKOV = (
    Exempt("CKV_K8S_11", OURS, CPU),
    Exempt("CKV_K8S_15", OURS, PULL),
    Exempt("CKV_K8S_35", OURS - {"test"}, VARIABLES),
    Exempt("CKV_K8S_43", OURS, DIGEST),
    Exempt("CKV_K8S_8", frozenset({"test"}), ENDS),
    Exempt("CKV_K8S_9", frozenset({"test"}), ENDS),
)
CHECKOV_DEV = (
    Exempt("CKV_K8S_11", OURS | DEV, CPU),
    Exempt("CKV_K8S_15", OURS | DEV, PULL),
    Exempt("CKV_K8S_35", OURS - {"test"} | {"postgres"}, VARIABLES),
    Exempt("CKV_K8S_40", frozenset({"postgres"}), POSTGRES),
    Exempt("CKV_K8S_43", OURS | DEV, DIGEST),
    Exempt("CKV_K8S_8", frozenset({"test"}), ENDS),
    Exempt("CKV_K8S_9", frozenset({"test"}), ENDS),
)
CHECKOV_SCALED = (
    *CHECKOV[:4],
    Exempt("CKV_K8S_8", APPS | {"test"}, f"{ENDS}; {THEIRS}"),
    Exempt("CKV_K8S_9", APPS | {"test"}, f"{ENDS}; {THEIRS}"),
)
