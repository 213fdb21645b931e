"""How long orders had to wait for somebody to go on with them after each kind of harm."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from orders.domain.lifecycle import Status
from tests.chaos.evidence import Engine, EventRow
from tests.chaos.harm import Caught
from tests.chaos.nemesis import Struck
from tests.chaos.points import Action, Sprung


def resumed(engine: Engine, caught: Iterable[Caught]) -> Iterator[timedelta]:
    """For each order, how long after the harm a worker took it up again.

    Left out are those that nobody had to take up: whoever held them finished them before, or, if
    it could still, itself.
    """
    for at, order_id, seq in caught:
        steps = engine.history(order_id)
        for before, step in pairwise(steps):
            if step.seq > seq and step.at > at and is_claim(before, step):
                yield step.at - at
                break


def is_claim(before: EventRow, step: EventRow) -> bool:
    """Whether a worker took the order up by that step: a first one, or one that repeats the
    status of the last without going back."""
    first = before.status is Status.RECEIVED and step.status is Status.ROUTING
    return first or (before.status is step.status and not step.retries)


def held(sprung: Sequence[Sprung], action: Action) -> Iterator[Caught]:
    """What workers held when they died, froze, or were told to stop."""
    for each in sprung:
        if each.action is action:
            yield from ((_instant(each.at), order_id, seq) for order_id, seq in each.held)


def forgotten(struck: Sequence[Struck]) -> Iterator[Caught]:
    """What Redis held hints for when it lost them."""
    for each in struck:
        yield from each.caught


def _instant(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
