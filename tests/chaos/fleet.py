"""The processes of a run: each is started again whenever it ends, as Kubernetes would."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import psutil

from orders import cancelling
from services.cli.child import Child
from services.cli.ports import free_port
from services.cli.scratch import Scratch
from tests.chaos.points import FOLDER, NAME
from tests.eventually import eventually
from tests.paths import PYTHONPATH, ROOT

HOST = "127.0.0.1"
LOOK = timedelta(seconds=0.1)
"""How often a process is looked at; one that has ended is started again at the next look."""


@dataclass
class Service:
    """One process, over all the times that it was started."""

    name: str
    kind: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    child: Child | None = None
    deaths: list[int] = field(default_factory=list)
    """The code of each of its ends."""
    asked: int = 0
    """How many of them the nemesis has asked for."""

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.is_running

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, to one that may be gone already."""
        send(number, self.pid)

    def children(self) -> list[int]:
        """The processes that it has started itself."""
        with suppress(psutil.NoSuchProcess):
            return [each.pid for each in psutil.Process(self.pid).children(recursive=True)]
        return []

    async def answers(self) -> bool:
        """Whether it says that it lacks nothing."""
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            with suppress(httpx.TransportError):
                return (await client.get(f"{self.url}/readyz")).status_code == httpx.codes.OK
        return False

    async def ready(self, within: timedelta = timedelta(seconds=60)) -> None:
        """Return once it answers that it lacks nothing. Raises `AssertionError`."""
        await eventually(self.answers, within)


class Fleet:
    """Starts services and keeps them running until it is closed."""

    def __init__(self, scratch: Scratch, tell: Callable[[str], None]) -> None:
        self._scratch = scratch
        self._tell = tell
        self._services: dict[str, Service] = {}
        self._watching: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def of(self, kind: str) -> list[Service]:
        """The services of that kind."""
        return [each for each in self if each.kind == kind]

    def add(
        self,
        name: str,
        kind: str,
        *command: str,
        port: str | None,
        **settings: str,
    ) -> Service:
        """Start `python -m COMMAND`, with its port in the setting `port` and for `{port}`."""
        number = str(free_port())
        inherited = {key: value for key, value in os.environ.items() if key in KEPT}
        environment = inherited | {
            "PYTHONPATH": PYTHONPATH,
            FOLDER: str(self._scratch.folder),
            NAME: name,
            **({port: number} if port else {}),
            **settings,
        }
        filled = tuple(word.replace("{port}", number) for word in command)
        service = Service(name, kind, filled, environment, f"http://{HOST}:{number}")
        self._services[name] = service
        self._start(service)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return service

    async def ready(self) -> None:
        """Return once all of them are."""
        await asyncio.gather(*(each.ready() for each in self))

    async def close(self) -> None:
        """End all of them, the youngest first."""
        if self._watching:
            await cancelling.end([self._watching])
        for service in reversed(list(self)):
            assert service.child is not None
            service.signal(signal.SIGCONT)
            await asyncio.to_thread(service.child.kill)

    async def _watch(self) -> None:
        while True:
            for service in self:
                if not service.is_running:
                    await self._revive(service)
            await asyncio.sleep(LOOK.total_seconds())

    async def _revive(self, service: Service) -> None:
        assert service.child is not None
        code = service.child.exit_code
        assert code is not None, "it has ended"
        service.deaths.append(code)
        self._tell(f"{service.name} ended with {code} and is started again")
        if service.kind != "taskiq":  # what a killed manager leaves behind is to live on
            await asyncio.to_thread(service.child.kill)
        self._start(service)

    def _start(self, service: Service) -> None:
        service.child = self._scratch.spawn(
            service.name,
            [sys.executable, "-m", *service.command],
            env=service.environment,
            cwd=ROOT,
        )


def send(number: signal.Signals, *pids: int) -> None:
    """Send a signal to processes that may be gone already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONUNBUFFERED")
