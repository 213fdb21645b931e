"""How much slower this machine computes than the one on which promises of time were measured."""

from statistics import median
from time import thread_time

TURNS = 100_000
USUAL = 0.003
"""Seconds of CPU that `TURNS` would take where promises of time were measured: they took 0.0095 in
minutes in which an order cost three to four times as much as there."""
TIMES = 3


class Slowness:
    """Looks now and then; CPU time counts, so that our own load makes nothing slower."""

    def __init__(self) -> None:
        self._seen = [1.0]

    def look(self) -> float:
        """Compute for a moment. Answers how many times as long as usual it took, at least once."""
        self._seen.append(max(1.0, median(_compute() for _ in range(TIMES)) / USUAL))
        return self._seen[-1]

    @property
    def worst(self) -> float:
        """The most that a look has seen."""
        return max(self._seen)


def _compute() -> float:
    """Seconds of CPU that `TURNS` take now."""
    began, total = thread_time(), 0
    for turn in range(TURNS):
        total += turn
    return thread_time() - began
