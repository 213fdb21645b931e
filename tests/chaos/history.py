"""The client's history on disk: a line for each thing as it happens, to be read after a crash."""

from collections import defaultdict
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.chaos.evidence import Clients, Heard, Post, Resolved, Story

Entry = Post | Resolved | Heard

DONE = 1000  # RFC 6455, 7.4.1

KINDS: dict[str, type[Entry]] = {"post": Post, "resolved": Resolved, "heard": Heard}
NAMES = {kind: name for name, kind in KINDS.items()}

T = TypeVar("T", bound=Entry)


class History:
    """Appends to the file at `path`. Each line reaches the system before `append` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._encode = msgspec.json.Encoder().encode

    def append(self, entry: Entry) -> None:
        """Note one thing that happened."""
        self._file.write(self._encode((NAMES[type(entry)], entry)) + b"\n")

    def close(self) -> None:
        """Append no more."""
        self._file.close()


def read_history(path: Path) -> Clients:
    """What a history says. A last line that a crash cut short is left out."""
    split = msgspec.json.Decoder(tuple[str, msgspec.Raw]).decode
    decoders = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}
    entries: list[Entry] = []
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                name, entry = split(line)
                entries.append(decoders[name].decode(entry))
    return Clients(
        posts=_of(Post, entries),
        resolved=_of(Resolved, entries),
        stories=merged(_of(Heard, entries)),
    )


def merged(heard: list[Heard]) -> list[Story]:
    """Each subscriber's story over all its connections."""
    connections: defaultdict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        connections[each.subscriber].append(each)
    return [
        Story(
            order_id=parts[0].order_id,
            frames=tuple(frame for part in parts for frame in part.frames),
            is_complete=parts[-1].code == DONE,
            connections=tuple(part.from_seq for part in parts),
        )
        for parts in connections.values()
    ]


def _of(kind: type[T], entries: list[Entry]) -> list[T]:
    return [entry for entry in entries if isinstance(entry, kind)]
