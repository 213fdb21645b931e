"""The commands that a page shows in its fenced blocks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

Command = list[str]


def shown(page: Path) -> list[Command]:
    """Each command of each block, its words apart, in order. What a pipe feeds is its own."""
    blocks = re.findall(r"^```\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for each in blocks for line in each.replace("\\\n", " ").splitlines()]
    return [shlex.split(part) for line in lines if line.strip() for part in re.split(r" \| ", line)]


def given(command: Command, *flags: str) -> Iterator[str]:
    """The values of a flag, by any of its names, as `--flag value` or `--flag=value`."""
    for at, word in enumerate(command):
        name, equals, value = word.partition("=")
        if name in flags:
            yield value if equals else command[at + 1]


def plain(command: Command, *with_value: str) -> list[str]:
    """The words that are neither flags nor values of the flags named."""
    words, skip = [], False
    for word in command:
        if not skip and not word.startswith("-"):
            words.append(word)
        skip = word in with_value and not skip
    return words
