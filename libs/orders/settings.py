"""Every setting, with its default and its meaning. Read when a process starts."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from redis.exceptions import RedisError

from orders.domain.retry import RetryPolicy
from orders.domain.tokens import KNOWN, Token, Tokens
from orders.redis import pool

REQUIRED = object()


class BadSetting(Exception):
    """A setting is missing or makes no sense. Its text names the setting and what it expects."""


def _setting(default: object, parse: Callable[[str], Any], expects: str, meaning: str) -> Any:
    return field(
        metadata={"default": default, "parse": parse, "expects": expects, "meaning": meaning}
    )


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _count(default: int, meaning: str, *, low: int = 1, high: int = 1_000_000) -> Any:
    expects = f"an integer from {low} to {high}"
    return _setting(str(default), _integer(low, high), expects, meaning)


def _port(default: int, meaning: str) -> Any:
    return _setting(str(default), _integer(1, 65535), "a port from 1 to 65535", meaning)


def _seconds(default: str, meaning: str) -> Any:
    def parse(text: str) -> timedelta:
        value = timedelta(seconds=float(text))
        if not timedelta(0) < value <= timedelta(days=1):
            raise ValueError(text)
        return value

    return _setting(default, parse, "seconds, more than 0 and at most 86400", meaning)


def _url(schemes: Iterable[str], check: Callable[[str], object], meaning: str) -> Any:
    prefixes = tuple(f"{scheme}://" for scheme in schemes)

    def parse(text: str) -> str:
        if not text.startswith(prefixes):
            raise ValueError("(not shown)")
        check(text)
        return text

    expects = f"a URL that starts with {' or '.join(prefixes)}, with a port that is a number"
    return _setting(REQUIRED, parse, expects, meaning)


def _check_ports(url: str) -> None:
    """Raise `ValueError` when a port of `url`, which may name several hosts, is no number."""
    for host in urlsplit(url).netloc.rpartition("@")[2].split(","):
        _ = urlsplit(f"//{host}").port


def _check_redis(url: str) -> None:
    """Raise `ValueError` when redis-py would refuse `url` or one of its options."""
    try:
        pool(url).make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, RedisError) as failure:
        raise ValueError(str(failure)) from failure


def _milliseconds(text: str) -> tuple[timedelta, timedelta]:
    low, dash, high = text.partition("-")
    least, most = int(low), int(high if dash else low)
    if not 0 <= least <= most <= 600_000:
        raise ValueError(text)
    return timedelta(milliseconds=least), timedelta(milliseconds=most)


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def _endpoint(text: str) -> str:
    if text:
        url = urlsplit(text)
        _ = url.port
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) or None


def _level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError(text)
    return text.upper()


def _format(text: str) -> str:
    if text not in ("auto", "json", "text"):
        raise ValueError(text)
    return text


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    mint: str
    decimals: int
    usd: str


def _tokens(text: str) -> tuple[Token, ...]:
    try:
        tokens = msgspec.json.decode(text or "[]", type=list[_Token])
        return tuple(
            Token(each.symbol, each.mint, each.decimals, _nanos(each.usd, each.decimals))
            for each in tokens
        )
    except (msgspec.MsgspecError, InvalidOperation) as failure:
        raise ValueError(str(failure)) from failure


def _nanos(usd: str, decimals: int) -> int:
    nanos = int(Decimal(usd) * 1_000_000_000)
    if nanos <= 0 or not 0 <= decimals <= 18:
        raise ValueError(f"{usd} USD, {decimals} decimals")
    return nanos


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the processes are told by their environment. Names are the fields' in capitals."""

    database_url: str = _url(
        ("postgresql", "postgres"),
        _check_ports,
        "PostgreSQL. Takes what libpq takes: `?sslmode=require`, `sslrootcert`, unix sockets",
    )
    redis_url: str = _url(
        ("redis", "rediss", "unix"),
        _check_redis,
        "Redis 7 or Valkey. `rediss://` for TLS; `?ssl_ca_certs=`",
    )
    database_pool_size: int = _count(10, "PostgreSQL connections a process", high=1000)
    api_host: str = _setting("0.0.0.0", str, "an address", "Where the API listens")
    api_port: int = _port(8000, "Where the API listens")
    worker_probe_host: str = _setting("0.0.0.0", str, "an address", "Where a worker is probed")
    worker_probe_port: int = _port(9100, "Where a worker is probed and its metrics are read")
    worker_concurrency: int = _count(250, "Orders that one worker works on at once", high=10_000)
    drain_seconds: timedelta = _seconds(
        "0.5", "How long a stopping worker finishes what it holds; then it hands the rest over"
    )
    shutdown_seconds: timedelta = _seconds(
        "5", "How long handing over and disconnecting may take after that; then the process ends"
    )
    venues: tuple[str, ...] | None = _setting(
        "", _names, "names of venues, separated by commas", "Venues to ask; all when empty"
    )
    tokens: tuple[Token, ...] = _setting(
        "",
        _tokens,
        'JSON like [{"symbol":"WIF","mint":"EKp…","decimals":6,"usd":"2.31"}]',
        "Tokens known beside SOL, USDC, USDT, JUP, BONK and mSOL",
    )
    quote_timeout_seconds: timedelta = _seconds("1", "How long venues may take to quote")
    venue_timeout_seconds: timedelta = _seconds(
        "10", "How long any other call to a venue may take; then its outcome is unknown"
    )
    lease_seconds: timedelta = _seconds("5", "How long a worker holds an order without a heartbeat")
    heartbeat_seconds: timedelta = _seconds("1.5", "How often held orders are renewed")
    sweep_seconds: timedelta = _seconds("1", "How often orders that nobody looks after are sought")
    backstop_seconds: timedelta = _seconds(
        "60", "When an order that waits in the queue is hinted again, doubling each time"
    )
    settle_poll_seconds: timedelta = _seconds("0.1", "How often a sent transaction is asked about")
    retry_base_seconds: timedelta = _seconds("0.5", "Most that is waited after a first failure")
    retry_cap_seconds: timedelta = _seconds("30", "Most that is ever waited after a failure")
    retry_tries: int = _count(5, "Tries of one step before the order fails", high=100)
    max_attempts: int = _count(3, "Transactions signed for one order before it fails", high=100)
    max_crashes: int = _count(3, "Workers in a row that may die over one order", high=100)
    max_waiting_accepts: int = _count(2000, "Accepts that may wait before 503 `overloaded`")
    max_backlog_age_seconds: timedelta = _seconds(
        "300", "Age of the oldest received order before 503 `overloaded`"
    )
    heartbeat_socket_seconds: timedelta = _seconds("15", "How often a quiet WebSocket hears")
    slow_consumer_seconds: timedelta = _seconds("10", "How long a WebSocket may block before 4408")
    paper_quote_latency_ms: tuple[timedelta, timedelta] = _setting(
        "150-300", _milliseconds, "milliseconds, one number or low-high", "Simulated quotes take"
    )
    paper_execution_latency_ms: tuple[timedelta, timedelta] = _setting(
        "2000-3000", _milliseconds, "milliseconds, one number or low-high", "Simulated trades take"
    )
    paper_variance_bps: int = _count(
        300, "How far simulated venues' prices may be apart", low=0, high=2000
    )
    paper_failure_rate: float = _setting(
        "0", _rate, "a share from 0 to 1", "Share of simulated calls that fail"
    )
    paper_seed: int | None = _setting(
        "", lambda text: int(text) if text else None, "an integer", "Makes simulated prices repeat"
    )
    otel_exporter_otlp_endpoint: str = _setting(
        "", _endpoint, "a URL that starts with http:// or https://", "Where traces go; empty: none"
    )
    otel_traces_sampler_arg: float = _setting(
        "1", _rate, "a share from 0 to 1", "Share of orders that are traced"
    )
    log_level: str = _setting("INFO", _level, "DEBUG, INFO, WARNING or ERROR", "How much is logged")
    log_format: str = _setting(
        "auto",
        _format,
        "auto, json or text",
        "How lines are written; `auto` is text on a terminal, else JSON",
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings of `environment`. Raises `BadSetting` at the first that makes no sense."""
        settings = cls(**{each.name: _value(each, environment) for each in fields(cls)})
        if settings.heartbeat_seconds * 2 > settings.lease_seconds:
            raise BadSetting(
                "HEARTBEAT_SECONDS: expects at most half of LEASE_SECONDS, "
                f"{settings.lease_seconds.total_seconds() / 2:g}"
            )
        return settings

    @property
    def policy(self) -> RetryPolicy:
        """When and how often a step is tried again."""
        return RetryPolicy(
            base=self.retry_base_seconds,
            cap=self.retry_cap_seconds,
            tries=self.retry_tries,
            attempts=self.max_attempts,
            crashes=self.max_crashes,
        )

    @property
    def known_tokens(self) -> Tokens:
        """The tokens that can be swapped."""
        return Tokens((*KNOWN, *self.tokens))


def _value(each: Any, environment: Mapping[str, str]) -> Any:
    name, told = each.name.upper(), each.metadata
    text = environment.get(name, told["default"])
    if text is REQUIRED:
        raise BadSetting(f"{name}: is missing; expects {told['expects']}")
    try:
        return told["parse"](text)
    except (ValueError, OverflowError):
        is_secret = told["default"] is REQUIRED or "@" in text
        shown = "" if is_secret else f", not {text!r}"
        raise BadSetting(f"{name}: expects {told['expects']}{shown}") from None
