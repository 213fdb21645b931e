"""What one look at an engine found, all its processes together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from services.cli.top.samples import Samples
from services.cli.top.scrape import Failure, Reading
from services.cli.top.tally import Window


@dataclass(frozen=True)
class View:
    """All that a frame shows. `failures` is why there are none, if it is a text."""

    readings: Sequence[Reading]
    last: Window
    minute: Window
    failures: Sequence[Failure] | str
    now: datetime

    @cached_property
    def reached(self) -> list[Reading]:
        return [reading for reading in self.readings if reading.error is None]

    @cached_property
    def ever(self) -> Samples:
        """What the processes that answer counted since they were started."""
        return sum((reading.counted for reading in self.reached), Samples())

    def highest(self, name: str) -> float | None:
        """Of a state that every process tells alike."""
        return max(self._told(name), default=None)

    def sum(self, name: str) -> float | None:
        """Of a state that every process has of its own."""
        told = self._told(name)
        return sum(told) if told else None

    def _told(self, name: str) -> list[float]:
        return [value for reading in self.reached for value in reading.states.told(name)]
