"""Everything that the venue may do wrong: a closed list, and the dice for each."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from random import Random


class Call(StrEnum):
    """What a client may ask. Also the path it asks at."""

    QUOTE = "quote"
    BUILD = "build"
    SEND = "send"
    STATUS = "status"


class Fault(StrEnum):
    """A mode, by the name that `/control` knows it by."""

    BURST_429 = "burst_429"
    """For some hundred milliseconds every call is answered 429, and nothing else happens."""
    QUOTE_ERROR = "quote_error"
    BUILD_ERROR = "build_error"
    HANG = "hang"
    """The call is served, and not answered until long after any client gave up."""
    SLOW = "slow"
    """Half of a delay passes before the call is served and half before it is answered, so that
    bytes are taken and words arrive after the client stopped waiting for them."""
    DUPLICATE_REPLY = "duplicate_reply"
    """The reply is written twice, and may pass for the answer to the connection's next call."""
    DROP_REPLY = "drop_reply"
    """The bytes are taken, then the connection is cut."""
    ERROR_AFTER_SUCCESS = "error_after_success"
    """The bytes are taken, and the answer is 500."""
    ERROR_WITH_SIGNATURE = "error_with_signature"
    """The bytes are taken, and the answer is 400 with an error and the transaction's id."""

    LATE_LANDING_BEFORE_EXPIRY = "late_landing_before_expiry"
    """Lands in the last blocks of its life; until then it is seen at one time, not at another."""
    LATE_LANDING_AFTER_EXPIRY = "late_landing_after_expiry"
    """Would land when it is too late, and so never does; only its expiry proves that."""
    FORK = "fork"
    """Seen, then gone before it was final. Its bytes may be sent again, and may then land."""
    REVERT = "revert"
    """Refused on the venue, for no reason that another attempt would mend."""
    PRICE_JUMP = "price_jump"
    """The price leaves the quote before the fill: more arrives, or the floor is not met."""
    NULL_STATUS = "null_status"
    """Has landed and is final, but the nodes that are asked are behind, and have not seen it."""


_ANY_CALL = (Fault.BURST_429, Fault.HANG, Fault.SLOW, Fault.DUPLICATE_REPLY)
ON_CALL: Mapping[Call, tuple[Fault, ...]] = {
    Call.QUOTE: (*_ANY_CALL, Fault.QUOTE_ERROR),
    Call.BUILD: (*_ANY_CALL, Fault.BUILD_ERROR),
    Call.SEND: (
        *_ANY_CALL,
        Fault.DROP_REPLY,
        Fault.ERROR_AFTER_SUCCESS,
        Fault.ERROR_WITH_SIGNATURE,
    ),
    Call.STATUS: _ANY_CALL,
}
"""What may go wrong with a call; with one call at most one of these."""
ON_TRADE = (
    Fault.LATE_LANDING_BEFORE_EXPIRY,
    Fault.LATE_LANDING_AFTER_EXPIRY,
    Fault.FORK,
    Fault.REVERT,
    Fault.PRICE_JUMP,
)
"""What may go wrong with a trade that was taken up: at most one of these."""
BURST_BLOCKS = 6


class Faults:
    """Strikes at the set rates. Each mode has its own dice, so that no mode's rate moves
    another's strikes, and the same calls in the same order meet the same faults."""

    def __init__(self, seed: int, rates: Mapping[Fault, float] | None = None) -> None:
        self.rates: dict[Fault, float] = dict.fromkeys(Fault, 0.0) | dict(rates or {})
        self.struck: Counter[Fault] = Counter()
        self._dice = {fault: Random(f"{fault} {seed}") for fault in (None, *Fault)}
        self._burst_until = 0

    def dice(self, fault: Fault | None) -> Random:
        """The mode's own, for whatever else it has to draw; for None those of a calm venue."""
        return self._dice[fault]

    def strike(self, *candidates: Fault) -> Fault | None:
        """The first of `candidates` that strikes now."""
        for fault in candidates:
            rate = self.rates[fault]
            if rate and self._dice[fault].random() < rate:
                self.struck[fault] += 1
                return fault
        return None

    def on_call(self, call: Call, tip: int) -> Fault | None:
        """What goes wrong with a call at height `tip`. A burst counts once, whoever meets it."""
        if tip < self._burst_until:
            return Fault.BURST_429
        fault = self.strike(*ON_CALL[call])
        if fault is Fault.BURST_429:
            self._burst_until = tip + BURST_BLOCKS
        return fault
