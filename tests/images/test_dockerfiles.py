"""What the Dockerfiles say, which needs no build."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.paths import ROOT

KINDS = ["api", "worker"]
PINNED = re.compile(r"\S+:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}")


def argument(kind: str, name: str) -> str:
    """The default of a build argument."""
    found = re.findall(rf"^ARG {name}=(.*)$", (ROOT / f"Dockerfile.{kind}").read_text(), re.M)
    (default,) = found
    return str(default)


@pytest.mark.parametrize("kind", KINDS)
def test_hadolint_finds_nothing(kind: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    linted = subprocess.run(
        [hadolint, "--no-color", ROOT / f"Dockerfile.{kind}"], capture_output=True, text=True
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def test_both_are_based_on_one_image_pinned_by_version_and_digest() -> None:
    api, worker = (argument(kind, "BASE") for kind in KINDS)

    assert api == worker
    assert PINNED.fullmatch(api), api


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_is_the_project_s(kind: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert argument(kind, "VERSION") == project["version"]


def test_they_differ_only_in_what_their_services_differ_in() -> None:
    """One image is not hardened while the other is forgotten."""
    api, worker = (
        re.sub(rf"\b{kind}\b", "KIND", (ROOT / f"Dockerfile.{kind}").read_text()).splitlines()
        for kind in KINDS
    )

    different = [mine.split()[0] for mine, other in zip(api, worker, strict=True) if mine != other]

    assert different == ["#", "RUN", "EXPOSE", 'org.opencontainers.image.description="Takes']
