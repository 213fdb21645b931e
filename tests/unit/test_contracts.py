"""The import contracts: they hold, and each is shown to break when it is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the code in `root`."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": f"{root / 'libs'}:{root}", "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_import_contracts_hold() -> None:
    linted = lint(ROOT)

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("module", "offence", "contract"),
    [
        ("libs/orders/ports.py", "import orders.store", "A lower layer never imports"),
        ("libs/orders/wire.py", "import orders.routing", "A lower layer never imports"),
        ("libs/orders/domain/order.py", "import time", "The domain does no I/O"),
        ("libs/orders/domain/retry.py", "import random", "The domain does no I/O"),
        ("libs/orders/execution.py", "import asyncpg", "The use cases know ports"),
        ("services/api/orders.py", "import orders.venues", "The API executes nothing"),
        ("services/api/stream.py", "import orders.execution", "The API executes nothing"),
        ("services/worker/tasks.py", "import services.api.errors", "Processes share the library"),
    ],
)
def test_an_offending_import_breaks_its_contract(
    tmp_path: Path, module: str, offence: str, contract: str
) -> None:
    for folder in ("libs", "services"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / module
    path.write_text(f"{path.read_text()}\n{offence}\n")

    linted = lint(tmp_path)

    broken = [line for line in linted.stdout.splitlines() if line.endswith("BROKEN")]
    assert linted.returncode == 1
    assert any(line.startswith(contract) for line in broken), linted.stdout
