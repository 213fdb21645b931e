"""Does harm to a running engine, one fault at a time, and notes what it did and when.

Faults are drawn like cards: each once before any comes again, in an order that the seed sets.
"""

import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from tests.chaos.harm import Caught, NotStruck
from tests.chaos.harm.postgres import Postgres
from tests.chaos.harm.processes import Processes
from tests.chaos.harm.redis import Redis
from tests.chaos.harm.traffic import Traffic
from tests.chaos.history import History
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class Struck:
    """One fault, from its first harm to the end of it, in Unix time."""

    name: str
    begun: float
    healed: float
    caught: Sequence[Caught] = ()
    """What the queue held a hint for when Redis forgot it."""


class Nemesis:
    """Strikes at `stage` with the faults called `only`, or with all of them."""

    def __init__(
        self,
        stage: Stage,
        dice: Random,
        *,
        history: History,
        longest_freeze: timedelta,
        only: Collection[str] = (),
        tell: Callable[[str], None],
    ) -> None:
        self.struck: list[Struck] = []
        self.postgres = Postgres(stage, dice, history)
        self.dice = dice
        self._redis = Redis(stage, dice)
        harms = (
            Processes(stage, dice, longest_freeze=longest_freeze),
            self._redis,
            self.postgres,
            Traffic(stage, dice),
        )
        faults = {name: fault for harm in harms for name, fault in harm.faults().items()}
        unknown = [name for name in only if name not in faults]
        if unknown:
            sys.exit(f"no fault is called {unknown[0]!r}; there are: {', '.join(faults)}")
        self._faults = {name: faults[name] for name in sorted(only or faults)}
        self._tell = tell
        self._deck: list[str] = []

    async def strike(self) -> None:
        """Draw the next fault, do it, and see it healed."""
        if not self._deck:
            self._deck = self.dice.sample(list(self._faults), len(self._faults))
        name = self._deck.pop()
        begun = time.time()
        self._redis.caught = []
        try:
            await self._faults[name]()
        except NotStruck:
            self._deck.insert(0, name)
            return self._tell(f"found nobody: {name}")
        self.struck.append(Struck(name, begun, time.time(), self._redis.caught))
        self._tell(f"{name}, for {time.time() - begun:.1f} s")

    def unstruck(self) -> set[str]:
        """The faults that are still to strike for the first time."""
        return set(self._faults) - {each.name for each in self.struck}
