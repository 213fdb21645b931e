"""Settings: each has a default that makes sense, and an error that says what would."""

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from orders.domain.tokens import KNOWN, Token
from orders.settings import REQUIRED, BadSetting, Settings

URLS = {"DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "redis://:secret@h:6379/0"}
NAMES = [each.name.upper() for each in fields(Settings)]
EXPECTS = {each.name.upper(): each.metadata["expects"] for each in fields(Settings)}


def _read(**changes: str) -> Settings:
    return Settings.read(URLS | changes)


def _refusal(**changes: str) -> str:
    with pytest.raises(BadSetting) as refused:
        _read(**changes)
    return str(refused.value)


def test_two_urls_are_enough() -> None:
    settings = _read()

    assert (settings.database_url, settings.redis_url) == tuple(URLS.values())
    assert settings.database_pool_size == 10
    assert settings.api_port == 8000
    assert settings.venues is None
    assert settings.tokens == ()
    assert settings.lease_seconds == timedelta(seconds=5)
    assert settings.heartbeat_seconds == timedelta(seconds=1.5)
    assert settings.sweep_seconds == timedelta(seconds=1)
    assert settings.heartbeat_socket_seconds == timedelta(seconds=15)
    assert settings.paper_quote_latency_ms == (
        timedelta(milliseconds=150),
        timedelta(milliseconds=300),
    )
    assert settings.paper_seed is None
    assert settings.log_level == "INFO"


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_says_what_it_expects_and_means(name: str) -> None:
    metadata = {each.name.upper(): each.metadata for each in fields(Settings)}[name]

    assert metadata["expects"]
    assert metadata["meaning"]
    assert metadata["default"] is REQUIRED or metadata["parse"](metadata["default"]) is not REQUIRED


GOOD: list[tuple[str, str, Any]] = [
    ("DATABASE_URL", "postgres:///d?host=/tmp", "postgres:///d?host=/tmp"),
    ("REDIS_URL", "rediss://h", "rediss://h"),
    ("REDIS_URL", "unix:///tmp/r.sock", "unix:///tmp/r.sock"),
    ("DATABASE_POOL_SIZE", "1000", 1000),
    ("API_HOST", "::1", "::1"),
    ("API_PORT", "65535", 65535),
    ("DRAIN_SECONDS", "0.25", timedelta(seconds=0.25)),
    ("SHUTDOWN_SECONDS", "0.25", timedelta(seconds=0.25)),
    ("BACKSTOP_SECONDS", "86400", timedelta(days=1)),
    ("VENUES", "one, two,,", ("one", "two")),
    ("PAPER_QUOTE_LATENCY_MS", "0", (timedelta(0), timedelta(0))),
    ("PAPER_EXECUTION_LATENCY_MS", "5-7", (timedelta(milliseconds=5), timedelta(milliseconds=7))),
    ("PAPER_VARIANCE_BPS", "0", 0),
    ("PAPER_FAILURE_RATE", "1", 1.0),
    ("PAPER_SEED", "-3", -3),
    ("LOG_LEVEL", "debug", "DEBUG"),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_setting_is_read(name: str, text: str, value: Any) -> None:
    assert getattr(_read(**{name: text}), name.lower()) == value


BAD_COUNT = ["0", "-1", "1.5", "x", "1000001", "9" * 5_000]
BAD_PORT = ["0", "65536", "http"]
BAD_SECONDS = ["0", "-1", "86401", "x", "nan", "inf", "1e999", "5s"]
BAD_RANGE = ["-1", "2-1", "x", "1-", "600001", "1-2-3", "0.5"]
BAD: dict[str, list[str]] = {
    "DATABASE_URL": ["", "mysql://h/d", "h/d"],
    "REDIS_URL": ["", "http://h", "localhost:6379"],
    "DATABASE_POOL_SIZE": [*BAD_COUNT, "1001"],
    "API_PORT": BAD_PORT,
    "WORKER_PROBE_PORT": BAD_PORT,
    "WORKER_CONCURRENCY": [*BAD_COUNT, "10001"],
    "DRAIN_SECONDS": BAD_SECONDS,
    "SHUTDOWN_SECONDS": BAD_SECONDS,
    "TOKENS": ["x", "{}", '[{"symbol":"A"}]'],
    "QUOTE_TIMEOUT_SECONDS": BAD_SECONDS,
    "VENUE_TIMEOUT_SECONDS": BAD_SECONDS,
    "LEASE_SECONDS": BAD_SECONDS,
    "HEARTBEAT_SECONDS": BAD_SECONDS,
    "SWEEP_SECONDS": BAD_SECONDS,
    "BACKSTOP_SECONDS": BAD_SECONDS,
    "SETTLE_POLL_SECONDS": BAD_SECONDS,
    "RETRY_BASE_SECONDS": BAD_SECONDS,
    "RETRY_CAP_SECONDS": BAD_SECONDS,
    "RETRY_TRIES": [*BAD_COUNT, "101"],
    "MAX_ATTEMPTS": [*BAD_COUNT, "101"],
    "MAX_CRASHES": [*BAD_COUNT, "101"],
    "MAX_WAITING_ACCEPTS": BAD_COUNT,
    "MAX_BACKLOG_AGE_SECONDS": BAD_SECONDS,
    "HEARTBEAT_SOCKET_SECONDS": BAD_SECONDS,
    "SLOW_CONSUMER_SECONDS": BAD_SECONDS,
    "PAPER_QUOTE_LATENCY_MS": BAD_RANGE,
    "PAPER_EXECUTION_LATENCY_MS": BAD_RANGE,
    "PAPER_VARIANCE_BPS": ["-1", "2001", "x"],
    "PAPER_FAILURE_RATE": ["-0.1", "1.1", "x", "nan"],
    "PAPER_SEED": ["x", "1.5"],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["collector:4318", "grpc://h", "http://", "http://h:port"],
    "OTEL_TRACES_SAMPLER_ARG": ["-0.1", "1.1", "x", "nan"],
    "LOG_LEVEL": ["", "loud"],
    "LOG_FORMAT": ["", "xml", "JSON"],
}
ANY_TEXT = {"API_HOST", "WORKER_PROBE_HOST", "VENUES"}
"""Settings of which no value is wrong by itself."""


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    assert set(BAD) | ANY_TEXT == set(NAMES)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts]
)
def test_a_bad_value_is_refused_by_name_with_what_is_expected(name: str, text: str) -> None:
    refusal = _refusal(**{name: text})

    assert refusal.startswith(f"{name}: expects {EXPECTS[name]}")


