"""Numbers as a terminal shows them. What is not known is a dash."""

UNKNOWN = "-"

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LONG = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "m"), (_MINUTE, "m", 1, "s"))


def length(seconds: float | None) -> str:
    """Three digits in the unit that fits, or `2m05s`, `3h02m`, `4d03h`."""
    if seconds is None:
        return UNKNOWN
    rounded = float(f"{max(seconds, 0):.3g}")
    if rounded >= _MINUTE:
        return age(seconds)
    if rounded >= 1 or not rounded:
        return f"{rounded:.3g} s"
    return f"{rounded * 1e3:.3g} ms" if rounded >= 1e-3 else f"{rounded * 1e6:.3g} µs"


def age(seconds: float) -> str:
    """To the second, and as coarse as it is long."""
    whole = max(round(seconds), 0)
    for unit, name, part, part_name in _LONG:
        if whole >= unit:
            return f"{whole // unit}{name}{whole % unit // part:02}{part_name}"
    return f"{whole} s"


def count(value: float | None) -> str:
    """A whole number."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def rate(value: float | None) -> str:
    """To a tenth."""
    return UNKNOWN if value is None else f"{value:,.1f}"


def percent(share: float | None) -> str:
    """Of a share of 1; to a tenth below 10 %."""
    if share is None:
        return UNKNOWN
    return f"{share:.1%}".replace("%", " %") if 0 < share < 0.0995 else f"{share * 100:.0f} %"


def of(part: float | None, whole: float | None) -> str:
    """`24 of 500`."""
    return UNKNOWN if part is None or whole is None else f"{part:,.0f} of {whole:,.0f}"


def printable(text: str) -> str:
    """In one line, and without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
