"""The pages that alerts lead to: complete, and true to the code that they talk about."""

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
import yaml

from docs import metrics
from orders.broker import GROUP
from orders.feed import CHANNEL
from orders.queue import EPOCH, STREAM
from orders.settings import Settings
from services.cli.arguments import parse
from tests.observability.expressions import RULES
from tests.paths import ROOT

RUNBOOKS = ROOT / "docs/runbooks"
INDEX = RUNBOOKS / "README.md"
PAGES = sorted(set(RUNBOOKS.glob("*.md")) - {INDEX})
SECTIONS = ["Meaning", "Impact", "Check", "Mend", "Do not"]
ORDER = "019aab3c-6f0e-7c53-9d0a-3f6a4f1d2b7e"
NOBODY = "0"

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| \[(\w+)\]\((\S+)\) \| (\w+) \| (.+) \|$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#]+)\)")
_SETTING = re.compile(r"`([A-Z]+(?:_[A-Z]+)+|VENUES|TOKENS)`")
_VALUE = re.compile(r"`((?:settings|worker|api|autoscaling|networkPolicy|metrics)(?:\.\w+)+)`")
_EVENTS = re.compile(r'"event":"\(?([a-z._|]+)\)?"')
_INLINE = re.compile(r"`(SELECT [^`]+)`")
_ALTERNATIVES = re.compile(r"\(([^()]*)\)")

# What the README has people put in.
_VARIABLES = {"ORDER_ID", "NAMESPACE", "DATABASE_URL", "REDIS_URL", "PID"}


