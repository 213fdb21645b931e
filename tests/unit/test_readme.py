"""What the README says of settings and codes is what the code says."""

from dataclasses import fields
from pathlib import Path

from orders.domain.errors import FailureCode
from orders.settings import REQUIRED, Settings
from services.api.errors import KINDS

README = (Path(__file__).parents[2] / "README.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading line."""
    table = README[README.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_setting_is_described_with_its_default_and_meaning() -> None:
    described = rows("| setting | default | meaning |")

    assert described == [
        [f"`{each.name.upper()}`", _default(each.metadata["default"]), each.metadata["meaning"]]
        for each in fields(Settings)
    ]


def test_every_problem_code_is_described_with_its_status() -> None:
    described = [(code, status) for code, status, _ in rows("| code | status | |")]

    assert described == [(f"`{code}`", str(kind.status)) for code, kind in KINDS.items()]


def test_every_failure_code_is_named() -> None:
    assert "one of " + ", ".join(f"`{code}`" for code in FailureCode) in README


def _default(default: object) -> str:
    if default is REQUIRED:
        return "required"
    return f"`{default}`" if default else "empty"
