"""A venue on which everything goes wrong at once, and what it said of each trade."""

from contextlib import suppress
from pathlib import Path

from orders.domain.errors import Refused
from tests.chaos.venue.book import LIFETIME_BLOCKS, Book
from tests.chaos.venue.faults import Fault, Faults
from tests.chaos.venue.ledger import Ledger
from tests.chaos.venue.sealed import name
from tests.chaos.venue.wire import Building, LandedWord, NotFoundWord, RevertedWord, Word
from tests.factories import SOL, USDC, a_building_order

SOLD = 1_000_000_000
FLOOR = 149_000_000
"""Near enough to the price that it is sometimes missed."""


class Story:
    """Does what it is told and asserts that nothing final is ever unsaid."""

    def __init__(self, path: Path, seed: int) -> None:
        self.expiries: dict[str, int] = {}
        self.dead: set[str] = set()
        """Those of which it was said that they are not found past their expiry."""
        self._path, self._seed = path, seed
        self._height = 1_000
        self._raws: list[tuple[str, bytes]] = []
        self._final: dict[str, Word] = {}
        self._start()

    def do(self, what: str, n: int) -> None:
        match what:
            case "wait":
                self._height += n
            case "build":
                self._build()
            case "restart":
                self.close()
                self._start()
            case _ if self._raws:
                tx_id, raw = self._raws[n % len(self._raws)]
                if what == "send":
                    with suppress(Refused):
                        self._book.send("north", tx_id, raw)
                self._listen(tx_id)

    def end(self) -> None:
        """Ask after every trade until all is over."""
        for _ in range(LIFETIME_BLOCKS // 2):
            self._height += 5
            for tx_id, _ in self._raws:
                self._listen(tx_id)

    def landed(self) -> dict[str, int]:
        """What arrived, by what was said."""
        return {
            tx_id: word.out for tx_id, word in self._final.items() if isinstance(word, LandedWord)
        }

    def close(self) -> None:
        self._ledger.close()

    def _start(self) -> None:
        self._ledger = Ledger(self._path)
        self._book = Book(
            height=lambda: self._height,
            ledger=self._ledger,
            faults=Faults(self._seed, dict.fromkeys(Fault, 0.3)),
            seed=self._seed,
        )

    def _build(self) -> None:
        order = a_building_order()
        raw = self._book.build(Building("", "north", order.id, 1, SOL, SOLD, USDC, FLOOR))
        self._raws.append((name(raw), raw))
        self.expiries[name(raw)] = self._height + LIFETIME_BLOCKS

    def _listen(self, tx_id: str) -> None:
        word = self._book.status(tx_id)
        if tx_id in self._final:
            assert word == self._final[tx_id]
        match word:
            case LandedWord() | RevertedWord():
                assert tx_id not in self.dead
                self._final[tx_id] = word
            case NotFoundWord(height) if height > self.expiries[tx_id]:
                self.dead.add(tx_id)
