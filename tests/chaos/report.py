"""Verdicts and durations, said to a reader and to a shell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from tests.chaos.checker import Verdict

WIDTH = 50
FIRST = 10
"""How many violations of one invariant are shown."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number of durations are spread."""

    count: int
    p50: timedelta
    p99: timedelta
    max: timedelta

    @classmethod
    def of(cls, durations: Iterable[timedelta]) -> Self:
        """The nearest-rank percentiles; of nothing, all are zero."""
        ranked = sorted(durations)
        return cls(len(ranked), rank(ranked, 50), rank(ranked, 99), rank(ranked, 100))

    def __str__(self) -> str:
        p50, p99, most = (each.total_seconds() for each in (self.p50, self.p99, self.max))
        return f"p50 {p50:.3f} s  p99 {p99:.3f} s  max {most:.3f} s  of {self.count:,}"


def rank(ranked: Sequence[timedelta], percent: int) -> timedelta:
    """The least of `ranked`, which is sorted, that `percent` of them do not exceed."""
    if not ranked:
        return timedelta(0)
    return ranked[max(0, -(-len(ranked) * percent // 100) - 1)]


def line(verdict: Verdict) -> str:
    """One verdict on one line."""
    label = f"{verdict.invariant:<4}{verdict.says} ".ljust(WIDTH, ".")
    return f"{label} {verdict.checked:,} {verdict.of}  {_word(verdict)}"


def report(verdicts: Iterable[Verdict], say: Callable[[str], object] = print) -> int:
    """Say every verdict, then the first violations in full. Answers the exit code: 0 if all
    hold, else 1; without a verdict nothing holds."""
    given = list(verdicts)
    for verdict in given:
        say(line(verdict))
    for verdict in given:
        if verdict.violations:
            say("")
            for violation in verdict.violations[:FIRST]:
                say(f"{verdict.invariant}: {violation}")
            if (left := len(verdict.violations) - FIRST) > 0:
                say(f"{verdict.invariant}: and {left:,} more")
    return 0 if given and all(verdict.holds for verdict in given) else 1


def _word(verdict: Verdict) -> str:
    if verdict.violations:
        return f"VIOLATED {len(verdict.violations):,} times"
    return "NOTHING WAS CHECKED" if verdict.is_vacuous else "ok"
