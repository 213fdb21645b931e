"""A clock that is wrong, as a pod's may be: nothing that matters may go by it."""

import os
from datetime import datetime, timedelta

from orders.clock import SystemClock

SKEW = "CHAOS_SKEW_SECONDS"


class SkewedClock(SystemClock):
    """Is ahead by what the environment says, or behind."""

    def __init__(self) -> None:
        self._ahead = timedelta(seconds=float(os.environ.get(SKEW, "0")))

    def now(self) -> datetime:
        return super().now() + self._ahead
