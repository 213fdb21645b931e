"""The points at which a process may be made to die, freeze or stop: named, and between two lines.

The nemesis arms a trap by writing a file; the process that next passes the point finds it, writes
down what it holds, and sends itself the signal. So each death is exactly where it was asked for.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

FOLDER, NAME = "CHAOS_FOLDER", "CHAOS_NAME"
"""The environment variables that tell a process where its trap is, and whose it is."""


class Point(StrEnum):
    """Where. The API passes the first three, a worker the others."""

    BEFORE_COMMIT = "K0"
    COMMITTED_NOT_ENQUEUED = "K1"
    ENQUEUED_NOT_REPLIED = "K2"
    CLAIMED = "K3"
    ROUTING = "K4"
    SIGNED_NOT_STORED = "K5"
    STORED_NOT_SENT = "K6"
    SENT_NOT_REPLIED = "K7"
    LANDED_NOT_RECORDED = "K8"
    RECORDED_NOT_PUBLISHED = "K9"
    PUBLISHED_NOT_ACKNOWLEDGED = "K10"
    ANY = "any"


API_POINTS = (Point.BEFORE_COMMIT, Point.COMMITTED_NOT_ENQUEUED, Point.ENQUEUED_NOT_REPLIED)
WORKER_POINTS = tuple(each for each in Point if each not in (*API_POINTS, Point.ANY))


class Action(StrEnum):
    """What is done there."""

    KILL = "kill"
    FREEZE = "freeze"
    STOP = "stop"


SIGNALS = {
    Action.KILL: signal.SIGKILL,
    Action.FREEZE: signal.SIGSTOP,
    Action.STOP: signal.SIGTERM,
}


class Sprung(msgspec.Struct, frozen=True):
    """One trap that sprang. `at` is Unix time; `held` are the orders and their last steps."""

    at: float
    process: str
    point: Point
    action: Action
    held: list[tuple[UUID, int]]


class Rested(msgspec.Struct, frozen=True):
    """An order of unknown outcome that its worker let go of for a while, at a Unix time."""

    at: float
    order_id: UUID


class Trap:
    """One process's trap. Without the environment's word there is none."""

    def __init__(self, held: Callable[[], Iterable[tuple[UUID, int]]] = tuple) -> None:
        self._held = held
        self._name = os.environ.get(NAME, "nobody")
        self._folder = Path(os.environ.get(FOLDER, os.devnull))

    def is_set(self, point: Point) -> Action | None:
        """What is to be done at `point`."""
        try:
            where, action = armed(self._folder, self._name).read_text().split()
        except OSError:
            return None
        return Action(action) if where in (point, Point.ANY) else None

    def passing(self, point: Point) -> None:
        """Die, freeze or stop here, if that was asked for."""
        action = self.is_set(point)
        if action is None:
            return
        armed(self._folder, self._name).unlink(missing_ok=True)
        sprung = Sprung(time.time(), self._name, point, action, list(self._held()))
        with log(self._folder).open("ab", buffering=0) as sink:
            sink.write(msgspec.json.encode(sprung) + b"\n")
        os.kill(os.getpid(), SIGNALS[action])

    def rested(self, order_id: UUID) -> None:
        """Note what no step tells: that an order was let go of for a while."""
        with rests(self._folder).open("ab", buffering=0) as sink:
            sink.write(msgspec.json.encode(Rested(time.time(), order_id)) + b"\n")


def arm(folder: Path, name: str, point: Point, action: Action) -> None:
    """Set the trap of the process `name`, all at once."""
    draft = folder / f"{name}.draft"
    draft.write_text(f"{point} {action}")
    draft.rename(armed(folder, name))


def disarm(folder: Path, name: str) -> bool:
    """Take the trap away. False if it has sprung."""
    try:
        armed(folder, name).unlink()
    except FileNotFoundError:
        return False
    return True


def sprung(folder: Path) -> list[Sprung]:
    """Every trap that sprang so far."""
    return _read(log(folder), Sprung)


def rested(folder: Path) -> list[Rested]:
    """Every rest so far."""
    return _read(rests(folder), Rested)


def _read(file: Path, kind: type[S]) -> list[S]:
    if not file.exists():
        return []
    return [msgspec.json.decode(line, type=kind) for line in file.read_bytes().splitlines()]


def armed(folder: Path, name: str) -> Path:
    """The file that arms a trap."""
    return folder / f"{name}.trap"


def log(folder: Path) -> Path:
    """The file that every process appends to."""
    return folder / "sprung.jsonl"


def rests(folder: Path) -> Path:
    """The file that every worker appends to when it lets an order rest."""
    return folder / "rested.jsonl"
