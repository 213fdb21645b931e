"""Routing: which DEX wins and by how much, how they quote, and what arrived in the end."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from charts.dashboards.board import board
from charts.dashboards.panels import (
    BPS,
    Panel,
    falling,
    heatmap,
    lines,
    number,
    rising,
    target,
)
from charts.dashboards.queries import increase, quantile, rate, ratio, zero

GIVEN = 'outcome="quote"'
FAILED = 'outcome=~"error|late"'
DISAGREEMENT = ("OrderEngineQuoteDisagreement",)
FAILING = ("OrderEngineVenueFailing",)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "routing",
        "Routing",
        "Which DEX wins and by how much, what quotes cost in time, and what arrived.",
        ("At a glance", _numbers()),
        ("Who wins", _wins()),
        ("Quotes", _quotes()),
        ("Execution", _execution()),
    )


def _numbers() -> list[Panel]:
    return [
        number(
            "Orders routed", "ops",
            "Routes chosen a second. An order is routed again after an attempt that failed.",
            zero(rate("route_wins_total")),
        ),
        number(
            "Improvement, mean", BPS,
            "How much more the chosen quotes promised than the worst ones, on average over the "
            "dashboard's time: what asking every venue earns.",
            ratio(increase("price_improvement_bps_sum", window="$__range"),
                  increase("price_improvement_bps_count", window="$__range")),
            alerts=DISAGREEMENT, is_instant=True,
        ),
        number(
            "Improvement p50", BPS,
            "The middle one now. Over 500 bps one of the venues is likely wrong.",
            quantile(0.5, "price_improvement_bps"), limits=rising(250, 500), alerts=DISAGREEMENT,
        ),
        number(
            "Quotes given", "percentunit",
            "Requests for a quote that brought one. Few mean that orders are routed with less "
            "choice: see failures by DEX.",
            ratio(rate("quotes_total", where=GIVEN), rate("quotes_total")),
            limits=falling(0.5, 0.9), alerts=FAILING,
        ),
        number(
            "Quote p99", "s",
            "How long 99 of 100 answers took at most. An order waits for the slowest venue, up to "
            "the quote timeout.",
            quantile(0.99, "quote_seconds"), limits=rising(0.5, 1), alerts=FAILING,
        ),
        number(
            "Slippage p90", BPS,
            "How much less arrived than was quoted, for 90 of 100 orders. Negative is more.",
            quantile(0.9, "slippage_bps"), limits=rising(50, 100),
        ),
        number(
            "Unknown calls", "ops",
            "Calls to send or to ask for a status that left the outcome unknown. They are repeated "
            "and safe; many mean a node in trouble.",
            zero(rate("venue_unknown_total")),
            limits=rising(1, 10), alerts=("OrderEngineSubmittedStuck",),
        ),
        number(
            "Unsettled", "ops",
            "Visits that ended without knowing what became of a sent transaction.",
            zero(rate("unsettled_total")),
            limits=rising(0.1, 1), alerts=("OrderEngineSubmittedStuck",),
        ),
    ]  # fmt: skip


def _wins() -> list[Panel]:
    return [
        lines(
            "Share by DEX", "percentunit",
            "Whom orders are routed to. A DEX that vanishes gives no quotes or is never the best.",
            target(f"{rate('route_wins_total', 'dex')} / on() group_left() "
                   f"({rate('route_wins_total')} > 0)", "{{dex}}"),
            is_stacked=True, alerts=FAILING, width=12,
        ),
        lines(
            "Win rate", "percentunit",
            "Of the quotes that a DEX gave, the share that won. Near 100 % nobody competes with "
            "it; near none it need not be asked.",
            target(f"{rate('route_wins_total', 'dex')} / "
                   f"({rate('quotes_total', 'dex', where=GIVEN)} > 0)", "{{dex}}"),
            width=12,
        ),
        lines(
            "Price improvement", "none",
            "How much more the chosen quote promised than the worst, by the DEX that won. Over "
            "500 bps at p50 one venue's price is likely wrong.",
            target(quantile(0.5, "price_improvement_bps", "dex"), "{{dex}} p50"),
            target(quantile(0.9, "price_improvement_bps", "dex"), "{{dex}} p90"),
            limits=rising(250, 500), label="bps", alerts=DISAGREEMENT, width=12,
        ),
        heatmap(
            "Price improvement, every order", "none",
            "How the improvements are spread. All in the lowest band: venues agree, or only one "
            "quotes.",
            increase("price_improvement_bps_bucket", "le"),
            label="bps", alerts=DISAGREEMENT, width=12,
        ),
    ]  # fmt: skip


def _quotes() -> list[Panel]:
    return [
        lines(
            "Quote latency", "s",
            "How long a DEX took to answer, also with a refusal or an error.",
            target(quantile(0.5, "quote_seconds", "dex"), "{{dex}} p50"),
            target(quantile(0.99, "quote_seconds", "dex"), "{{dex}} p99"),
            alerts=FAILING,
        ),
        lines(
            "Quotes by outcome", "ops",
            "Refused: the DEX cannot trade it. Error: it failed. Late: it did not answer in time.",
            target(rate("quotes_total", "dex", "outcome"), "{{dex}} {{outcome}}"),
            is_stacked=True, alerts=FAILING,
        ),
        lines(
            "Quotes failed by DEX", "percentunit",
            "Errors and late answers of all requests. Over half the DEX is as good as gone; orders "
            "go to the others.",
            target(f"{rate('quotes_total', 'dex', where=FAILED)} / "
                   f"({rate('quotes_total', 'dex')} > 0)", "{{dex}}"),
            limits=rising(0.1, 0.5), alerts=FAILING,
        ),
    ]  # fmt: skip


def _execution() -> list[Panel]:
    return [
        lines(
            "Realised slippage", "none",
            "How much less arrived than was quoted. Negative is more. If one DEX slips more than "
            "the others win, its quotes are too good.",
            target(quantile(0.5, "slippage_bps", "dex"), "{{dex}} p50"),
            target(quantile(0.9, "slippage_bps", "dex"), "{{dex}} p90"),
            limits=rising(50, 100), label="bps", width=6,
        ),
        heatmap(
            "Realised slippage, every order", "none",
            "How the slippages are spread; below 0 more arrived than was quoted.",
            increase("slippage_bps_bucket", "le"), label="bps", width=6,
        ),
        lines(
            "Unknown calls by DEX", "ops",
            "Calls that left the outcome unknown. The order's own status decides in the end, and "
            "nothing is sent twice.",
            target(rate("venue_unknown_total", "dex", "call"), "{{dex}} {{call}}"),
            alerts=("OrderEngineSubmittedStuck",), width=6,
        ),
        lines(
            "Unsettled by DEX", "ops",
            "Visits that ended without an outcome for a sent transaction; it is asked for again.",
            target(rate("unsettled_total", "dex"), "{{dex}}"),
            alerts=("OrderEngineSubmittedStuck",), width=6,
        ),
    ]  # fmt: skip
