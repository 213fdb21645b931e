"""What will become of a transaction: settled as it is taken up, so that no restart changes it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from orders.domain.errors import FailureCode
from tests.chaos.venue.faults import Fault
from tests.chaos.venue.wire import LandedWord, NotFoundWord, PendingWord, RevertedWord, Word

FINALITY_BLOCKS = 6


class Ending(StrEnum):
    """How it goes out."""

    LANDS = "lands"
    REVERTS = "reverts"
    VANISHES = "vanishes"
    """Leaves no trace: it was forked away, or never got into a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """A transaction that was taken up, and how that goes out. Amounts are in smallest units."""

    tx_id: str
    order_id: UUID
    attempt: int
    dex: str
    input_mint: str
    amount_in: int
    output_mint: str
    min_out: int
    last_valid_height: int
    taken_at: int
    """The height at which it was taken up."""

    ending: Ending
    at: int
    """The height at which it lands, is refused, or vanishes."""
    fault: Fault | None = None
    """What went wrong with the trade."""
    out: int | None = None
    """What arrives, if it lands."""
    code: FailureCode | None = None
    detail: str = ""
    flickers: bool = False
    """Whether some nodes do not see it until it is final."""
    hidden_until: int = 0
    """The height before which no node that is asked knows of its landing."""
    is_settled: bool = False
    """Whether it has gone out, and the ledger and balances say so."""

    @property
    def settles_at(self) -> int:
        """The tip at which it is over, and cannot change."""
        if self.ending is Ending.VANISHES:
            return self.last_valid_height + 1
        return self.at + FINALITY_BLOCKS

    def is_gone(self, tip: int) -> bool:
        """Whether it vanished, so that its bytes would be taken up anew."""
        return self.ending is Ending.VANISHES and self.at <= tip

    def word(self, tip: int, *, is_seen: bool) -> Word:
        """What a node says of it at that tip; `is_seen` if that node sees what flickers.

        `not_found` carries a height past its last valid one only if it never lands; landed and
        reverted are said of what is final.
        """
        unseen = NotFoundWord(min(tip - FINALITY_BLOCKS, self.last_valid_height))
        if self.ending is Ending.VANISHES:
            if self.at <= tip:
                return NotFoundWord(tip - FINALITY_BLOCKS)
        elif self.at <= tip < self.hidden_until:
            return unseen
        elif tip >= self.settles_at:
            return self._last_word()
        return unseen if self.flickers and not is_seen else PendingWord()

    def _last_word(self) -> Word:
        if self.ending is Ending.LANDS:
            assert self.out is not None
            return LandedWord(self.out)
        assert self.code is not None
        return RevertedWord(self.code, self.detail)
