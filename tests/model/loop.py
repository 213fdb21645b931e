"""One thread, virtual time, and processes that can die or stand still between any two callbacks.

Which callback belongs to which process is told by its context. Within a process callbacks run in
asyncio's own order; whose turn it is among processes is drawn, so the seed is the interleaving.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, TypeVar, TypeVarTuple

from tests.fakes.clock import NOON

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Process:
    """What lives and dies together, and has one loop of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_paused = False
        self.ready: deque[asyncio.Handle] = deque()
        self.context: Context = copy_context()
        self.context.run(_PROCESS.set, self)


_PROCESS: ContextVar[Process] = ContextVar("process")


class Loop(asyncio.BaseEventLoop):
    """An event loop that is turned by hand. `random` decides between processes."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.outside = Process("outside")
        """What is nobody's process: servers, and whoever calls from beyond the loop."""
        self._random = random
        self._now = 0.0
        self._numbers = count()
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Process]] = []
        self._runnable: dict[Process, None] = {}
        self._tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle, self._owner(context))
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        timer = (max(when, self._now), next(self._numbers), handle, self._owner(context))
        heapq.heappush(self._timers, timer)
        return handle

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tasks of the dead are left pending, and nobody asks for their results. A bug in
        the harness itself comes out."""
        if "task" not in context and "future" not in context and "exception" in context:
            raise context["exception"]

    def spawn(self, process: Process, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task of `process`."""
        return self.create_task(work, context=process.context)

    def outside_later(self, delay: float, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call back after `delay` seconds, whoever dies meanwhile."""
        self.call_at(self._now + delay, callback, *args, context=self.outside.context)

    def kill(self, process: Process) -> None:
        """As kill -9: nothing of it runs from here on."""
        process.is_dead = True
        process.ready.clear()
        self._runnable.pop(process, None)

    def pause(self, process: Process) -> None:
        """As SIGSTOP: what becomes ready waits."""
        process.is_paused = True
        self._runnable.pop(process, None)

    def resume(self, process: Process) -> None:
        """As SIGCONT: everything that waited runs, late."""
        process.is_paused = False
        if process.ready:
            self._runnable[process] = None

    def turn(self, until: float = float("inf")) -> bool:
        """Run one callback, letting time pass to it. False if there is none by `until`."""
        while not self._runnable:
            if not self._timers or self._timers[0][0] > until:
                return False
            self._reach(self._timers[0][0])
        processes = list(self._runnable)
        process = processes[0] if len(processes) == 1 else self._random.choice(processes)
        handle = process.ready.popleft()
        if not process.ready:
            del self._runnable[process]
        if not handle.cancelled():
            asyncio._set_running_loop(self)
            try:
                handle._run()
            finally:
                asyncio._set_running_loop(None)
        return True

    def advance(self, seconds: float) -> None:
        """Run everything that is due within `seconds`."""
        end = self._now + seconds
        while self.turn(end):
            pass
        self._now = end

    def close(self) -> None:
        """Leave no coroutine waiting. What they do while they are closed goes nowhere."""
        for process in {self.outside, *self._runnable, *(timer[3] for timer in self._timers)}:
            self.kill(process)
        for task in self._tasks:
            if not task.done():
                coroutine = task.get_coro()
                assert asyncio.iscoroutine(coroutine)
                coroutine.close()
        super().close()

    def _owner(self, context: Context | None) -> Process:
        if context is None:
            return _PROCESS.get(self.outside)
        return context.get(_PROCESS, self.outside)

    def _enqueue(self, handle: asyncio.Handle, process: Process) -> None:
        if process.is_dead:
            return
        process.ready.append(handle)
        if not process.is_paused:
            self._runnable[process] = None

    def _reach(self, now: float) -> None:
        """Let time pass to `now`, at which timers are due."""
        self._now = now
        while self._timers and self._timers[0][0] <= now:
            *_, handle, process = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._enqueue(handle, process)


class LoopClock:
    """A process's view of virtual time, off by `skew`."""

    def __init__(self, loop: Loop, skew: timedelta = timedelta(0)) -> None:
        self._loop = loop
        self._start = NOON + skew

    def now(self) -> datetime:
        return self._start + self.monotonic()

    def monotonic(self) -> timedelta:
        return timedelta(seconds=self._loop.time())

    async def sleep(self, wait: timedelta) -> None:
        await asyncio.sleep(max(wait.total_seconds(), 0))
