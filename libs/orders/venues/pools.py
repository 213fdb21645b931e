"""Simulated liquidity: a pool for every pair, whose price drifts round the reference price."""

from collections.abc import Mapping
from random import Random

from orders.domain.amounts import BPS, ceil_div
from orders.domain.tokens import Token, Tokens

PPM = 1_000_000
"""Parts per million in a whole."""
NANOS = 10**9
STEPS_TO_BOUND = 50
"""How many steps one way take a price from the reference to its bound, at the least."""


class Drift:
    """A bounded random walk, in ppm: each step moves it a little and never past the bound."""

    def __init__(self, bound_ppm: int, random: Random) -> None:
        self._bound = bound_ppm
        self._stride = ceil_div(bound_ppm, STEPS_TO_BOUND)
        self._random = random
        self._ppm = random.randint(-bound_ppm, bound_ppm)

    def step(self) -> int:
        """Where the walk stands after one more step."""
        ppm = self._ppm + int(self._random.random() * (2 * self._stride + 1)) - self._stride
        self._ppm = max(-self._bound, min(self._bound, ppm))
        return self._ppm


class Pool:
    """The reserves of two tokens, each worth `depth_usd` at the reference price."""

    def __init__(self, base: Token, quote: Token, depth_usd: int, drift: Drift) -> None:
        self._base_mint = base.mint
        self._base = _worth(base, depth_usd)
        self._quote = _worth(quote, depth_usd)
        self._drift = drift

    def reserves(self, input_mint: str) -> tuple[int, int]:
        """The reserves of the token sold and of the token bought, a moment later each time."""
        quote = max(1, self._quote * (PPM + self._drift.step()) // PPM)
        return (self._base, quote) if input_mint == self._base_mint else (quote, self._base)


def pools(
    tokens: Tokens, *, depth_usd: int, variance_bps: int, random: Random
) -> Mapping[tuple[str, str], Pool]:
    """One pool for every pair, found by (mint sold, mint bought).

    The prices of any two pools of a pair are at most `variance_bps` of the lower one apart,
    whoever made them.
    """
    # Both stay within 1 ± bound: (1 + bound) / (1 - bound) = 1 + variance
    bound_ppm = PPM * variance_bps // (2 * BPS + variance_bps)
    found: dict[tuple[str, str], Pool] = {}
    known = sorted(tokens, key=lambda token: token.mint)
    for place, base in enumerate(known):
        for quote in known[place + 1 :]:
            pool = Pool(base, quote, depth_usd, Drift(bound_ppm, random))
            found[base.mint, quote.mint] = found[quote.mint, base.mint] = pool
    return found


def _worth(token: Token, usd: int) -> int:
    """How much of a token's smallest unit `usd` buys at the reference price; at least 1."""
    unit: int = 10**token.decimals
    return max(1, usd * NANOS * unit // token.usd_nanos)
