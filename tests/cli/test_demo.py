"""The commands, as a user types them."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from services.cli.local import Engine, engine
from services.cli.ports import free_port

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0  # seconds
FAST = {"PAPER_QUOTE_LATENCY_MS": "0-20", "PAPER_EXECUTION_LATENCY_MS": "0-50"}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where whatever the commands start keeps its files. Short, as PostgreSQL wants it."""
    with tempfile.TemporaryDirectory(prefix="oe-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def command(*words: str, temporary: Path, **settings: str) -> "subprocess.Popen[str]":
    """It runs."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=inherited
        | FAST
        | {"TMPDIR": str(temporary), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'libs'}"}
        | settings,
    )


def ended(running: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Its exit code and what it said, once it has ended."""
    try:
        said, complained = running.communicate(timeout=DEADLINE)
    finally:
        running.kill()
    return running.returncode, said, complained


def run(*words: str, temporary: Path, **settings: str) -> tuple[int, str, str]:
    return ended(command(*words, temporary=temporary, **settings))


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def left_behind(temporary: Path) -> list[str]:
    """Folders, and processes that were started with that place for temporary files."""
    folders = [str(each) for each in temporary.iterdir()]
    processes = [" ".join(each.info["cmdline"] or ()) for each in _born_of(temporary)]
    return folders + processes


def _born_of(temporary: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        told: Mapping[str, str] = process.info["environ"] or {}
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and told.get("TMPDIR") == str(temporary):
            yield process


def check_demo(code: int, said: str, complained: str) -> None:
    assert (code, complained) == (0, ""), said
    for pair in ("SOL->USDC", "USDC->SOL", "SOL->JUP", "USDT->BONK", "mSOL->SOL"):
        statuses = re.findall(rf"\+\d+\.\d\d s  {re.escape(pair)} +(\w+)", said)
        assert statuses == ["received", "routing", "building", "submitted", "confirmed"]
    stored = re.findall(rf"^  {UUID}  confirmed  (raydium|meteora)  5 events$", said, re.MULTILINE)
    assert len(stored) == 5
    assert len(set(re.findall(r"tx_hash (\w+)", said))) == 5
    assert said.endswith("All 5 orders confirmed. Everything is stopped and removed.\n")


def test_two_demos_at_once_confirm_their_orders_and_leave_nothing(temporary: Path) -> None:
    both = [command("demo", temporary=temporary) for _ in range(2)]

    for running in both:
        check_demo(*ended(running))

    assert left_behind(temporary) == []


def test_a_demo_whose_orders_fail_says_why_and_leaves_nothing(temporary: Path) -> None:
    failing = {"PAPER_FAILURE_RATE": "1", "RETRY_TRIES": "1"}

    code, said, complained = run("demo", temporary=temporary, **failing)

    assert code == 1, said
    assert "5 of 5 orders did not confirm" in complained
    assert "no_route" in complained
    assert "Traceback" not in complained
    assert left_behind(temporary) == []


def test_a_demo_that_is_interrupted_leaves_nothing(temporary: Path) -> None:
    running = command(
        "demo", temporary=temporary, PAPER_EXECUTION_LATENCY_MS="60000", DRAIN_SECONDS="0.2"
    )
    assert running.stdout is not None
    for line in running.stdout:
        if "submitted" in line:
            break

    running.send_signal(signal.SIGINT)

    code, _, complained = ended(running)
    assert (code, complained) == (130, "")
    assert left_behind(temporary) == []


def test_up_prints_addresses_that_answer_and_stops_with_nothing_left(temporary: Path) -> None:
    running = command("up", "--port", str(free_port()), temporary=temporary)
    assert running.stdout is not None
    welcome = ""
    try:
        for line in running.stdout:
            welcome += line
            if "--watch" in line:
                break
        urls = re.findall(r"http://127\.0\.0\.1:\d+/(?:docs|metrics)", welcome)
        answers = [httpx.get(url, trust_env=False).status_code for url in urls]
        curl = re.findall(r"curl -s (\S+) .* -d '(.+)'", welcome)
        placed = httpx.post(
            curl[0][0],
            content=curl[0][1],
            headers={"Content-Type": "application/json"},
            trust_env=False,
        )
    finally:
        running.send_signal(signal.SIGINT)
        code, said, complained = ended(running)

    assert (code, complained) == (0, "")
    assert said.endswith("Stopped.\n")
    assert answers == [200, 200, 200]  # docs, and the metrics of both
    assert placed.status_code == 201
    assert left_behind(temporary) == []


@pytest.fixture(scope="module")
def running() -> Iterator[Engine]:
    """A whole engine, for several commands to talk to."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in FAST.items():
            patch.setenv(name, value)
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'libs'}")
        with engine(tell=lambda line: None) as up:
            yield up


def test_an_order_is_submitted_and_watched_to_its_end(running: Engine, temporary: Path) -> None:
    url = ("--url", running.api_url)
    words = ("submit", "SOL", "USDC", "1000000000", "--watch")

    code, said, complained = run(*words, *url, temporary=temporary)
    order_id, *steps = said.splitlines()
    again = run("watch", order_id, *url, temporary=temporary)
    rest = run("watch", order_id, "--from-seq", "5", *url, temporary=temporary)

    assert (code, complained) == (0, "")
    assert re.fullmatch(UUID, order_id)
    told = [step.split()[1:3] for step in steps]
    assert told == [
        ["1", "received"],
        ["2", "routing"],
        ["3", "building"],
        ["4", "submitted"],
        ["5", "confirmed"],
    ]
    assert again == (0, "\n".join(steps) + "\n", "")
    assert rest == (0, steps[-1] + "\n", "")


def test_a_repeated_key_answers_the_same_order(running: Engine, temporary: Path) -> None:
    words = ("submit", "SOL", "USDC", "1", "--idempotency-key", str(uuid4()))

    first, second = (run(*words, "--url", running.api_url, temporary=temporary) for _ in range(2))

    assert first[0] == 0
    assert first == second


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("submit", "SOL", "NOPE", "1"), "NOPE"),
        (("submit", "SOL", "SOL", "1"), "swapped for itself"),
        (("watch", str(uuid4())), "there is no such order"),
        (("watch", "not-an-id"), "malformed"),
    ],
)
def test_what_is_refused_is_told_in_a_line(
    running: Engine, temporary: Path, words: tuple[str, ...], said: str
) -> None:
    code, output, complained = run(*words, "--url", running.api_url, temporary=temporary)

    assert (code, output) == (1, "")
    assert said in complained
    assert complained.startswith("order-engine: ")
    assert "Traceback" not in complained


def test_an_api_that_is_not_there_is_told_in_a_line(temporary: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    code, _, complained = run("submit", "SOL", "USDC", "1", "--url", url, temporary=temporary)

    assert code == 1
    assert complained.startswith("order-engine: ")
    assert "Traceback" not in complained


def test_migrate_makes_the_tables_once(empty_database_url: str, temporary: Path) -> None:
    first = run("migrate", temporary=temporary, DATABASE_URL=empty_database_url)
    second = run("migrate", "--database-url", empty_database_url, temporary=temporary)

    assert first[0::2] == (0, "")
    assert "orders.0001_orders" in first[1]
    assert second == (0, "nothing to do\n", "")


def test_migrate_without_a_database_says_what_is_missing(temporary: Path) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none"

    unnamed = run("migrate", temporary=temporary)
    away = run("migrate", "--database-url", nowhere, temporary=temporary)

    assert unnamed[:2] == away[:2] == (1, "")
    assert "DATABASE_URL" in unnamed[2]
    assert away[2].startswith("order-engine: ")
    assert "Traceback" not in away[2]


@pytest.mark.parametrize("name", ["demo", "up", "submit", "watch", "top", "migrate"])
def test_every_command_explains_itself(name: str, temporary: Path) -> None:
    code, said, complained = run(name, "--help", temporary=temporary)

    assert (code, complained) == (0, "")
    assert said.startswith(f"usage: order-engine {name}")


def test_the_program_explains_itself_and_refuses_nonsense(temporary: Path) -> None:
    helped = run("--help", temporary=temporary)
    wrong = run("dance", temporary=temporary)

    assert helped[0] == 0
    assert all(name in helped[1] for name in ("demo", "up", "submit", "watch", "top", "migrate"))
    assert (wrong[0], wrong[1]) == (2, "")
    assert "dance" in wrong[2]
