"""The venue within a test, where time stands still and any fault can be made certain."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orders.domain.amounts import Amount
from orders.domain.errors import VenueError
from orders.domain.order import Order
from orders.domain.quote import Route, Transaction
from tests.chaos.venue import ledger
from tests.chaos.venue.book import BLOCK
from tests.chaos.venue.desk import Desk
from tests.chaos.venue.faults import Fault, Faults
from tests.chaos.venue.ledger import Books
from tests.chaos.venue.remote import RemoteVenue
from tests.factories import SOL, USDC, a_building_order
from tests.fakes.clock import FakeClock

ONE_SOL = Amount(1_000_000_000)


@dataclass
class Stand:
    """The venue in this process, and one client of it."""

    path: Path
    clock: FakeClock
    desk: Desk
    venue: RemoteVenue

    @property
    def faults(self) -> Faults:
        return self.desk.faults

    @property
    def tip(self) -> int:
        return self.desk.book.tip

    @property
    def books(self) -> Books:
        return ledger.read(self.path)

    def set(self, *certain: Fault) -> None:
        """Let these strike always, and all others never."""
        self.faults.rates |= {fault: float(fault in certain) for fault in Fault}

    def to_height(self, height: int) -> None:
        """Let time pass until the tip is there."""
        self.clock.advance((height - self.tip) * BLOCK)

    async def built(self, order: Order | None = None) -> Transaction:
        """A signed trade: one SOL, at today's price less half a percent."""
        quote = await self.venue.quote(SOL, USDC, ONE_SOL)
        return await self.venue.build(order or a_building_order(Route(quote, ())))

    async def sent(self, *certain: Fault) -> Transaction:
        """A trade that was taken up while these faults struck."""
        transaction = await self.built()
        self.set(*certain)
        with suppress(VenueError):
            await self.venue.send(transaction)
        self.set()
        return transaction

    async def executed(self, transaction: Transaction) -> bool:
        """Whether tokens change hands for it, in the end."""
        self.clock.advance(timedelta(minutes=1))
        await self.venue.status(transaction)
        return transaction.tx_hash in {each.tx_id for each in self.books.executions}
