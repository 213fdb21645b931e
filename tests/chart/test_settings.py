"""What the chart's schema lets pass, the engine takes: no pod is started only to refuse."""

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orders.settings import Settings
from tests.chart.helm import CHART, render
from tests.chart.scenarios import URLS, merged
from tests.chart.test_environment import environment

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
SETTINGS = tuple(SCHEMA["$defs"]["settings"]["properties"])
# A token, and its usd at the least, with 18 decimals.
TOKEN = {"symbol": "WIF", "mint": "EKp", "decimals": 18, "usd": "0.000000001"}
CANDIDATES: tuple[Any, ...] = (
    0, 1, 2, 3, 7, 99, 100, 101, 250, 1000, 1001, 2000, 86400, 86401, 1_000_000, 10**9,
    -1, 1e-7, 1e-5, 0.001, 0.5, 1.0, 1.5, 86399.5, True, False,
    "", "0", "1", "00", "0.5", ".5", ".0", "1.", "1.0", "1e3", "-1", "nan", "inf", " 1",
    "0.0000001", "86400", "86400.0", "86400.5", "90000", "99999",
    "5-10", "10-5", "-5", "5-", "0-600000", "600001", "0-600001",
    "DEBUG", "debug", "LOUD", "json", "xml", "raydium", [], ["raydium"], ["a,b"], [""],
    [TOKEN], [TOKEN | {"usd": "0"}], [TOKEN | {"decimals": 19}], [{}], {},
)  # fmt: skip

BACKWARDS = "10-5"  # which a pattern cannot see, and a rule of the templates refuses


def _taken(name: str) -> Iterator[Any]:
    """The candidates that the schema takes for a setting."""
    schema = {"$ref": f"#/$defs/settings/properties/{name}", "$defs": SCHEMA["$defs"]}
    validator = Draft202012Validator(schema)
    yield from (each for each in CANDIDATES if each != BACKWARDS and validator.is_valid(each))


TAKEN = {name: list(_taken(name)) for name in SETTINGS}
# Of these two the chart refuses what does not fit together, so each is tried without the other.
PAIR = ("leaseSeconds", "heartbeatSeconds")


def _rounds() -> list[dict[str, Any]]:
    """Each candidate of each setting once, together with one of every other setting."""
    columns = zip_longest(*(TAKEN[name] for name in SETTINGS if name not in PAIR))
    rest = [name for name in SETTINGS if name not in PAIR]
    rounds: list[dict[str, Any]] = [dict(zip(rest, each, strict=True)) for each in columns]
    slow = {"heartbeatSeconds": 0.000001}
    leases = [slow | {"leaseSeconds": each} for each in TAKEN["leaseSeconds"]]
    beats = [{"leaseSeconds": 86400, "heartbeatSeconds": each} for each in TAKEN["heartbeatSeconds"]
             if float(each) <= 43200]  # fmt: skip
    return [*rounds, *leases, *beats]


@pytest.mark.parametrize("name", SETTINGS)
def test_some_value_of_every_setting_is_taken_and_some_refused(name: str) -> None:
    assert TAKEN[name]
    assert len(TAKEN[name]) < len(CANDIDATES)


@pytest.mark.parametrize("values", _rounds(), ids=lambda each: f"{len(each)} settings")
def test_the_engine_takes_whatever_the_schema_takes(values: dict[str, Any]) -> None:
    given = {name: value for name, value in values.items() if value is not None}

    told = environment(render(merged(URLS, {"settings": given})), "worker")

    assert Settings.read(told)


ENDPOINTS = (
    "", "http://collector", "https://collector.monitoring.svc.:4318", "http://[::1]:4318/otlp",
    "http://collector:0", "http://collector:65535", "http://collector:65536", "http://collector:a",
    "collector:4317", "grpc://collector:4317", "http://", "http://:4318", "http://a b",
    "http://engine:secret@collector", "http://collector/?token=secret",
)  # fmt: skip
ENDPOINTS_TAKEN = [
    each
    for each in ENDPOINTS
    if Draft202012Validator(SCHEMA["properties"]["tracing"]["properties"]["endpoint"]).is_valid(
        each
    )
]


def test_an_endpoint_is_a_url_of_http_with_a_port_if_any_and_without_secrets() -> None:
    assert tuple(ENDPOINTS_TAKEN) == ENDPOINTS[:6]


@pytest.mark.parametrize("endpoint", ENDPOINTS_TAKEN)
def test_the_engine_takes_every_endpoint_that_the_schema_takes(endpoint: str) -> None:
    given = {"tracing": {"endpoint": endpoint}}

    told = Settings.read(environment(render(merged(URLS, given)), "worker"))

    assert told.otel_exporter_otlp_endpoint == endpoint
