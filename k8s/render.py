"""Renders k8s/manifests from the chart, for whoever applies plain files: `kubectl apply`, no Helm.

    python -m k8s.render [HELM]

What a hook would do, an ordinary Job does; `helm test` is left out, and so are the dashboards,
which are files already. The same values give the same bytes.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHART, MANIFESTS = ROOT / "charts" / "order-engine", ROOT / "k8s" / "manifests"
HELM = ROOT / ".tools" / "helm-4.3.1"
RELEASE, NAMESPACE = "oe", "orders"
# The oldest with the kubelet's own preStop sleep. All later ones are given the same.
KUBERNETES = "1.30"
PLAIN = ("migration.mode=job", "test.enabled=false", "dashboards.enabled=false")
# A placeholder, so that the files are the same each time; their heads say to change it.
PLACEHOLDER = "change-me-please"


@dataclass(frozen=True)
class Manifest:
    """A file of k8s/manifests and what it is made of."""

    name: str
    needs: str
    settings: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()

    @property
    def values(self) -> Path:
        return ROOT / "k8s" / f"values-{self.name}.yaml"

    @property
    def path(self) -> Path:
        return MANIFESTS / f"{self.name}.yaml"


ALL = (
    Manifest(
        name="dev",
        needs=f"For a trial only: both passwords are `{PLACEHOLDER}`, here for all to read. With\n"
        "# passwords of your own: `helm install`, which makes them.",
        settings=tuple(f"dev.{each}.password={PLACEHOLDER}" for each in ("postgres", "redis")),
    ),
    Manifest(
        name="production",
        needs="Needs the Secrets `orders-db-app`, `orders-redis` and `orders-tls`, KEDA, and the\n"
        "# Prometheus operator. Change registry and host first.",
        apis=("keda.sh/v1alpha1", "monitoring.coreos.com/v1"),
    ),
)


def render(helm: Path) -> dict[Path, str]:
    """Each manifest's whole text, by its path."""
    return {each.path: _head(each) + _template(helm, each) for each in ALL}


def _head(each: Manifest) -> str:
    values = each.values.relative_to(ROOT)
    return (
        f"# Made by `make manifests` of charts/order-engine and {values}: change those, not this.\n"
        f"# {each.needs}\n"
        f"# kubectl create namespace {NAMESPACE}\n"
        f"# kubectl apply --filename {each.path.relative_to(ROOT)}\n"
    )


def _template(helm: Path, each: Manifest) -> str:
    flags = [f"--api-versions={api}" for api in each.apis]
    flags += [f"--set={setting}" for setting in (*PLAIN, *each.settings)]
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(  # noqa: S603
            [helm, "template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", each.values,
             "--kube-version", KUBERNETES, *flags],
            capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "HOME": home},
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return re.sub(
        r"\n+(?=---\n)", "\n", done.stdout
    )  # Helm 4 leaves blank lines there, Helm 3 none


def main() -> None:
    """Write every manifest, by the Helm that is named, or the one of `make chart-tools`."""
    helm = Path(sys.argv[1]) if len(sys.argv) > 1 else HELM
    for path, text in render(helm).items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
