"""Which venue an order goes to: all are asked at once, and the best net output wins."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from orders import observe
from orders.domain.amounts import in_range
from orders.domain.errors import FailureCode, Refused, Transient
from orders.domain.order import Order
from orders.domain.quote import Answer, Quote, Route
from orders.ports import Clock, Venue


class Router:
    """Asks every venue within `timeout`. A venue that fails or is late costs only its offer."""

    def __init__(self, *, venues: Mapping[str, Venue], clock: Clock, timeout: timedelta) -> None:
        self.venues = venues
        self._clock = clock
        self._timeout = timeout

    async def route(self, order: Order) -> Route:
        """The best route that keeps the order's floor.

        Raises `Transient` when asking again may find one, and `Refused` when every venue
        said that it will not trade this.
        """
        answers = await self._ask(order)
        quote = best(answers)
        if quote is None:
            raise _no_route(answers)
        if quote.out < order.floor(quote.out):
            raise Transient(
                f"the best quote, {quote.out}, is below the least acceptable, "
                f"{order.floor(quote.out)}",
                FailureCode.SLIPPAGE_EXCEEDED,
            )
        observe.routed(quote, answers)
        return Route(quote, answers)

    async def _ask(self, order: Order) -> tuple[Answer, ...]:
        loop = asyncio.get_running_loop()
        asked = {
            dex: loop.create_task(self._answer(venue, order)) for dex, venue in self.venues.items()
        }
        try:
            await _all_done(asked.values(), self._timeout)
            return tuple(
                task.result() if task.done() and not task.cancelled() else self._late(dex, order)
                for dex, task in sorted(asked.items())
            )
        finally:
            for task in asked.values():
                task.cancel()

    async def _answer(self, venue: Venue, order: Order) -> Answer:
        start = self._clock.monotonic()
        quote: Quote | None = None
        error: str | None = None
        refused = False
        try:
            offer = await venue.quote(order.input_mint, order.output_mint, order.amount_in)
            if in_range(offer.out):
                quote = offer
            else:
                error = f"an impossible output, {offer.out}"
        except Refused as refusal:
            error, refused = str(refusal), True
        except Exception as failure:  # one venue's bug must not cost the order its other offers
            error = f"{type(failure).__name__}: {failure}"
        answer = Answer(venue.dex, self._clock.monotonic() - start, quote, error, refused)
        observe.quoted(order, answer)
        return answer

    def _late(self, dex: str, order: Order) -> Answer:
        answer = Answer(dex, self._timeout, error="no answer")
        observe.quote_late(order, answer)
        return answer


async def _all_done(tasks: Collection[asyncio.Task[Answer]], within: timedelta) -> None:
    """Return when every task is done, or `within` so long: `asyncio.wait` at half its cost."""
    if not tasks:
        return
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    left = len(tasks)

    def end() -> None:
        if not over.done():
            over.set_result(None)

    def count(task: asyncio.Task[Answer]) -> None:
        nonlocal left
        left -= 1
        if not left:
            end()

    for task in tasks:
        task.add_done_callback(count)
    timer = loop.call_later(within.total_seconds(), end)
    try:
        await over
    finally:
        timer.cancel()


def best(answers: Iterable[Answer]) -> Quote | None:
    """The quote with the most net output; of equals, the first by name. None without quotes."""
    quotes = [answer.quote for answer in answers if answer.quote]
    return min(quotes, key=lambda quote: (-quote.out, quote.dex), default=None)


def _no_route(answers: Iterable[Answer]) -> Transient | Refused:
    answers = list(answers)
    detail = "; ".join(f"{answer.dex}: {answer.error}" for answer in answers)
    if answers and all(answer.is_refusal for answer in answers):
        return Refused(f"no venue trades this: {detail}", FailureCode.NO_ROUTE)
    return Transient(f"no venue gave a quote: {detail}", FailureCode.NO_ROUTE)
