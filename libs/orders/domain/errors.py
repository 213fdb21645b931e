"""What can go wrong with an order, told apart by what the caller should do next."""

from enum import StrEnum


class FailureCode(StrEnum):
    """Why an order failed. A closed list: a test holds the documentation to it."""

    NO_ROUTE = "no_route"
    SLIPPAGE_EXCEEDED = "slippage_exceeded"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    VENUE_REFUSED = "venue_refused"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    POISON = "poison"


class VenueError(Exception):
    """A venue did not do as asked. Its text reaches the client as the failure's detail."""


class Transient(VenueError):
    """Nothing happened, and it may work later: repeat within the retry policy."""

    def __init__(self, detail: str, code: FailureCode = FailureCode.ATTEMPTS_EXHAUSTED) -> None:
        super().__init__(detail)
        self.code = code
        """The failure's code once the retry policy is exhausted."""


class Unknown(VenueError):
    """It may have happened: ask again until it is known, and never redo it."""


class Expired(VenueError):
    """It can no longer happen: making a new one is safe."""


class Refused(VenueError):
    """The venue said no, and will say so again: fail the order with `code`."""

    def __init__(self, detail: str, code: FailureCode = FailureCode.VENUE_REFUSED) -> None:
        super().__init__(detail)
        self.code = code


class StoreError(Exception):
    """The store did not do as asked."""


class StaleOrder(StoreError):
    """Another holds or has moved this order: let go of it. Nothing was written."""


class StoreUnavailable(StoreError):
    """The store's answer was lost: the write may or may not have happened. Read to find out."""


class Unstorable(StoreError):
    """This one value cannot be stored, however often it is tried. Nothing was written."""


class KeyReused(StoreError):
    """An idempotency key was used before, for something else. Nothing was written."""
