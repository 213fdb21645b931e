"""A history of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.history import History


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the history is."""
    return tmp_path / "history.jsonl"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    """A history that is empty."""
    history = History(path)
    yield history
    history.close()
