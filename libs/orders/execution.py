"""An order's life in a worker: step, save, tell, until it is final or must wait.

Each step is stored before its effect leaves this process, so a worker that dies anywhere in
here is followed by another that resumes from the stored status, by the same code.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from orders import observe
from orders.deadline import Deadline
from orders.domain.errors import (
    Expired,
    FailureCode,
    Refused,
    StaleOrder,
    StoreUnavailable,
    Transient,
    Unstorable,
)
from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.domain.quote import Landed, NotFound, Outcome, Pending, Reverted, Transaction
from orders.domain.retry import RetryPolicy
from orders.leases import Leases
from orders.ports import Clock, Feed, Hold, Store, Venue
from orders.routing import Router

CLAIM_NUMBERS = 2**20
OUTAGE_PAUSE = timedelta(seconds=1)
"""How long a slot rests after the store was away, so that an outage does not eat the queue."""
RESEND_CAP = timedelta(seconds=2)  # solana.com, "Retrying Transactions": about every 2 s
SETTLE_CAP = timedelta(minutes=1)
"""The most that an order of unknown outcome waits to be asked about again."""


class Execution:
    """Runs orders. `fraction` draws from [0, 1), for the jitter of waits and claims' numbers.

    A venue's call that takes longer than `venue_timeout` is given up, its outcome unknown.
    """

    def __init__(
        self,
        *,
        store: Store,
        feed: Feed,
        router: Router,
        leases: Leases,
        clock: Clock,
        policy: RetryPolicy,
        fraction: Callable[[], float],
        settle_for: timedelta,
        settle_poll: timedelta,
        venue_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._store = store
        self._feed = feed
        self._router = router
        self._leases = leases
        self._clock = clock
        self._policy = policy
        self._fraction = fraction
        self._settle_for = settle_for
        self._settle_poll = settle_poll
        self._venue_timeout = venue_timeout.total_seconds()

    async def run(self, order_id: UUID) -> None:
        """Take the order as far as it goes now. Safe to repeat, and to run twice at once.

        A hint that names no order, a finished one or one that another holds is dropped.
        """
        try:
            order = await self._store.get(order_id)
            if order is None or order.is_final:
                return observe.delivery_dropped(order_id, "finished" if order else "unknown")
            try:
                order = await self._claim(order)
            except StaleOrder:
                return observe.delivery_dropped(order_id, "held")
            with self._leases.hold(order):
                await self._advance(order)
        except StaleOrder:
            observe.order_dropped(order_id, "stale")
        except StoreUnavailable:
            observe.order_dropped(order_id, "unavailable")
            await self._clock.sleep(OUTAGE_PAUSE)

    async def _claim(self, order: Order) -> Order:
        """Take the order up. If the answer is lost the claim may stand: its number is one that
        no other worker would choose, so it can be handed over."""
        number = 1 + int(self._fraction() * CLAIM_NUMBERS)
        try:
            return await self._save(order.resume(), after=order, claim=number)
        except (StoreUnavailable, asyncio.CancelledError):
            self._leases.drop(Hold(order.id, order.lease + number))
            raise

    async def _advance(self, order: Order) -> None:
        if order.crashes >= self._policy.crashes:
            if order.transaction is None:
                detail = f"{order.crashes} workers in a row died over it"
                await self._save(order.fail(FailureCode.POISON, detail), after=order)
                return None
            if order.tries % 2:  # only every other visit risks the worker's life
                observe.suspected(order)
                return await self._rest(order, order.crashes - self._policy.crashes)
        while order.is_held:
            step = await self._next(order)
            stored = await self._store_step(order, step) if step else None
            if stored is None:
                observe.unsettled(order)
                return await self._rest(order, order.tries)
            order = stored

    async def _rest(self, order: Order, times: int) -> None:
        """Let go of an order that may have been executed, for ever longer as `times` grows."""
        growth: int = 2 ** min(times, 8)
        wait = min(self._settle_for * growth, SETTLE_CAP) * (1 + self._fraction()) / 2
        await self._store.release([Hold(order.id, order.lease)], wait)

    async def _store_step(self, order: Order, step: Order) -> Order | None:
        """The order as stored. A step that cannot be stored is a bug like any other."""
        try:
            return await self._save(step, after=order)
        except Unstorable as failure:
            other = self._met_bug(order, failure)
            return await self._save(other, after=order) if other else None

    async def _next(self, order: Order) -> Order | None:
        """The order after its next step; None when only time can tell what it is."""
        try:
            match order.status:
                case Status.ROUTING:
                    return order.build(await self._router.route(order))
                case Status.BUILDING:
                    return order.submit(await self._build(order))
                case _:
                    return await self._settle(order)
        except Refused as refusal:
            return order.fail(refusal.code, str(refusal))
        except Transient as failure:
            return self._again(order, order.repeat, failure.code, str(failure))
        except Expired as stale:
            return self._again(order, order.reroute, FailureCode.ATTEMPTS_EXHAUSTED, str(stale))
        except Exception as bug:
            return self._met_bug(order, bug)

    def _met_bug(self, order: Order, bug: Exception) -> Order | None:
        """A failed try that keeps what was met, and poison if it does not go away. None for an
        order that may have been executed."""
        observe.step_failed(order, bug)
        if order.transaction is not None:
            return None
        detail = f"{type(bug).__name__}: {bug}"
        return self._again(order, order.repeat, FailureCode.POISON, detail)

    def _again(
        self,
        order: Order,
        verb: Callable[[str, timedelta, FailureCode], Order],
        code: FailureCode,
        detail: str,
    ) -> Order:
        tries = order.tries + 1
        if self._policy.is_exhausted(tries):
            return order.fail(code, f"given up after {tries} tries: {detail}")
        return verb(detail, self._policy.wait(tries, self._fraction), code)

    def _in_time(self) -> Deadline:
        """The time that one call to a venue may take. Raises `TimeoutError` past it."""
        return Deadline(self._venue_timeout)

    async def _build(self, order: Order) -> Transaction:
        try:
            with self._in_time():
                return await self._venue(order).build(order)
        except TimeoutError as late:
            raise Transient(f"{order.dex} did not build the trade in time") from late

    async def _settle(self, order: Order) -> Order | None:
        """What became of the signed trade, asked for up to a lease.

        Sends the same bytes until the venue has seen them. None while it is not known.
        """
        transaction = order.transaction
        venue = self._router.venues.get(order.dex or "")
        if transaction is None or venue is None:
            return None
        end = self._clock.monotonic() + self._settle_for
        outcome: Outcome | None = None
        pause = self._settle_poll
        while True:
            if not isinstance(outcome, Pending):
                await self._send(venue, transaction)
            outcome = await self._status(venue, transaction)
            match outcome:
                case Landed(out):
                    return order.confirm(out)
                case Reverted(code, detail):
                    return self._reverted(order, code, detail)
                case NotFound() if await self._is_dead(venue, transaction, outcome):
                    return self._new_attempt(
                        order, FailureCode.ATTEMPTS_EXHAUSTED, "the transaction expired unseen"
                    )
            if self._clock.monotonic() >= end:
                return None
            await self._clock.sleep(pause)
            seen = isinstance(outcome, Pending)
            pause = self._settle_poll if seen else min(pause * 2, RESEND_CAP)

    async def _send(self, venue: Venue, transaction: Transaction) -> None:
        """Send, and believe no error: only the venue's status decides from here on."""
        try:
            with self._in_time():
                await venue.send(transaction)
        except Exception as failure:
            observe.venue_unknown("send", transaction, failure)

    async def _status(self, venue: Venue, transaction: Transaction) -> Outcome | None:
        """The venue's word, or None when it gave none."""
        try:
            with self._in_time():
                return await venue.status(transaction)
        except Exception as failure:
            observe.venue_unknown("status", transaction, failure)
            return None

    async def _is_dead(self, venue: Venue, transaction: Transaction, seen: NotFound) -> bool:
        """Whether the trade can no longer land: not found past its expiry, twice in a row."""
        if seen.height <= transaction.last_valid_height:
            return False
        await self._clock.sleep(self._settle_poll)
        again = await self._status(venue, transaction)
        return isinstance(again, NotFound) and again.height > transaction.last_valid_height

    def _reverted(self, order: Order, code: FailureCode, detail: str) -> Order:
        if code is FailureCode.SLIPPAGE_EXCEEDED:
            return self._new_attempt(order, code, detail)
        return order.fail(code, detail)

    def _new_attempt(self, order: Order, code: FailureCode, detail: str) -> Order:
        if order.attempt >= self._policy.attempts:
            return order.fail(code, f"given up after {order.attempt} transactions: {detail}")
        return order.reroute(detail, code=code)

    def _venue(self, order: Order) -> Venue:
        venue = self._router.venues.get(order.dex or "")
        if venue is None:
            raise Expired(f"{order.dex} is not among this worker's venues")
        return venue

    async def _save(self, step: Order, *, after: Order, claim: int = 0) -> Order:
        stored = await self._store.save(step, claim=claim)
        self._feed.publish(stored)
        observe.moved(stored, since=after.updated_at)
        return stored
