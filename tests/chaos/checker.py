"""The judge: every invariant of the engine, put to what a run left behind."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from tests.chaos import executed, stepped, told
from tests.chaos.evidence import Evidence

Look = Callable[[Evidence], Iterator[list[str]]]
"""Yields, for each thing that it looks at, what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that is true of every run."""

    name: str
    says: str
    of: str
    """What is looked at, in the plural."""
    look: Look


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an invariant held."""

    invariant: str
    says: str
    checked: int
    of: str
    violations: tuple[str, ...]
    may_be_empty: bool = False

    @property
    def is_vacuous(self) -> bool:
        """Whether nothing was looked at that should have been."""
        return not self.checked and not self.may_be_empty

    @property
    def holds(self) -> bool:
        """Whether it was put to the test and not violated."""
        return not self.violations and not self.is_vacuous


INVARIANTS = (
    Invariant("I1", "every accepted order exists and is final", "orders", told.accepted_ends),
    Invariant("I2", "at most one execution per order", "executed orders", executed.at_most_once),
    Invariant(
        "I3",
        "confirmed if and only if executed, as told",
        "orders",
        executed.confirmed_is_executed,
    ),
    Invariant("I4", "failed is not executed", "failed orders", executed.failed_is_not_executed),
    Invariant(
        "I5", "histories are whole and legal, and end once", "orders", stepped.whole_histories
    ),
    Invariant("I6", "subscribers hear the whole story in order", "stories", told.whole_stories),
    Invariant(
        "I7", "floors never move, and no fill is below", "routed orders", executed.floors_hold
    ),
    Invariant("I8", "balances moved by what was confirmed", "mints", executed.balances_add_up),
    Invariant("I9", "one key is one order", "keys", told.one_key_one_order),
    Invariant("I12", "an unknown outcome is one order or none", "requests", told.unknowns_resolve),
    Invariant("I14", "no stale write was ever stored", "orders", stepped.no_stale_writes),
)


def check(evidence: Evidence, *, allow_empty: Collection[str] = ()) -> list[Verdict]:
    """A verdict on each invariant. One that looked at nothing fails, unless `allow_empty`
    names it."""
    return [_verdict(each, evidence, each.name in allow_empty) for each in INVARIANTS]


def _verdict(invariant: Invariant, evidence: Evidence, may_be_empty: bool) -> Verdict:
    checked, violations = 0, list[str]()
    for faults in invariant.look(evidence):
        checked += 1
        violations += faults
    return Verdict(
        invariant.name,
        invariant.says,
        checked,
        invariant.of,
        tuple(violations),
        may_be_empty,
    )
