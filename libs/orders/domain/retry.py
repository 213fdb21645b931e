"""How long to wait before a step is tried again, and when to give up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter. Source: AWS Architecture Blog, "Exponential
    Backoff And Jitter" (2015): sleep = random between 0 and min(cap, base * factor ** n)."""

    base: timedelta = timedelta(seconds=0.5)
    factor: int = 2
    cap: timedelta = timedelta(seconds=30)
    tries: int = 5
    """How many times a step is tried in all."""
    attempts: int = 3
    """How many transactions may be signed for one order."""
    crashes: int = 3
    """How many workers in a row may die over one order before it is held to be poison."""

    def wait(self, tries: int, fraction: Callable[[], float]) -> timedelta:
        """How long to wait after failure `tries` (1 and up); `fraction` draws from [0, 1)."""
        tick = timedelta.resolution  # counted in integers, since a timedelta can overflow
        growth: int = self.factor ** min(tries - 1, 32)
        return min(self.cap // tick, self.base // tick * growth) * tick * fraction()

    def is_exhausted(self, tries: int) -> bool:
        """Whether a step that has failed `tries` times is not to be tried again."""
        return tries >= self.tries
