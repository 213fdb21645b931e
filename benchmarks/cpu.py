"""CPU time by component: from /proc where there is one, by way of psutil."""

from collections.abc import Mapping

import psutil


class Meter:
    """Reads the CPU seconds of each component: its process and all that it started.

    A child that ended in the meantime keeps what it was last seen to have used, so short-lived
    PostgreSQL backends are under-counted by at most what they did since the last reading.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._seen: dict[str, dict[int, float]] = {name: {} for name in pids}

    def read(self) -> dict[str, float]:
        """CPU seconds used so far."""
        for name, pid in self._pids.items():
            parent = psutil.Process(pid)
            for process in [parent, *parent.children(recursive=True)]:
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                self._seen[name][process.pid] = times.user + times.system
        return {name: sum(used.values()) for name, used in self._seen.items()}
