"""Engines with one safeguard taken out, to show that the simulation would notice."""

from typing import Any

from msgspec.structs import replace

from orders.domain.errors import FailureCode
from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.domain.quote import NotFound, Transaction
from orders.execution import Execution
from orders.ports import Venue
from tests.model.world import Engine, ModelStore


class Unfenced(ModelStore):
    """Lets stale saves through: whoever writes last has the next step."""

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        row = self._rows.get(order.id)
        if row and not claim:
            order = replace(order, seq=row.order.seq + 1, lease=row.order.lease)
        return await super().save(order, claim=claim)

    def _may_save(self, row: Any, order: Order, claim: int) -> bool:
        return not claim or super()._may_save(row, order, claim)


class SendsFirst(Execution):
    """Sends what it has signed, and stores it after that."""

    async def _build(self, order: Order) -> Transaction:
        transaction = await super()._build(order)
        await self._send(self._venue(order), transaction)
        return transaction


class Loosens(Execution):
    """Lets a new attempt settle for less."""

    def _new_attempt(self, order: Order, code: FailureCode, detail: str) -> Order:
        step = super()._new_attempt(order, code, detail)
        is_over = step.status is Status.FAILED
        return step if is_over else replace(step, min_out=None, expected_out=None)


class Impatient(Execution):
    """Takes a transaction that is not found for dead, whether or not it can still land."""

    async def _is_dead(self, venue: Venue, transaction: Transaction, seen: NotFound) -> bool:
        return True


class Credulous(Execution):
    """Takes one null answer past expiry for proof, and does not ask again."""

    async def _is_dead(self, venue: Venue, transaction: Transaction, seen: NotFound) -> bool:
        return seen.height > transaction.last_valid_height


UNFENCED = Engine(store=Unfenced)
SENDS_FIRST = Engine(execution=SendsFirst)
LOOSENS = Engine(execution=Loosens)
IMPATIENT = Engine(execution=Impatient)
CREDULOUS = Engine(execution=Credulous)
SWEEPLESS = Engine(sweeps=False)
