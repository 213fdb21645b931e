"""What an operator asks, worked out of what processes count: percentiles, and how venues fare."""

import re
from dataclasses import dataclass
from math import isinf

from services.cli.top.samples import Buckets, Samples


def quantile(buckets: Buckets, share: float) -> float | None:
    """The value that a share of the observations is not above; None if there are none.

    Linear within the bucket, as `bucketQuantile` in Prometheus (promql/quantile.go) has it: the
    lowest bucket begins at 0, unless it ends there or below; of what lies above the highest finite
    bound, that bound is all that is known.
    """
    if len(buckets) < 2 or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    index = next(number for number, (_, count) in enumerate(buckets) if count >= rank)
    upper, count = buckets[index]
    if isinf(upper):
        return buckets[-2][0]
    if index == 0 and upper <= 0:
        return upper
    lower, below = buckets[index - 1] if index else (0.0, 0.0)
    return lower + (upper - lower) * (rank - below) / (count - below)


@dataclass(frozen=True)
class Dex:
    """How one venue fared. Shares are of 1, lengths in seconds."""

    name: str
    wins: float
    share: float
    quote_p50: float | None
    quote_p99: float | None
    unquoted: float | None
    """The share of requests for a quote that brought none."""
    improvement: float | None
    """How much more its winning quotes promised than the worst, in basis points, on average."""


def dexes(counted: Samples) -> list[Dex]:
    """Every venue that was asked or won, the one that won most first."""
    wins = counted.by("dex", "order_engine_route_wins_total")
    asked = counted.by("dex", "order_engine_quotes_total")
    quoted = counted.by("dex", "order_engine_quotes_total", outcome="quote")
    gained = counted.by("dex", "order_engine_price_improvement_bps_sum")
    compared = counted.by("dex", "order_engine_price_improvement_bps_count")
    all_wins = sum(wins.values())

    def dex(name: str) -> Dex:
        latency = counted.buckets("order_engine_quote_seconds", dex=re.escape(name))
        return Dex(
            name=name,
            wins=wins.get(name, 0),
            share=wins.get(name, 0) / all_wins if all_wins else 0,
            quote_p50=quantile(latency, 0.5),
            quote_p99=quantile(latency, 0.99),
            unquoted=1 - quoted.get(name, 0) / asked[name] if asked.get(name) else None,
            improvement=gained[name] / compared[name] if compared.get(name) else None,
        )

    return sorted(map(dex, wins | asked), key=lambda each: (-each.wins, each.name))