def _alerts() -> list[dict[str, Any]]:
    return [
        rule
        for file in sorted(RULES.glob("*.yaml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


ALERTS = _alerts()


def _commands(page: Path) -> list[str]:
    """The lines of a page's blocks."""
    return [line for block in _BLOCK.findall(page.read_text()) for line in block.splitlines()]


def _calls(page: Path, program: str) -> list[list[str]]:
    """The arguments of a page's calls of `program`, as a shell would split them."""
    words = [shlex.split(line) for line in _commands(page)]
    return [each[1:] for each in words if each[0] == program]


def _statements(page: Path) -> list[str]:
    """The page's SQL, in its blocks and in its sentences, with values where it leaves gaps."""
    called = [call[2] for call in _calls(page, "psql") if call[:2] == ["$DATABASE_URL", "-c"]]
    assert len(called) == len(_calls(page, "psql")), page.name
    told = [*called, *_INLINE.findall(page.read_text())]
    return [each.replace("ORDER_ID", ORDER).replace("PID", NOBODY) for each in told]


def _all_statements() -> dict[str, list[str]]:
    """Each statement, with the pages that have it."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for statement in _statements(page):
            found.setdefault(statement, []).append(page.stem)
    return found


STATEMENTS = _all_statements()


def _shapes(pattern: str) -> list[str]:
    """What a pattern of `grep -E` may begin with, its alternatives written out, innermost first."""
    found = _ALTERNATIVES.search(pattern)
    if found is None:
        return [pattern]
    return [
        shape
        for each in found[1].split("|")
        for shape in _shapes(pattern[: found.start()] + each + pattern[found.end() :])
    ]


def _named(text: str) -> set[str]:
    """The metrics that a text names."""
    return {
        name
        for word in re.findall(r"order_engine_[\w()|]+", text)
        for shape in _shapes(word)
        for name in [re.sub(r"\W.*", "", shape)]
    }


def _exposed() -> set[str]:
    """Every name under which a metric's samples come."""
    names = {metrics.name(each) for each in metrics.every()}
    histograms = {metrics.name(each) for each in metrics.every() if each._type == "histogram"}
    return names | {f"{name}_{part}" for name in histograms for part in ("sum", "count", "bucket")}


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert [page.stem for page in PAGES] == sorted(alert["alert"] for alert in ALERTS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_the_link_of_an_alert_ends_with_its_name(alert: dict[str, Any]) -> None:
    assert alert["annotations"]["runbook_url"].endswith(f"/{alert['alert']}")


def test_the_index_says_of_each_alert_what_its_rule_says_in_the_same_order() -> None:
    assert _ROW.findall(INDEX.read_text()) == [
        (name, f"{name}.md", each["labels"]["severity"], f"{each['annotations']['summary']}.")
        for each in ALERTS
        for name in [each["alert"]]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_alerts_name_and_five_sections_each_of_which_says_something(
    page: Path,
) -> None:
    title, *sections = re.split(r"^##? ", page.read_text(), flags=re.MULTILINE)[1:]

    assert title.strip() == page.stem
    assert [section.partition("\n")[0] for section in sections] == SECTIONS
    assert all(section.partition("\n")[2].strip() for section in sections)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_commands_for_the_cluster_the_processes_and_the_database(page: Path) -> None:
    programs = {line.split()[0] for line in _commands(page)}

    assert {"curl", "kubectl", "psql"} <= programs
    assert programs <= {"curl", "helm", "kubectl", "psql", "redis-cli"}


@pytest.mark.parametrize("page", [*PAGES, INDEX], ids=lambda page: page.stem)
def test_a_pages_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text())

    assert [link for link in links if not (RUNBOOKS / link).exists()] == []


async def test_every_statement_runs_and_writes_nothing(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    failed = {}

    for statement, pages in STATEMENTS.items():
        try:
            async with connection.transaction(readonly=True):
                await connection.fetch(statement)
        except asyncpg.PostgresError as failure:
            failed[statement] = f"{', '.join(pages)}: {failure}"

    assert failed == {}
    await connection.close()


async def test_no_statement_reads_all_orders(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"enable_seqscan": "off"})

    plans = {
        statement: json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}"))
        for statement in STATEMENTS
    }

    assert [sql for sql, plan in plans.items() if any(map(_reads_all, _nodes(plan)))] == []
    await connection.close()


async def test_a_statement_that_reads_all_orders_is_told_by_its_plan(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"enable_seqscan": "off"})

    for condition in ("status = 'failed'", "updated_at > now() - interval '1 hour'"):
        plan = json.loads(
            await connection.fetchval(
                f"EXPLAIN (FORMAT JSON) SELECT order_id FROM orders WHERE {condition} LIMIT 9"
            )
        )
        assert any(map(_reads_all, _nodes(plan)))

    await connection.close()


def _nodes(plan: Any) -> list[dict[str, Any]]:
    if isinstance(plan, list):
        return [node for each in plan for node in _nodes(each)]
    if not isinstance(plan, dict):
        return []
    below = [node for each in plan.values() for node in _nodes(each)]
    return [plan, *below] if "Node Type" in plan else below


def _reads_all(node: dict[str, Any]) -> bool:
    """Whether a step of a plan reads a table that only grows, and not by an index of a part of it
    nor for given keys."""
    if node.get("Relation Name") not in ("orders", "order_events", "order_attempts"):
        return False
    is_whole = node.get("Index Name", "").endswith("_pkey") and "Index Cond" not in node
    return node["Node Type"] == "Seq Scan" or is_whole


def test_every_redis_command_is_one_and_only_reads(redis_url: str) -> None:
    calls = [call for page in PAGES for call in _calls(page, "redis-cli")]
    assert [call[:2] for call in calls] == [["-u", "$REDIS_URL"]] * len(calls)

    with redis.Redis.from_url(redis_url) as client:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        client.xadd(STREAM, {"data": b"{}"})
        before = _held(client)

        for command in dict.fromkeys(tuple(call[2:]) for call in calls):
            client.execute_command(*command)

        assert _held(client) == before


def _held(client: redis.Redis) -> dict[Any, Any]:
    return {key: client.dump(key) for key in client.scan_iter()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_reads_of_redis_is_the_engines(page: Path) -> None:
    named = set(re.findall(r"order-engine:\w+", page.read_text()))

    assert named <= {STREAM, EPOCH, CHANNEL}
    assert {call[4] for call in _calls(page, "redis-cli") if call[2] == "XPENDING"} <= {GROUP}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_metric_that_a_page_names_exists(page: Path) -> None:
    assert _named(page.read_text()) - _exposed() == set()


def test_names_in_patterns_are_told_apart() -> None:
    named = _named("grep -E '^order_engine_(a_total|b_(sum|count)) ' and `order_engine_c{d=\"e\"}`")

    assert named == {
        *("order_engine_a_total", "order_engine_b_sum"),
        *("order_engine_b_count", "order_engine_c"),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_line_that_a_page_looks_for_in_the_log_is_one_that_the_engine_writes(
    page: Path,
) -> None:
    sources = (ROOT / "libs/orders").glob("*.py")
    written = {name for each in sources for name in re.findall(r'"(\w+\.\w+)"', each.read_text())}

    wanted = {name for found in _EVENTS.findall(page.read_text()) for name in found.split("|")}

    assert wanted - written == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_and_every_value_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    known = {each.name.upper() for each in fields(Settings)}
    values = yaml.safe_load((ROOT / "charts/order-engine/values.yaml").read_text())

    assert set(_SETTING.findall(text)) - _VARIABLES - known == set()
    assert [name for name in _VALUE.findall(text) if not _is_value(values, name)] == []


def _is_value(values: Any, name: str) -> bool:
    """Whether the chart takes a value of this name; it turns settings into those of the engine."""
    part, *path = name.split(".")
    if part == "settings":
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", path[0]).lower()
        return snake in {each.name for each in fields(Settings)}
    for step in (part, *path):
        if not isinstance(values, dict) or step not in values:
            return False
        values = values[step]
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_whatever_a_page_asks_for_over_http_is_served(page: Path) -> None:
    wanted = {word for call in _calls(page, "curl") for word in call if word.startswith("$")}

    assert wanted <= {
        "$API/api/orders?status=failed&limit=20",
        *(f"${part}/{probe}" for part in ("API", "WORKER") for probe in _PROBES),
    }


_PROBES = ("livez", "metrics", "readyz")


def test_the_commands_of_the_engine_that_the_index_shows_are_understood() -> None:
    shown = [shlex.split(line) for line in _commands(INDEX) if "services.cli" in line]
    urls = {"$API": "http://127.0.0.1:8000", "$WORKER": "http://127.0.0.1:9100"}

    for words in shown:
        wanted = parse([urls.get(word, word) for word in words[words.index("services.cli") + 1 :]])
        assert wanted.run

    assert shown
