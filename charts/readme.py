"""Renders the chart's README: the template, with tables made of the comments in values.yaml.

    python charts/readme.py

A comment that starts with `# --` describes the value below it; one on a map describes all of it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "order-engine"
TEMPLATE, VALUES, README = (
    CHART / name for name in ("README.template.md", "values.yaml", "README.md")
)
MARK = "<!-- values -->"
LONGEST = 60  # letters of a default that still fit a column


class Undocumented(Exception):
    """A value has no comment. Its text is the value's path."""


@dataclass(frozen=True)
class Value:
    """One value of the chart."""

    path: tuple[str, ...]
    default: Any
    meaning: str

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def section(self) -> str:
        """The key at the top, for maps."""
        return self.path[0] if len(self.path) > 1 else ""


def values(text: str) -> list[Value]:
    """Every described value, in the file's order. Raises `Undocumented`."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return list(_within(root, (), text.splitlines()))


def _within(node: Any, above: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path, meaning = (*above, key.value), _comment(lines, key.start_mark.line)
        if meaning:
            yield Value(path, yaml.SafeLoader("").construct_document(value), meaning)
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from _within(value, path, lines)
        else:
            raise Undocumented(".".join(path))


def _comment(lines: list[str], at: int) -> str:
    """What the comment right above line `at` says; empty without a `# --`."""
    found: list[str] = []
    for line in reversed(lines[:at]):
        if not line.strip().startswith("#"):
            return ""
        found.insert(0, line.strip().removeprefix("#").strip())
        if found[0].startswith("--"):
            return " ".join(found).removeprefix("--").strip()
    return ""


def tables(text: str) -> str:
    """Markdown: a table for each key at the top."""
    parts = []
    for section, rows in groupby(values(text), key=lambda value: value.section):
        title = f"### `{section}`\n\n" if section else ""
        head = "| value | default | meaning |\n|---|---|---|\n"
        parts.append(title + head + "\n".join(map(_row, rows)))
    return "\n\n".join(parts)


def _row(value: Value) -> str:
    default = json.dumps(value.default, ensure_ascii=False)
    shown = f"`{default}`" if len(default) <= LONGEST else "see `values.yaml`"
    cells = (f"`{value.name}`", shown, value.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def render() -> str:
    """The README as it should be."""
    return TEMPLATE.read_text().replace(MARK, tables(VALUES.read_text()))


if __name__ == "__main__":
    README.write_text(render())
