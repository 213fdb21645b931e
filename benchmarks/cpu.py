"""CPU time and memory by component: from /proc where there is one, by way of psutil."""

from collections.abc import Mapping, Sequence

import psutil


class Meter:
    """Reads what each component has used: its processes and all that they started.

    PostgreSQL's backends come and go. Linux adds the time of a child that ended to its parent, so
    none is lost; elsewhere a component keeps the most it was ever seen to have used.
    """

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = pids
        self._most = dict.fromkeys(pids, 0.0)

    def read(self) -> dict[str, float]:
        """CPU seconds used so far, user and system together."""
        for name, pids in self._pids.items():
            self._most[name] = max(self._most[name], sum(_seconds(pid) for pid in pids))
        return dict(self._most)


def resident_kib(pid: int) -> float:
    """The memory that a process holds in RAM."""
    return float(psutil.Process(pid).memory_info().rss) / 1024


def _seconds(pid: int) -> float:
    used = 0.0
    parent = psutil.Process(pid)
    for process in [parent, *parent.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # its parent has its time by the next reading
            continue
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        used += times.user + times.system + ended
    return used
