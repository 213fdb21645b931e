"""Clears up after an owner that was killed. Run by path, as a process of its own.

The owner alone holds the other end of standard input. It writes `+ PID SIGNAL` for a process that
must not outlive it and `- PID` once that process has ended. End of input means that the owner is
gone, in whatever way: what is left is ended, and the folder is removed. This works alike on Linux
and macOS; PR_SET_PDEATHSIG is Linux only, and fires when the owner's *thread* ends.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

PATIENCE = 5.0  # seconds


def main(folder: str) -> None:
    living: dict[int, int] = {}
    for line in sys.stdin:
        sign, pid, *rest = line.split()
        if sign == "+":
            living[int(pid)] = int(rest[0])
        else:
            living.pop(int(pid), None)
    end(living)
    shutil.rmtree(folder, ignore_errors=True)


def end(living: dict[int, int]) -> None:
    deadline = time.monotonic() + PATIENCE
    for pid, number in living.items():
        send(pid, number)
    while (
        any(send(pid, 0) and not is_defunct(pid) for pid in living) and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    for pid in living:
        send(pid, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """False when nobody is left in the group. Signal 0 only asks."""
    with contextlib.suppress(OSError):
        os.killpg(group, number)
        return True
    return False


def is_defunct(pid: int) -> bool:
    """Ended, though nobody asked how: in many containers the first process never does."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"
    return False


if __name__ == "__main__":
    main(sys.argv[1])
