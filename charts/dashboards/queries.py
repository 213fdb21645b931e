"""PromQL of the engine's metrics, named without their prefix.

Counters and histograms are added up over the processes. What every process tells alike, the queue's
gauges, is taken once for each release.
"""

SCOPE = 'namespace=~"$namespace",release=~"$release"'
PROCESS = ("service", "pod", "instance")
"""What tells processes apart: pods in a cluster, addresses on a laptop."""
EACH = " ".join(f"{{{{{label}}}}}" for label in PROCESS)
"""A legend that says which process."""

OURS = 'service=~"api|worker"'
"""Metrics that other processes have too are read of ours alone."""

CONFIRMED = 'status="confirmed"'
EXECUTE = 'route="api/orders/execute"'
PROMISED = "10.0"
"""Seconds within which orders are to be confirmed, as the bucket is labelled."""
ORDERS_ALLOWED, ACCEPTS_ALLOWED = 0.01, 0.001
"""How many may miss their promise."""


def of(metric: str, where: str = "") -> str:
    """The metric's series in scope."""
    return f"order_engine_{metric}{{{within(where)}}}"


def within(where: str = "") -> str:
    """Matchers of the scope, and more."""
    return f"{SCOPE},{where}" if where else SCOPE


def total(expr: str, *by: str) -> str:
    """The sum, by labels if told."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def rate(metric: str, *by: str, where: str = "") -> str:
    """How many a second."""
    return total(f"rate({of(metric, where)}[$__rate_interval])", *by)


def increase(metric: str, *by: str, where: str = "", window: str = "$__rate_interval") -> str:
    """How many within the window."""
    return total(f"increase({of(metric, where)}[{window}])", *by)


def quantile(share: float, histogram: str, *by: str, where: str = "") -> str:
    """The value that a `share` of the observations does not exceed."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', 'le', *by, where=where)})"


def once(gauge: str) -> str:
    """A gauge that every process tells alike."""
    return f"sum(max by (namespace, release) ({of(gauge)}))"


def ratio(part: str, whole: str) -> str:
    """A share; nothing where there is no whole."""
    return f"({part}) / (({whole}) > 0)"


def zero(expr: str) -> str:
    """0 where nothing was counted yet. For an expression without labels."""
    return f"({expr}) or vector(0)"


def quiet(expr: str, label: str) -> str:
    """0 with the label `none` where nothing was counted yet. For an expression by labels."""
    return f'({expr}) or on() label_replace(vector(0), "{label}", "none", "", "")'


def orders_kept(window: str) -> str:
    """The share of the orders that the engine answers for which were confirmed in time."""
    good = f'{CONFIRMED},le="{PROMISED}"'
    failed = increase("failures_total", where='code=~"attempts_exhausted|poison"', window=window)
    return ratio(
        increase("completion_seconds_bucket", where=good, window=window),
        f"{increase('completion_seconds_count', where=CONFIRMED, window=window)} + {failed}",
    )


def accepts_kept(window: str) -> str:
    """The share of the requests for an order that got no 5xx."""
    failed = increase("requests_total", where=f'{EXECUTE},code=~"5.."', window=window)
    return f"1 - {ratio(zero(failed), increase('requests_total', where=EXECUTE, window=window))}"


def burn(kept: str, allowed: float) -> str:
    """How many times faster than allowed the budget of misses is used up."""
    return f"(1 - ({kept})) / {allowed}"
