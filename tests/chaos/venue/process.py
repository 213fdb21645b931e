"""The venue as a process of its own, as chaos runs have it."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx

from services.cli.child import Child
from services.cli.ports import free_port
from services.cli.scratch import Scratch
from tests.chaos.venue.remote import RemoteVenue
from tests.eventually import eventually
from tests.paths import PYTHONPATH, ROOT


class Process:
    """Keeps its port and its ledger from one start to the next."""

    def __init__(self, scratch: Scratch) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.path = scratch.folder / "ledger.sqlite"
        self._scratch = scratch
        self._starts = 0
        self.client = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=5)

    async def start(self, *options: str) -> Child:
        """Start it, again or for the first time; done once it answers."""
        self._starts += 1
        command = f"-m tests.chaos.venue --port {self.port} --ledger {self.path} --seed 5"
        child = self._scratch.spawn(
            f"venue-{self._starts}",
            [sys.executable, *command.split(), *options],
            env=os.environ | {"PYTHONPATH": PYTHONPATH},
            cwd=ROOT,
        )

        async def answers() -> bool:
            child.check()
            try:
                return (await self.client.get("/height")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers, timedelta(seconds=30))
        return child

    async def set(self, **rates: float) -> None:
        (await self.client.post("/control", json=rates)).raise_for_status()

    async def struck(self) -> dict[str, int]:
        told = (await self.client.get("/control")).json()["struck"]
        return {mode: times for mode, times in told.items() if times}


@asynccontextmanager
async def a_process(**options: Any) -> AsyncIterator[tuple[Process, RemoteVenue]]:
    """One that was not started yet, and a client of it with these options."""
    with Scratch() as scratch:
        process = Process(scratch)
        venue = RemoteVenue("north", process.url, **options)
        try:
            yield process, venue
        finally:
            await venue.close()
            await process.client.aclose()
