"""The images, built from this folder with buildah: no daemon, and no image from a registry.

The base is a Debian 12 made here. All that buildah keeps is in a cache, so that the next run
makes neither the base nor a layer anew that did not change.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.images.registry import mounts
from tests.images.tools import output, tool
from tests.paths import ROOT

CACHE = ROOT / ".tools" / "images"
SUITE, PACKAGES = "bookworm", "python3,python3-venv,ca-certificates"
BASE = f"localhost/order-engine-base:{SUITE}"
IMPORT = "FROM scratch\nADD base.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n"
TOLD = {"REVISION": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "CREATED": "2026-11-22T12:00:00Z"}


@dataclass(frozen=True)
class Image:
    """A built image: what it says of itself, and its files."""

    kind: str
    config: dict[str, Any]
    root: Path

    @property
    def app(self) -> Path:
        return self.root / "app"

    @property
    def packages(self) -> Path:
        """Where its dependencies are."""
        (found,) = (self.root / "opt/venv/lib").glob("python3.*/site-packages")
        return found


@contextmanager
def built(*kinds: str) -> Iterator[dict[str, Image]]:
    """The images, with their files mounted for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="order-engine-images-") as folder:
        scratch = Path(folder)
        _make_base(scratch)
        registry = mounts(scratch)
        names = {kind: _build(kind, registry) for kind in kinds}
    containers: list[str] = []
    try:
        images = {}
        for kind, name in names.items():
            containers.append(_buildah("from", "--pull-never", name))
            root = Path(_buildah("mount", containers[-1]))
            images[kind] = Image(kind, _config(name), root)
        yield images
    finally:
        for container in containers:
            _buildah("rm", container)


def _make_base(scratch: Path) -> None:
    if _buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        return
    tarball = scratch / "base.tar"
    output(tool("mmdebstrap"), "--variant=minbase", f"--include={PACKAGES}", SUITE, tarball)
    recipe = scratch / "Dockerfile"
    recipe.write_text(IMPORT)
    _buildah("bud", "--isolation=chroot", f"--file={recipe}", f"--tag={BASE}", scratch)


def _build(kind: str, registry: list[str]) -> str:
    name = f"localhost/order-engine-{kind}:test"
    arguments = {"BASE": BASE, **TOLD}
    _buildah(
        "bud",
        *("--layers", "--isolation=chroot", "--network=host", "--pull-never"),
        *registry,
        *(f"--build-arg={argument}={value}" for argument, value in arguments.items()),
        *(f"--file={ROOT / f'Dockerfile.{kind}'}", f"--tag={name}", ROOT),
    )
    return name


def _config(name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(_buildah("inspect", "--type=image", name))["OCIv1"]
    return dict(config["config"])


def _buildah(*words: str | Path) -> str:
    keeps = (f"--root={CACHE / 'storage'}", f"--runroot={CACHE / 'run'}")
    return output(tool("buildah"), *keeps, *words, env=os.environ)
