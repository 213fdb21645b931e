"""An order: a frozen value, the verbs that step it, and the one door they pass."""

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from orders.domain.amounts import Amount, less_bps
from orders.domain.errors import FailureCode
from orders.domain.lifecycle import FINAL, IllegalTransition, Status, check
from orders.domain.quote import Answer, Route, Transaction
from orders.domain.text import plain


class Failure(Struct, frozen=True, gc=False):
    """Why an order failed: a code from the closed list, and a sentence."""

    code: FailureCode
    detail: str

    def __post_init__(self) -> None:
        force_setattr(self, "detail", plain(self.detail))


class Retry(Struct, frozen=True, gc=False):
    """Why a step is tried again, and after how long. With no wait the worker goes on at once."""

    detail: str
    wait: timedelta
    code: FailureCode = FailureCode.ATTEMPTS_EXHAUSTED
    """With what the order would fail if it were not tried again."""

    def __post_init__(self) -> None:
        force_setattr(self, "detail", plain(self.detail))


class Order(Struct, frozen=True, gc=False, kw_only=True):
    """A swap of an exact amount in, as it stands after step `seq`."""

    id: UUID
    owner: str
    client_order_id: str | None
    input_mint: str
    output_mint: str
    amount_in: Amount
    slippage_bps: int
    min_out: Amount | None
    """The least that may arrive. The client's at first; frozen by the first route."""

    status: Status = Status.RECEIVED
    seq: int = 1
    attempt: int = 1
    """The number of the transaction that is, or would be next, signed."""
    tries: int = 0
    """Transient failures since the last step forward; once submitted, visits without an outcome."""
    crashes: int = 0
    """Leases in a row that ran out in a worker's hands."""
    lease: int = 0
    """The fence: only the worker that was given this number may step the order."""

    dex: str | None = None
    expected_out: Amount | None = None
    transaction: Transaction | None = None
    actual_out: Amount | None = None
    failure: Failure | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    """When this step was stored, by the store's clock; None until then."""

    answers: tuple[Answer, ...] = ()
    """This step's evidence: what every venue answered."""
    retry: Retry | None = None
    """Set by a step back; if it names a wait, the order is let go of until that is over."""

    @property
    def is_final(self) -> bool:
        """Whether nothing may follow."""
        return self.status in FINAL

    @property
    def is_held(self) -> bool:
        """Whether the worker that took this step goes on with the order."""
        return not self.is_final and not (self.retry and self.retry.wait)

    def resume(self) -> Self:
        """Take the order up, new or where another worker left it."""
        if self.status is Status.RECEIVED:
            return self._to(Status.ROUTING)
        unsettled = self.status is Status.SUBMITTED
        return self._to(self.status, tries=self.tries + unsettled)

    def build(self, route: Route) -> Self:
        """Choose `route`. The first one freezes the floor: no later one can loosen it."""
        return self._to(
            Status.BUILDING,
            dex=route.quote.dex,
            expected_out=route.quote.out,
            min_out=self.floor(route.quote.out),
            answers=route.answers,
            tries=self.tries if self.dex else 0,
        )

    def submit(self, transaction: Transaction) -> Self:
        """Record the signed trade. Must be stored before the bytes are sent.

        Raises `IllegalTransition` when another is live: only `reroute` gives one up.
        """
        if self.transaction is not None:
            raise IllegalTransition("an order cannot have two live transactions")
        return self._to(Status.SUBMITTED, transaction=transaction, tries=0)

    def confirm(self, out: Amount) -> Self:
        """Record the fill."""
        return self._to(Status.CONFIRMED, actual_out=out, tries=0)

    def fail(self, code: FailureCode, detail: str) -> Self:
        """End the order. From `submitted` on, only with proof that it was not executed."""
        return self._to(Status.FAILED, failure=Failure(code, detail))

    def repeat(
        self,
        detail: str,
        wait: timedelta,
        code: FailureCode = FailureCode.ATTEMPTS_EXHAUSTED,
    ) -> Self:
        """Let go after a transient failure, to try this step again after `wait`."""
        return self._to(self.status, tries=self.tries + 1, retry=Retry(detail, wait, code))

    def reroute(
        self,
        detail: str,
        wait: timedelta = timedelta(0),
        code: FailureCode = FailureCode.ATTEMPTS_EXHAUSTED,
    ) -> Self:
        """Ask the venues anew after `wait`.

        While nothing is signed this is a failed try of the same attempt. From `submitted`
        it is a new attempt, and needs proof that the last one can no longer land.
        """
        retry = Retry(detail, wait, code)
        if self.transaction is None:
            return self._to(Status.ROUTING, tries=self.tries + 1, retry=retry)
        return self._to(
            Status.ROUTING,
            attempt=self.attempt + 1,
            tries=0,
            dex=None,
            transaction=None,
            retry=retry,
        )

    def floor(self, expected_out: Amount) -> Amount:
        """The least that may arrive on a route that promises `expected_out`.

        The stricter of the client's floor and its slippage; after the first route, that
        route's floor.
        """
        if self.expected_out is not None and self.min_out is not None:
            return self.min_out
        return max(self.min_out or Amount(1), less_bps(expected_out, self.slippage_bps))

    def _to(self, status: Status, **changes: Any) -> Self:
        """The door: the order after one legal step."""
        check(self.status, status)
        step = {"answers": (), "retry": None, "updated_at": None, **changes}
        return replace(self, status=status, seq=self.seq + 1, **step)
