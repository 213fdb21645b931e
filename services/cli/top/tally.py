"""What an engine counted within the last look and the last minute, whatever restarts meanwhile."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from services.cli.top.samples import Samples
from services.cli.top.scrape import Reading

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """What was counted within so many seconds; 0 at the first look."""

    seconds: float
    counted: Samples

    def rate(self, name: str, **patterns: str) -> float | None:
        """A second; None at the first look."""
        return self.counted.total(name, **patterns) / self.seconds if self.seconds else None


class Tally:
    """Adds up what is counted from the first look on, over all processes and their restarts.

    A process that began since the first look counts from 0. Another that is met for the first
    time, be it behind an address that several share, counts from what it says then.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._met: dict[tuple[str, float | None], Samples] = {}
        self._totals: deque[tuple[float, Samples]] = deque()

    def add(self, readings: Iterable[Reading], *, at: float, now: float) -> None:
        """One look at all processes: `at` a clock that never jumps, `now` the Unix time."""
        total = self._totals[-1][1] if self._totals else Samples()
        for reading in readings:
            if reading.error is None:
                before = self._before(reading)
                self._met[reading.url, reading.began] = reading.counted
                if before:
                    total += reading.counted.since(before)
        self._since = self._since or now
        self._totals.append((at, total))
        while len(self._totals) > 2 and self._totals[1][0] <= at - MINUTE.total_seconds():
            self._totals.popleft()

    def _before(self, reading: Reading) -> Samples | None:
        met = self._met.get((reading.url, reading.began))
        is_new = self._since is not None and (reading.began or 0) > self._since
        return met or (Samples() if is_new else None)

    @property
    def last(self) -> Window:
        """Since the look before the last."""
        return self._window(max(len(self._totals) - 2, 0))

    @property
    def minute(self) -> Window:
        """Of the last minute, or since the first look."""
        return self._window(0)

    def _window(self, first: int) -> Window:
        (begin, before), (end, after) = self._totals[first], self._totals[-1]
        return Window(end - begin, after.since(before))
