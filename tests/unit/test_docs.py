"""What the documents say of the tests is true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(test_\w+)`(?: \(([\w/]+)\))?")


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "docs/reliability-sentences.md"])
def test_every_test_that_a_document_names_is_there(document: str) -> None:
    tests = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    named = NAMED.findall((ROOT / document).read_text())

    missing = [
        (name, where)
        for name, where in named
        if not any(
            f"def {name}(" in text and str(path).endswith(f"{where}.py")
            for path, text in tests.items()
        )
    ]

    assert named
    assert missing == []
