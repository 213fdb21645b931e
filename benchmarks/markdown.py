"""Figures as Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.states import Spread


def number(value: float | None) -> str:
    """To the digits that matter; nothing for None."""
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def section(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], plots: str = ""
) -> str:
    """A heading, its plots and its table; nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    table = [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *lines]
    return "\n".join([f"### {title}", "", *([plots, ""] if plots else []), *table, ""])


def spread(of: Spread) -> list[str]:
    """Two cells: the median, and from the lowest to the highest."""
    return [f"**{number(of.median)}**", f"{number(of.low)} – {number(of.high)}"]
