"""What must hold whatever happens, checked on what was stored and on what the venues did.

The judge is told of each stored step, of all bytes that reach a venue and of each trade that one
takes up, at the moment it happens, and believes nothing that the engine says of itself.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from orders.domain.amounts import less_bps
from orders.domain.lifecycle import LIFECYCLE, Status
from orders.domain.order import Order
from orders.domain.quote import Landed, Reverted, Transaction
from orders.ports import Step
from tests.fakes.venue import Execution, Ledger


class Judge:
    """Collects violations, each named by the invariant that it breaks."""

    def __init__(
        self, ledger: Ledger, now: Callable[[], datetime], height: Callable[[], int]
    ) -> None:
        self.violations: list[str] = []
        self.stories: dict[UUID, list[Order]] = {}
        """Every step of every order, as the store was given it."""
        self.is_content_with_unstored_bytes = False
        self._ledger = ledger
        self._now = now
        self._height = height
        self._floors: dict[UUID, int] = {}
        self._signed: dict[UUID, list[Transaction]] = {}
        self._hashes: set[str] = set()
        self._named: dict[str, UUID] = {}

    def mints(self, order_id: UUID) -> tuple[str, str]:
        """What an order sells and buys."""
        order = self.stories[order_id][0]
        return order.input_mint, order.output_mint

    def blame(self, invariant: str, order_id: UUID | None, detail: str) -> None:
        """Note a violation."""
        whose = f" #{order_id.hex[-4:]}" if order_id else ""
        self.violations.append(f"{invariant}{whose}: {detail}")

    # -- told as it happens

    def stored(self, order: Order) -> None:
        """A step was stored."""
        story = self.stories.setdefault(order.id, [])
        self._check_sequence(story, order)
        self._check_floor(order)
        if story:
            self._check_bytes(story[-1], order)
        story.append(order)
        if order.status is Status.CONFIRMED:
            self._check_confirmed(order)
        if order.status is Status.FAILED:
            self._check_failed(order)

    def sent(self, transaction: Transaction) -> None:
        """Bytes reached a venue."""
        if transaction.tx_hash not in self._hashes and not self.is_content_with_unstored_bytes:
            self.blame("intent", None, f"{transaction.tx_hash[:6]} was sent before it was stored")

    def taken_up(self, execution: Execution) -> None:
        """A venue took up a trade."""
        order_id = execution.swap.order_id
        fills = self._ledger.fills(order_id)
        if len(fills) > 1:
            self.blame("I2", order_id, f"executed {len(fills)} times")
        last = self.stories[order_id][-1]
        if isinstance(execution.outcome, Landed) and last.status is Status.FAILED:
            self.blame("I4", order_id, "failed, and executed after that")

    def forked(self, transaction: Transaction) -> None:
        """A block was abandoned with a trade in it. It was not final, so nobody may rely on it."""
        for story in self.stories.values():
            if _confirms(story[-1], transaction):
                self.blame("I3", story[-1].id, "confirmed by a block that was abandoned")

    def told(self, order: Order) -> None:
        """A step was published."""
        story = self.stories.get(order.id, [])
        if not any(step.seq == order.seq and step.status is order.status for step in story):
            self.blame("I6", order.id, f"told step {order.seq}, which was not stored")

    def answered(self, key: str, order_id: UUID) -> None:
        """A client was told which order its key names."""
        if self._named.setdefault(key, order_id) != order_id:
            self.blame("I9", order_id, f"{key} names #{self._named[key].hex[-4:]} as well")
        if order_id not in self.stories:
            self.blame("I1", order_id, "accepted, and not stored")

    def bug(self, failure: Exception) -> None:
        """A delivery ended as none should."""
        self.blame("bug", None, f"{type(failure).__name__}: {failure}")

    # -- read again, as often as one likes

    def check(self, histories: dict[UUID, list[Step]]) -> None:
        """What the store and the ledger say now, whatever was told of them."""
        for order_id, steps in histories.items():
            self._check_history(order_id, steps)
        self._check_conservation()

    def check_end(self) -> None:
        """Every order has come to its end."""
        for order_id, story in self.stories.items():
            if not story[-1].is_final:
                told = " ".join(step.status.value for step in story[-6:])
                self.blame("I1", order_id, f"not final: … {told}")

    def _check_sequence(self, story: list[Order], order: Order) -> None:
        if order.seq != len(story) + 1:
            self.blame("I5", order.id, f"step {order.seq} after {len(story)} steps")
        before = story[-1].status if story else None
        legal = LIFECYCLE[before] if before else {Status.RECEIVED}
        if order.status not in legal:
            self.blame("I5", order.id, f"{order.status.value} after {before}")

    def _check_floor(self, order: Order) -> None:
        """The first route sets the floor; it never moves again."""
        if order.expected_out is not None and order.id not in self._floors:
            asked = self.stories[order.id][0].min_out or 1
            by_slippage = less_bps(order.expected_out, order.slippage_bps)
            self._floors[order.id] = max(asked, by_slippage)
        floor = self._floors.get(order.id)
        if floor is not None and order.min_out != floor:
            self.blame("I7", order.id, f"the floor moved from {floor} to {order.min_out}")
        if order.transaction and order.transaction.min_out < (floor or 1):
            self.blame("I7", order.id, f"signed for {order.transaction.min_out} under {floor}")
        if order.actual_out is not None and order.actual_out < (floor or 1):
            self.blame("I7", order.id, f"{order.actual_out} arrived, less than {floor}")

    def _check_bytes(self, before: Order, order: Order) -> None:
        """One live transaction, given up only with proof."""
        signed = self._signed.setdefault(order.id, [])
        new = order.transaction
        if new and new.tx_hash not in self._hashes:
            self._check_dead(order.id, "signed another")
            signed.append(new)
            self._hashes.add(new.tx_hash)
        if before.transaction and not new:
            self._check_dead(order.id, "gave its transaction up")

    def _check_dead(self, order_id: UUID, what: str, invariant: str = "I2") -> None:
        for transaction in self._signed.get(order_id, []):
            if not self._is_dead(transaction):
                self.blame(
                    invariant, order_id, f"{what} while {transaction.tx_hash[:6]} may still land"
                )

    def _is_dead(self, transaction: Transaction) -> bool:
        execution = self._ledger.executions.get(transaction.tx_hash)
        if execution is None:
            return self._height() > transaction.last_valid_height
        return isinstance(execution.outcome, Reverted) and execution.final_at <= self._now()

    def _check_confirmed(self, order: Order) -> None:
        fills = self._ledger.fills(order.id)
        is_so = (
            len(fills) == 1
            and order.transaction is not None
            and self._ledger.executions.get(order.transaction.tx_hash) is fills[0]
            and order.actual_out is not None
            and fills[0].outcome == Landed(order.actual_out)
            and fills[0].final_at <= self._now()
        )
        if not is_so:
            self.blame("I3", order.id, f"confirmed with {len(fills)} fills, or another one")

    def _check_failed(self, order: Order) -> None:
        if self._ledger.fills(order.id):
            self.blame("I4", order.id, "failed, and yet executed")
        self._check_dead(order.id, "failed", "I4")

    def _check_history(self, order_id: UUID, steps: list[Step]) -> None:
        stored = [(order.seq, order.status) for order in self.stories[order_id]]
        if [(step.seq, step.status) for step in steps] != stored:
            self.blame("I5", order_id, "its history is not what was stored")

    def _check_conservation(self) -> None:
        """What changed hands, by mint, is what was confirmed, and what is still unsettled."""
        ledger: dict[str, int] = {}
        results: dict[str, int] = {}
        for order_id, story in self.stories.items():
            order, (sold, bought) = story[-1], self.mints(order_id)
            fills = self._ledger.fills(order_id) if order.is_final else []
            for fill in fills:
                assert isinstance(fill.outcome, Landed)
                ledger[sold] = ledger.get(sold, 0) - fill.swap.amount_in
                ledger[bought] = ledger.get(bought, 0) + fill.outcome.out
            if order.status is Status.CONFIRMED:
                results[sold] = results.get(sold, 0) - order.amount_in
                results[bought] = results.get(bought, 0) + (order.actual_out or 0)
        if ledger != results:
            self.blame("I8", None, f"the ledger says {ledger}, the orders {results}")


def _confirms(order: Order, transaction: Transaction) -> bool:
    return (
        order.status is Status.CONFIRMED
        and order.transaction is not None
        and order.transaction.tx_hash == transaction.tx_hash
    )
