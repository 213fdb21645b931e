"""How long orders had to wait for somebody to go on with them after each kind of harm."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from orders.domain.lifecycle import Status
from tests.chaos.evidence import Engine, EventRow
from tests.chaos.harm import Caught
from tests.chaos.nemesis import Struck
from tests.chaos.points import Action, Rested, Sprung


def resumed(
    engine: Engine, caught: Iterable[Caught], rested: Iterable[Rested] = ()
) -> Iterator[timedelta]:
    """For each order, how long after the harm a worker took it up again.

    Left out are those that nobody had to take up: whoever held them finished them, or let them
    wait for a while as it would have done anyway, a step that says so or else among `rested`.
    """
    rests: dict[UUID, list[datetime]] = {}
    for each in rested:
        rests.setdefault(each.order_id, []).append(_instant(each.at))
    for at, order_id, seq in caught:
        for before, step in pairwise(engine.history(order_id)):
            if step.seq <= seq or step.at <= at:
                continue
            if step.waits or any(at < rest < step.at for rest in rests.get(order_id, ())):
                break
            if is_claim(before, step):
                yield step.at - at
                break


def is_claim(before: EventRow, step: EventRow) -> bool:
    """Whether a worker took the order up by that step: a first one, or one that repeats the
    status of the last without a wait."""
    first = before.status is Status.RECEIVED and step.status is Status.ROUTING
    return first or (before.status is step.status and not step.waits)


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
