"""What the chart tells its pods, read by the programs that run in them."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from orders.settings import Settings
from services.cli.ports import free_port
from tests.chart.guarded import guarded
from tests.chart.helm import Object, Values, render
from tests.chart.reading import of_kind, pod
from tests.chart.scenarios import DATABASE, REDIS, TRACING, URLS, merged

DEV: Values = {"dev": {"enabled": True}}
THEIRS: Values = {
    "postgres": {"existingSecret": {"name": "orders-db", "key": "uri"}},
    "redis": {"existingSecret": {"name": "orders-redis", "key": "uri"}},
    "extraObjects": [
        f"{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: trade}}, "
        f"data: {{uri: {base64.b64encode(url.encode()).decode()}}}}}"
        for name, url in (("orders-db", DATABASE), ("orders-redis", REDIS))
    ],
}


def environment(objects: list[Object], component: str) -> dict[str, str]:
    """The variables of a pod's main container, as a kubelet would resolve them."""
    container = pod(objects, component).main
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= _data(objects, "ConfigMap", source["configMapRef"]["name"])
    for each in container["env"]:
        secret = each.get("valueFrom", {}).get("secretKeyRef")
        found[each["name"]] = _key(objects, secret) if secret else each["value"]
    return found


def _key(objects: list[Object], secret: Object) -> str:
    return base64.b64decode(_data(objects, "Secret", secret["name"])[secret["key"]]).decode()


def _data(objects: list[Object], kind: str, name: str) -> dict[str, str]:
    (found,) = (each for each in of_kind(objects, kind) if each["metadata"]["name"] == name)
    return found.get("data") or {}


@pytest.mark.parametrize("values", [URLS, DEV, THEIRS])
@pytest.mark.parametrize("component", ["api", "worker"])
def test_the_engine_takes_what_its_pods_are_told(values: Values, component: str) -> None:
    settings = Settings.read(environment(render(values), component))

    assert settings.worker_concurrency == 250
    assert settings.drain_seconds == timedelta(seconds=0.5)


@pytest.mark.parametrize("values", [URLS, THEIRS])
def test_the_urls_come_from_the_values_or_from_the_secrets_that_they_name(values: Values) -> None:
    for component in ("api", "worker"):
        told = environment(render(values), component)

        assert (told["DATABASE_URL"], told["REDIS_URL"]) == (DATABASE, REDIS)


@pytest.mark.parametrize("mode", ["hook", "job"])
@pytest.mark.parametrize("values", [URLS, THEIRS])
def test_the_migration_is_told_where_postgresql_is_and_nothing_else(
    values: Values, mode: str
) -> None:
    objects = render(merged(values, {"migration": {"mode": mode}}))

    assert environment(objects, "migration") == {"DATABASE_URL": DATABASE}
    assert "envFrom" not in pod(objects, "migration").main


def test_every_kind_of_setting_reaches_the_engine_as_it_was_meant() -> None:
    given = {
        "maxWaitingAccepts": 1_000_000,  # which Go would print as 1e+06
        "leaseSeconds": 4.5,
        "heartbeatSeconds": "1.25",  # as `--set` would have it
        "venues": ["first", "second"],
        "tokens": [{"symbol": "WIF", "mint": "E<&>", "decimals": 6, "usd": "2.31"}],
        "paperQuoteLatencyMs": "5-10",
        "paperFailureRate": 0,
        "paperSeed": 7,
        "logLevel": "DEBUG",
    }

    settings = Settings.read(environment(render(merged(URLS, {"settings": given})), "worker"))

    assert settings.max_waiting_accepts == 1_000_000
    assert settings.lease_seconds == timedelta(seconds=4.5)
    assert settings.heartbeat_seconds == timedelta(seconds=1.25)
    assert settings.venues == ("first", "second")
    assert [(token.symbol, token.mint) for token in settings.tokens] == [("WIF", "E<&>")]
    assert settings.paper_quote_latency_ms == (
        timedelta(milliseconds=5),
        timedelta(milliseconds=10),
    )
    assert (settings.paper_failure_rate, settings.paper_seed) == (0.0, 7)
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize("component", ["api", "worker"])
def test_the_engine_is_told_where_traces_go_and_how_many(component: str) -> None:
    settings = Settings.read(environment(render(merged(URLS, TRACING)), component))

    assert settings.otel_exporter_otlp_endpoint == "http://collector.monitoring:4318"
    assert settings.otel_traces_sampler_arg == 0.25


@pytest.mark.parametrize("component", ["api", "worker"])
def test_without_an_endpoint_nothing_is_told_of_traces(component: str) -> None:
    told = environment(render(merged(URLS, {"tracing": {"sampleRatio": 0.25}})), component)

    assert [name for name in told if name.startswith("OTEL_")] == []


def test_lines_are_json_in_a_pod_unless_the_values_say_otherwise() -> None:
    text = {"settings": {"logFormat": "text"}}

    assert "LOG_FORMAT" not in environment(render(URLS), "worker")
    assert environment(render(merged(URLS, text)), "worker")["LOG_FORMAT"] == "text"


def test_what_a_worker_may_take_to_stop_reaches_it() -> None:
    given: dict[str, Any] = {"concurrency": 7, "drainSeconds": 2.5, "shutdownSeconds": 9}

    settings = Settings.read(environment(render(merged(URLS, {"worker": given})), "worker"))

    assert settings.worker_concurrency == 7
    assert settings.drain_seconds == timedelta(seconds=2.5)
    assert settings.shutdown_seconds == timedelta(seconds=9)


def test_the_ports_that_the_values_set_are_those_that_pods_open_and_the_engine_listens_on() -> None:
    objects = render(merged(URLS, {"api": {"port": 8123}, "worker": {"probePort": 9123}}))

    api, worker = (Settings.read(environment(objects, name)) for name in ("api", "worker"))

    assert (api.api_port, worker.worker_probe_port) == (8123, 9123)
    assert pod(objects, "api").main["ports"][0]["containerPort"] == 8123
    assert pod(objects, "worker").main["ports"][0]["containerPort"] == 9123


def test_a_dev_password_is_made_of_letters_that_a_url_takes_and_is_new_each_time() -> None:
    urls = [environment(render(DEV, release=name), "api") for name in ("one", "two")]
    passwords = [
        urlsplit(each[url]).password for each in urls for url in ("DATABASE_URL", "REDIS_URL")
    ]

    assert len(set(passwords)) == 4
    assert all(each is not None and len(each) == 32 and each.isalnum() for each in passwords)


async def test_the_dev_redis_starts_with_its_file_and_takes_nobody_without_its_password(
    tmp_path: Path,
) -> None:
    objects = render(DEV)
    port, url = free_port(), environment(objects, "worker")["REDIS_URL"]
    config = tmp_path / "valkey.conf"
    told = _key(objects, {"name": "engine-order-engine-redis", "key": "valkey.conf"})
    config.write_text(told.replace("dir /data", f"dir {tmp_path}"))  # the container's own folder
    password = urlsplit(url).password
    assert password

    async with guarded(config, port, password) as known:
        assert (await known.config_get("save"))["save"] == ""
