"""How long orders had to wait for somebody to go on with them after each kind of harm."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.chaos.evidence import Engine
from tests.chaos.nemesis import Struck
from tests.chaos.points import Action, Sprung

Caught = tuple[datetime, UUID, int]
"""When harm was done, an order that it met, and that order's last step then."""


def resumed(engine: Engine, caught: Iterable[Caught]) -> Iterator[timedelta]:
    """For each order that was not finished, how long after the harm its next step was stored."""
    for at, order_id, seq in caught:
        steps = engine.history(order_id)
        following = bisect_right([step.seq for step in steps], seq)
        if following < len(steps):
            yield max(timedelta(0), steps[following].at - at)


def held(sprung: Sequence[Sprung], action: Action) -> Iterator[Caught]:
    """What workers held when they died, froze, or were told to stop."""
    for each in sprung:
        if each.action is action:
            yield from ((_instant(each.at), order_id, seq) for order_id, seq in each.held)


def forgotten(struck: Sequence[Struck]) -> Iterator[Caught]:
    """What Redis held hints for when it lost them."""
    for each in struck:
        yield from ((_instant(each.begun), order_id, seq) for order_id, seq in each.caught)


def _instant(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
