"""What goes wrong, and when: nothing at all, or whatever the dice of a seed say.

What no honest venue does is left out: a transaction that landed is denied at most once, for less
than the pause after which the engine asks again, and a node that lags says how far it has come.
"""

from dataclasses import dataclass
from random import Random

from orders.domain.errors import Expired, FailureCode, Refused, Transient, Unknown
from orders.domain.quote import Reverted

REQUEST, ANSWER = "request", "answer"
LONGEST_TRIP = 8
"""Seconds. It is longer than a lease."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A call over the network: the seconds there and back, and what is lost on the way."""

    there: float = 0.001
    back: float = 0.001
    lost: str | None = None
    hangs: bool = False
    """Whether the caller is never told of the loss. Our own clients have timeouts."""


@dataclass(frozen=True, slots=True)
class Destiny:
    """What becomes of sent bytes: taken up `after` so many seconds, or never."""

    after: float | None = 0.0
    refusal: Reverted | None = None
    """Why the venue takes them up without executing them."""
    forks_after: float | None = None
    """When the block that holds them is abandoned, unless it is final by then."""


@dataclass(frozen=True, slots=True)
class View:
    """Which node answers: one so many seconds behind, or one that denies what it has."""

    lag: float = 0.0
    denies: bool = False


class Calm:
    """Nothing goes wrong."""

    def trip(self, port: str, method: str) -> Trip:
        return Trip()

    def quote_error(self) -> Exception | None:
        return None

    def build_error(self) -> Exception | None:
        return None

    def destiny(self) -> Destiny:
        return Destiny()

    def send_error(self) -> Exception | None:
        """Raised to the sender, whatever becomes of the bytes."""
        return None

    def view(self) -> View:
        return View()

    def strike(self) -> str | None:
        """Whether the caller dies (`kill`) or stands still (`pause`) at this point of a call."""
        return None

    def reaches(self) -> bool:
        """Whether a request whose sender has died meanwhile still arrives."""
        return True

    def delivers_twice(self) -> bool:
        return False

    def delivers_any(self) -> bool:
        """Whether a hint is taken from anywhere in the queue."""
        return False


class Dice(Calm):
    """Each seed draws which faults it has and how often, so that some seeds have few."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.is_on = True
        self._slowness = random.choice((5, 50, 400))
        names = (
            *("store", "venue", "hang", "quote", "build", "late", "never", "revert", "slip"),
            *("fork", "lag", "deny", "kill", "pause", "twice", "any", "slow"),
        )
        self._rates = {name: random.choice((0, 0, 0.02, 0.1, 0.3)) for name in names}
        for name in ("kill", "pause", "slow"):
            self._rates[name] /= 8
        self._rates["deny"] = random.choice((0, 1))  # there is little occasion for it

    def trip(self, port: str, method: str) -> Trip:
        there, back = self._delay(), self._delay()
        if not self._is("store" if port == "store" else "venue"):
            return Trip(there, back)
        lost = self._random.choice((REQUEST, ANSWER))
        return Trip(there, back, lost, hangs=port not in ("store", "queue") and self._is("hang"))

    def quote_error(self) -> Exception | None:
        if not self._is("quote"):
            return None
        return self._random.choice(
            (Transient("busy"), Refused("paused", FailureCode.NO_ROUTE), ValueError("a bug"))
        )

    def build_error(self) -> Exception | None:
        if not self._is("build"):
            return None
        return self._random.choice(
            (
                *(Transient("no blockhash"), Expired("the quote is too old")),
                *(Refused("blocked", FailureCode.INSUFFICIENT_FUNDS), ValueError("a bug")),
            )
        )

    def destiny(self) -> Destiny:
        draw = self._random
        after: float | None = self._delay()
        if self._is("late"):
            after = draw.choice((draw.uniform(0, 70), draw.uniform(58, 62)))  # it lives for 60 s
        if self._is("never"):
            after = None
        refusal = None
        if self._is("revert"):
            refusal = Reverted(FailureCode.INSUFFICIENT_FUNDS, "no money")
        if self._is("slip"):
            refusal = Reverted(FailureCode.SLIPPAGE_EXCEEDED, "the price moved")
        return Destiny(after, refusal, draw.uniform(0, 2) if self._is("fork") else None)

    def send_error(self) -> Exception | None:
        return self._random.choice((Unknown("5xx"), OSError())) if self._is("venue") else None

    def view(self) -> View:
        lag = self._random.uniform(0, 20) if self._is("lag") else 0.0
        return View(lag, denies=self._is("deny"))

    def strike(self) -> str | None:
        return "kill" if self._is("kill") else "pause" if self._is("pause") else None

    def reaches(self) -> bool:
        return self._random.random() < 0.5

    def delivers_twice(self) -> bool:
        return self._is("twice")

    def delivers_any(self) -> bool:
        return self._is("any")

    def _is(self, name: str) -> bool:
        rate = self._rates[name]
        return rate > 0 and self.is_on and self._random.random() < rate

    def _delay(self) -> float:
        """Whole milliseconds, so that things happen at once now and then; seldom a lease long."""
        longest = LONGEST_TRIP * 1000 if self._is("slow") else self._slowness
        return int(self._random.random() * longest) / 1000
