"""`python -m tests.model.simulation`: the engine under drawn faults, where the seed is all.

    --seed N      replay one seed and print its trace
    --seeds A-B   run a range; print the seeds per minute and the first that fails

Faults last for a while of virtual time. Then they end, and every order must come to its end.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from orders.domain.order import Order
from orders.domain.retry import RetryPolicy
from orders.logger import tell_from
from tests.model.clients import Client
from tests.model.fate import Dice
from tests.model.nemesis import Nemesis
from tests.model.processes import Api, Worker
from tests.model.world import Engine

TROUBLES = (25.0, 25.0, 90.0)
"""For how many virtual seconds faults last. Bytes live for 60."""
PATIENCE = 1200.0
"""How many virtual seconds the engine has to finish every order once all is well."""
LIFETIME = 62.0
"""For how many seconds bytes may still land that nobody waits for."""


@dataclass(frozen=True)
class Result:
    """What came of a seed."""

    seed: int
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    ends: tuple[str, ...]
    """How each order ended: its status, or why it failed."""
    took: float
    """Virtual seconds."""


class Simulation(Nemesis):
    """A world with a seed's processes, clients and faults."""

    def __init__(
        self,
        seed: int,
        engine: Engine | None = None,
        *,
        traces: bool = True,
        judges_intent: bool = True,
    ) -> None:
        random = Random(seed)
        self.dice = Dice(random)
        super().__init__(random, self.dice, engine, traces=traces)
        self.judge.is_content_with_unstored_bytes = not judges_intent
        self.policy = RetryPolicy(
            tries=random.randint(2, 5),
            attempts=random.randint(1, 3),
            crashes=random.randint(1, 3),
        )
        self._trouble = random.choice(TROUBLES)
        self.apis = [Api(self) for _ in range(random.randint(1, 2))]
        self.workers = [Worker(self) for _ in range(random.randint(1, 3))]
        self.clients = [Client(self, self.pick_api) for _ in range(random.randint(1, 5))]
        for _ in range(random.randint(0, 8)):
            at, fault = random.uniform(0, self._trouble), random.choice(self.faults())
            self.loop.outside_later(at, self._happen, fault)

    def run(self) -> None:
        """Until every order is final, or it is plain that one never will be."""
        self._run_until(self._trouble, lambda: self._is_over)
        self._calm_down()
        self._run_until(self._trouble + PATIENCE, lambda: self._is_over)
        for process in self.processes():
            self.loop.kill(process)
        self._run_until(self.loop.time() + LIFETIME, lambda: False)
        if not self.judge.violations:
            self.judge.check_end()
            self.check()

    def pick_api(self) -> Api:
        """The process that a balancer would choose; a dead one, when there is no other."""
        alive = [api for api in self.apis if not api.process.is_dead]
        return self.random.choice(alive or self.apis)

    @property
    def _is_over(self) -> bool:
        return self.is_settled and all(client.is_done for client in self.clients)

    def _run_until(self, end: float, is_over: Callable[[], bool]) -> None:
        turns = 0
        while not self.judge.violations and self.loop.turn(end):
            turns += 1
            if turns % 16 == 0 and is_over():
                return

    def _calm_down(self) -> None:
        self.note("the faults end")
        self.dice.is_on = False
        self.store.unavailable = self.queue.unreachable = False
        for process in self.processes():
            if process.is_paused:
                self.loop.resume(process)

    def _happen(self, fault: Callable[[], None]) -> None:
        if self.dice.is_on:
            fault()


def run(
    seed: int,
    engine: Engine | None = None,
    *,
    traces: bool = True,
    judges_intent: bool = True,
) -> Result:
    """What comes of a seed. The same seed, the same result to the letter."""
    simulation = Simulation(seed, engine, traces=traces, judges_intent=judges_intent)
    try:
        simulation.run()
        return Result(
            seed,
            tuple(simulation.judge.violations),
            tuple(simulation.trace),
            tuple(_end(story[-1]) for story in simulation.judge.stories.values()),
            simulation.loop.time(),
        )
    finally:
        simulation.loop.close()


def _end(order: Order) -> str:
    return order.failure.code.value if order.failure else order.status.value


def main() -> int:
    """1 when a seed fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.simulation")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int)
    what.add_argument("--seeds", metavar="A-B")
    chosen = parser.parse_args()
    tell_from("CRITICAL")  # the trace says more
    if chosen.seed is not None:
        result = run(chosen.seed)
        print(*result.trace, *result.violations, sep="\n")
        return bool(result.violations)
    first, last = (int(bound) for bound in chosen.seeds.split("-"))
    return _sweep(range(first, last + 1))


def _sweep(seeds: range) -> int:
    began, done, orders = time.perf_counter(), 0, 0
    for seed in seeds:
        result = run(seed, traces=False)
        done, orders = done + 1, orders + len(result.ends)
        if result.violations:
            print(f"seed {seed} fails:", *result.violations, sep="\n  ")
            break
    minutes = (time.perf_counter() - began) / 60
    print(f"{done} seeds, {orders} orders, {done / minutes:,.0f} seeds a minute")
    return bool(result.violations)


if __name__ == "__main__":
    sys.exit(main())
