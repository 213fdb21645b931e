"""What repeats itself is said now and then, so that an outage does not fill the disk."""

import re
from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

Fields = MutableMapping[str, Any]

AT_MOST = 20
_NAMED = re.compile(r"\w+:")
"""An error's class, before its text. Other texts may hold ids or amounts: they tell nothing."""
WINDOW_SECONDS = 10.0

ENDS = {"order.confirmed", "order.failed", "order.suspect", "order.bug"}
"""What is said of an order's end is said of each order."""

KINDS = ("status", "code", "reason", "call", "dex", "task", "what")
"""The fields whose values come from closed sets: what differs in one is another kind."""


class Line(Struct, frozen=True):
    """Something that happened `at` this moment, in seconds of the epoch."""

    at: float
    level: str
    fields: Fields


@dataclass
class Repeats:
    """Lets the first lines of a kind pass in each window. Of the others the last is kept, and says
    when it is released how many more there were: the lines and what they say they stand for add up
    to what happened."""

    began: float = -inf
    _passed: dict[Hashable, int] = field(default_factory=dict)
    _kept: dict[Hashable, tuple[Line, int]] = field(default_factory=dict)

    @property
    def ends(self) -> float:
        """When the window is over."""
        return self.began + WINDOW_SECONDS

    def turn(self, at: float) -> list[Line]:
        """What the window kept, if `at` is past it; then another begins."""
        if 0 <= at - self.began < WINDOW_SECONDS:
            return []
        self.began = at
        self._passed.clear()
        return self.release()

    def keeps(self, line: Line, kind: Hashable) -> bool:
        """Whether `line` is one too many of its kind."""
        passed = self._passed.get(kind, 0)
        if passed < AT_MOST:
            self._passed[kind] = passed + 1
            return False
        _, others = self._kept.get(kind, (line, -1))
        self._kept[kind] = (line, others + 1)
        return True

    def release(self) -> list[Line]:
        """What is kept, as it is now."""
        kept = [*self._kept.values()]
        self._kept.clear()
        return [
            replace(line, fields={**line.fields, "suppressed": others}) if others else line
            for line, others in kept
        ]


def kind(fields: Fields) -> Hashable:
    """What a line is a repeat of: its event, its causes, and its error's class. No ids."""
    causes = [str(fields[name]) for name in KINDS if name in fields]
    error = fields.get("exc_info") or fields.get("error")
    if isinstance(error, str):
        found = _NAMED.match(error)
        return (fields["event"], found and found[0], *causes)
    return (fields["event"], type(error), *causes)
