"""What the venue does with what it is asked, and what it says of it. Knows no HTTP.

It executes one transaction id at most once, never past its last valid height and never below
its floor. It does not care how many transactions an order has: that is the trader's business.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

from orders.domain.errors import Refused
from orders.domain.quote import Quote
from orders.ports import Clock
from tests.chaos.venue.draw import draw
from tests.chaos.venue.fate import FINALITY_BLOCKS, Fate
from tests.chaos.venue.faults import Faults
from tests.chaos.venue.ledger import Ledger
from tests.chaos.venue.market import Market
from tests.chaos.venue.sealed import Swap, name, seal, unseal
from tests.chaos.venue.wire import Building, Heights, NotFoundWord, Word

DEXES = ("north", "south")
LIFETIME_BLOCKS = 80
BLOCK = timedelta(milliseconds=50)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Book:
    """Both venues: one ledger, one height. `height` may stand still, but not fall for long."""

    def __init__(
        self,
        *,
        height: Callable[[], int],
        ledger: Ledger,
        faults: Faults,
        seed: int = 0,
        lifetime: int = LIFETIME_BLOCKS,
        dexes: tuple[str, ...] = DEXES,
    ) -> None:
        self._height = height
        self._ledger = ledger
        self._faults = faults
        self._lifetime = lifetime
        self._markets = {dex: Market(dex, seed) for dex in dexes}
        self._tip = 0
        self._live: dict[str, Fate] = {}
        self._due: list[tuple[int, str]] = []
        for fate in ledger.unsettled():
            self._follow(fate)

    @property
    def tip(self) -> int:
        """The newest block's height; never falls."""
        self._tip = max(self._tip, self._height())
        return self._tip

    def heights(self) -> Heights:
        tip = self.tip
        return Heights(tip, tip - FINALITY_BLOCKS)

    def quote(self, dex: str, input_mint: str, output_mint: str, amount_in: int) -> Quote:
        """What would arrive now. Raises `Refused`."""
        return self._market(dex).quote(input_mint, output_mint, amount_in, self.tip)

    def build(self, wanted: Building) -> bytes:
        """Sign a trade. Writes nothing down. Raises `Refused` for what it does not trade."""
        tip = self.tip
        market = self._market(wanted.dex)
        market.quote(wanted.input_mint, wanted.output_mint, wanted.amount_in, tip)
        return seal(
            Swap(
                order_id=wanted.order_id,
                attempt=wanted.attempt,
                dex=wanted.dex,
                input_mint=wanted.input_mint,
                amount_in=wanted.amount_in,
                output_mint=wanted.output_mint,
                min_out=wanted.min_out,
                last_valid_height=tip + self._lifetime,
                nonce=secrets.token_hex(8),
            )
        )

    def send(self, dex: str, tx_id: str, raw: bytes) -> None:
        """Take the trade up, unless it was before. Raises `Refused` for damaged bytes and late
        ones."""
        swap = self._read(dex, tx_id, raw)
        tip = self.settle()
        known = self._find(tx_id)
        if known is not None and not known.is_gone(tip):
            return
        if tip > swap.last_valid_height:
            raise Refused(f"block height exceeded: {tip} is past {swap.last_valid_height}")
        fate = draw(swap, tx_id, tip=tip, market=self._market(dex), faults=self._faults)
        self._ledger.take_up(fate)
        self._follow(fate)

    def status(self, tx_id: str) -> Word:
        """What the node that was asked says of a trade."""
        tip = self.settle()
        fate = self._find(tx_id)
        if fate is None:
            return NotFoundWord(tip - FINALITY_BLOCKS)
        return fate.word(tip, is_seen=self._is_seen(fate))

    def settle(self) -> int:
        """Let everything go out that is due. Answers the tip that this was done for."""
        tip = self.tip
        over: dict[str, Fate] = {}
        while self._due and self._due[0][0] <= tip:
            due, tx_id = heappop(self._due)
            fate = self._live.get(tx_id)
            if fate is not None and fate.settles_at == due:
                over[tx_id] = fate
        if over:
            self._ledger.settle(list(over.values()))
            for tx_id in over:
                del self._live[tx_id]
        return tip

    def _market(self, dex: str) -> Market:
        if dex not in self._markets:
            raise Refused(f"no venue here is called {dex}")
        return self._markets[dex]

    def _read(self, dex: str, tx_id: str, raw: bytes) -> Swap:
        try:
            swap = unseal(raw)
        except ValueError as wrong:
            raise Refused(str(wrong)) from wrong
        if name(raw) != tx_id:
            raise Refused("these bytes have another id")
        if swap.dex != dex:
            raise Refused(f"these bytes were signed for {swap.dex}, not for {dex}")
        return swap

    def _find(self, tx_id: str) -> Fate | None:
        return self._live.get(tx_id) or self._ledger.get(tx_id)

    def _follow(self, fate: Fate) -> None:
        self._live[fate.tx_id] = fate
        heappush(self._due, (fate.settles_at, fate.tx_id))

    def _is_seen(self, fate: Fate) -> bool:
        return not fate.flickers or self._faults.dice(fate.fault).random() < 0.5


def by_wall_time(clock: Clock, block: timedelta = BLOCK) -> Callable[[], int]:
    """A height that goes on rising while the venue is down."""
    return lambda: (clock.now() - _EPOCH) // block
