"""What came of a run, and what of it makes the run a failure beside the verdicts."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from tests.chaos.checker import Verdict
from tests.chaos.nemesis import Struck
from tests.chaos.points import API_POINTS, WORKER_POINTS, Action, Sprung
from tests.chaos.report import Spread

MARGIN = 2
"""How many times what is promised fails a run: between the two the machine may be to blame."""


@dataclass(frozen=True)
class Figure:
    """How long something took, and what of it is promised."""

    what: str
    promised: timedelta
    """What 99 of 100 may take at the most."""
    spread: Spread

    def __str__(self) -> str:
        if not self.spread.count:
            return f"{self.what:<46} not measured"
        kept = "within" if self.spread.p99 <= self.promised else "BEYOND"
        promise = f"p99 {kept} {self.promised.total_seconds():g} s"
        return f"{self.what:<46} {self.spread}; {promise}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a run."""

    verdicts: list[Verdict]
    struck: list[Struck]
    sprung: list[Sprung]
    venue_faults: Mapping[str, int]
    """How often the venues made each trouble that they were told to."""
    requests: Counter[str]
    orders: Counter[str]
    """By status, and of the failed ones by code too."""
    figures: list[Figure]
    seconds: float
    slowness: float = 1.0
    """How many times as long as usual this machine took to compute, at its slowest."""
    deaths: Collection[str] = ()
    """Processes that ended though nobody had made them."""
    late: str = ""
    """What was not over in time."""
    unstruck: Collection[str] = ()
    """Faults that were to strike and did not."""
    is_partial: bool = False
    """Whether only some faults were asked for, so that not everything need be met."""

    def wrong(self) -> Iterator[str]:
        """Everything but the verdicts that makes this run a failure."""
        yield from self.deaths
        if self.late:
            yield self.late
        yield from (f"never struck: {name}" for name in sorted(self.unstruck))
        for figure in self.figures:
            if figure.spread.p99 > MARGIN * self.slowness * figure.promised:
                yield f"far beyond what is promised: {figure}"
        if not self.is_partial:
            yield from self._unmet()

    def _unmet(self) -> Iterator[str]:
        met = Counter(each.point for each in self.sprung if each.action is Action.KILL)
        yield from (f"nobody died at {p}" for p in (*API_POINTS, *WORKER_POINTS) if not met[p])
        yield from (f"no venue met {name}" for name, n in self.venue_faults.items() if not n)
        yield from (f"never measured: {f.what}" for f in self.figures if not f.spread.count)
