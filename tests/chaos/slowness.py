"""How much slower this machine computes than the one on which promises of time were measured."""

from statistics import median
from time import thread_time

TURNS = 100_000
USUAL = 0.003
"""Seconds of CPU that `TURNS` would take where promises of time were measured: they took 0.0095 in
minutes in which an order cost three to four times as much as there."""


class Slowness:
    """Looks now and then; CPU time counts, so that our own load makes nothing slower."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def look(self) -> None:
        """Compute for a moment."""
        began, total = thread_time(), 0
        for turn in range(TURNS):
            total += turn
        self._seen.append((thread_time() - began) / USUAL)

    @property
    def times(self) -> float:
        """How many times as long as usual it took, of all looks the median; at least once."""
        return max(1.0, median(self._seen or [1.0]))
