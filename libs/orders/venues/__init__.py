"""Every venue, by name. To add one, write its file and its line here; nothing else names it."""

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Protocol

from orders.domain.tokens import Tokens
from orders.ports import Clock, Venue
from orders.venues.amm import FeeRate
from orders.venues.paper import PaperOptions, PaperVenue


class Factory(Protocol):
    """Makes a venue."""

    def __call__(
        self, *, tokens: Tokens, clock: Clock, random: Random, options: PaperOptions
    ) -> Venue: ...


# 0.25 % each. raydium-cp-swap, curve/fees.rs: FEE_RATE_DENOMINATOR_VALUE
CPMM_FEE = FeeRate(2_500, 1_000_000)
# MeteoraAg/damm-v2-sdk, ts-client/src/constants.ts: FEE_DENOMINATOR
DAMM_FEE = FeeRate(2_500_000, 1_000_000_000)

VENUES: Mapping[str, Factory] = MappingProxyType(
    {
        "raydium": partial(PaperVenue, dex="raydium", fee=CPMM_FEE),
        "meteora": partial(PaperVenue, dex="meteora", fee=DAMM_FEE),
    }
)


def create(
    names: Sequence[str] | None, *, tokens: Tokens, clock: Clock, options: PaperOptions
) -> dict[str, Venue]:
    """The venues of those names; all of them for None. Raises `ValueError` for an unknown name."""
    chosen = list(VENUES) if names is None else names
    unknown = [name for name in chosen if name not in VENUES]
    if unknown:
        raise ValueError(f"no venue is called {', '.join(unknown)}; there are {', '.join(VENUES)}")
    return {
        name: VENUES[name](
            tokens=tokens, clock=clock, random=_random(name, options.seed), options=options
        )
        for name in chosen
    }


def _random(name: str, seed: int | None) -> Random:
    """Each venue has its own dice, so that no venue's draws move another's prices."""
    return Random() if seed is None else Random(f"{name} {seed}")
