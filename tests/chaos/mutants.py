"""Engines that are broken on purpose, to show that a run judges them guilty."""

import os

from orders.domain.order import Order
from orders.domain.quote import Transaction
from orders.ports import Venue
from orders.recovery import Recovery
from orders.store import sql
from tests.chaos.points import Point, Trap
from tests.chaos.trapped import TrappedVenue

MUTANT = "CHAOS_MUTANT"
FENCING, PERSISTING, SWEEPING = "fencing", "persisting", "sweeping"
MUTANTS = (FENCING, PERSISTING, SWEEPING)

GUARDS = """o.seq = b.seq - 1
      AND o.status NOT IN ('confirmed', 'failed')
      AND CASE WHEN b.claim > 0 THEN NOT o.held OR o.wake_at <= now()
               ELSE o.held AND o.lease = b.lease END"""
TOLD = "FROM saved JOIN batch USING (ord)\n), signed"
SIGNED = "WHERE raw_tx IS NOT NULL\n), settled"


class Hasty(TrappedVenue):
    """Sends what it signs before anybody has stored it."""

    async def build(self, order: Order) -> Transaction:
        transaction = await self._inner.build(order)
        await self._inner.send(transaction)
        self._trap.passing(Point.SIGNED_NOT_STORED)
        return transaction


def mutate() -> None:
    """Break this process as the environment says."""
    match os.environ.get(MUTANT):
        case "fencing":
            sql.SAVE = _unfenced(sql.SAVE)
        case "sweeping":
            Recovery.sweep = _nothing  # type: ignore[method-assign]


def venue(inner: Venue, trap: Trap) -> TrappedVenue:
    """The venue as this process uses it."""
    hasty = os.environ.get(MUTANT) == PERSISTING
    return (Hasty if hasty else TrappedVenue)(inner, trap)


def _unfenced(save: str) -> str:
    """The statement without any guard, its history and attempts first come, first served."""
    for old, new in (
        (GUARDS, "true"),
        (TOLD, "FROM saved JOIN batch USING (ord) ON CONFLICT DO NOTHING\n), signed"),
        (SIGNED, "WHERE raw_tx IS NOT NULL ON CONFLICT DO NOTHING\n), settled"),
    ):
        assert old in save, f"the statement has changed: {old!r} is not in it"
        save = save.replace(old, new)
    return save


async def _nothing(self: Recovery) -> int:
    return 0
