"""Client processes: each is a module run in a process of its own, so that its cost is known apart.

A client is given JSON as its argument, says that it is ready, begins when it is told to, and
answers in lines of JSON.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.stage import ROOT

LONGEST_LINE = 2**27  # bytes


@dataclass(frozen=True)
class Client:
    """A client that is ready."""

    process: asyncio.subprocess.Process

    async def ask(self, **what: Any) -> dict[str, Any]:
        """Let it begin, and wait for its answer."""
        self.tell(**what)
        return await self.answer()

    def tell(self, **what: Any) -> None:
        """Let it begin, or go on."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")

    async def answer(self) -> dict[str, Any]:
        """Its next line. Raises `RuntimeError` if it has ended."""
        assert self.process.stdout
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a client failed, with exit code {await self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def client(module: str, **told: Any) -> AsyncIterator[Client]:
    """`python -m benchmarks.MODULE`, ready to begin."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.{module}", json.dumps(told)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        limit=LONGEST_LINE,
    )
    try:
        started = Client(process)
        await started.answer()
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def told() -> dict[str, Any]:
    """What a client was given. For the client itself, as are the following."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


async def begin() -> dict[str, Any]:
    """Say that this client is ready, and wait until it may begin."""
    answer()
    return await heard()


async def heard() -> dict[str, Any]:
    """What it is told next."""
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        sys.exit("the benchmark has gone")
    given: dict[str, Any] = json.loads(line)
    return given


def answer(**what: Any) -> None:
    """Tell the benchmark."""
    print(json.dumps(what), flush=True)