@pytest.mark.parametrize("name", URLS)
def test_a_missing_url_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.read({other: url for other, url in URLS.items() if other != name})

    assert str(refused.value) == f"{name}: is missing; expects {EXPECTS[name]}"


@pytest.mark.parametrize("name", URLS)
def test_the_secrets_of_a_url_are_not_shown(name: str) -> None:
    assert "hunter2" not in _refusal(**{name: "mysql://u:hunter2@h/d"})


def test_the_secrets_of_an_optional_url_are_not_shown() -> None:
    assert "hunter2" not in _refusal(OTEL_EXPORTER_OTLP_ENDPOINT="grpc://u:hunter2@h")


def test_a_value_that_is_no_secret_is_shown() -> None:
    assert _refusal(API_PORT="http") == "API_PORT: expects a port from 1 to 65535, not 'http'"


def test_a_heartbeat_comes_at_least_twice_a_lease() -> None:
    assert _read(HEARTBEAT_SECONDS="2.5").heartbeat_seconds == timedelta(seconds=2.5)
    assert _refusal(HEARTBEAT_SECONDS="2.6") == (
        "HEARTBEAT_SECONDS: expects at most half of LEASE_SECONDS, 2.5"
    )
    assert _refusal(LEASE_SECONDS="2") == (
        "HEARTBEAT_SECONDS: expects at most half of LEASE_SECONDS, 1"
    )


def test_tokens_are_added_to_the_known_ones() -> None:
    wif = '[{"symbol":"WIF","mint":"EKpQ","decimals":6,"usd":"2.31"}]'

    tokens = _read(TOKENS=wif).known_tokens

    assert tokens.get("EKpQ") == tokens.get("WIF") == Token("WIF", "EKpQ", 6, 2_310_000_000)
    assert len(list(tokens)) == len(KNOWN) + 1


@pytest.mark.parametrize(
    "token",
    [
        '{"symbol":"A","mint":"a","decimals":6,"usd":"0"}',
        '{"symbol":"A","mint":"a","decimals":6,"usd":"-1"}',
        '{"symbol":"A","mint":"a","decimals":6,"usd":"x"}',
        '{"symbol":"A","mint":"a","decimals":6,"usd":"NaN"}',
        '{"symbol":"A","mint":"a","decimals":6,"usd":"Infinity"}',
        '{"symbol":"A","mint":"a","decimals":6,"usd":2.31}',
        '{"symbol":"A","mint":"a","decimals":19,"usd":"1"}',
        '{"symbol":"A","mint":"a","decimals":-1,"usd":"1"}',
        '{"symbol":"A","mint":"a","decimals":6,"usd":"1","price":1}',
    ],
)
def test_a_token_without_a_price_or_with_odd_decimals_is_refused(token: str) -> None:
    assert _refusal(TOKENS=f"[{token}]").startswith("TOKENS: expects JSON like [{")


def test_the_retry_policy_is_made_of_settings() -> None:
    policy = _read(
        RETRY_BASE_SECONDS="1",
        RETRY_CAP_SECONDS="2",
        RETRY_TRIES="3",
        MAX_ATTEMPTS="4",
        MAX_CRASHES="5",
    ).policy

    assert (policy.base, policy.cap) == (timedelta(seconds=1), timedelta(seconds=2))
    assert (policy.tries, policy.attempts, policy.crashes) == (3, 4, 5)
