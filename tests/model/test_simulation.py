"""The simulation: no seed breaks a promise, a seed is its own reproduction, and it can fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model import mutations
from tests.model.simulation import Result, run
from tests.model.world import Engine

SEEDS = range(int(os.environ.get("MODEL_SEEDS", "300")))
ROOT = Path(__file__).parents[2]
FAULTS = (
    *("kill before worker", "kill after worker", "pause before worker", "pause after worker"),
    *("kill before api", "drain", "its sender is dead", "the queue loses everything"),
    *("the queue is shuffled", "unreachable: FakeQueue", "unavailable: ModelStore"),
    *("lost on the way there", "its answer lost", "for ever", "pays", "is abandoned"),
    *("is denied", "answers from behind", "lands late", "never lands"),
)
CONSEQUENCES = (
    *("StaleOrder", "Pending", "NotFound", "Reverted", "Landed", "KeyReused", " again"),
    *("Refused block height exceeded", "store.release", "store.forget_hints", "store.unsettled"),
)


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return [run(seed) for seed in SEEDS]


def test_no_seed_breaks_a_promise(results: list[Result]) -> None:
    assert {result.seed: result.violations for result in results if result.violations} == {}


@pytest.mark.parametrize("event", FAULTS + CONSEQUENCES)
def test_the_seeds_meet_every_fault_and_what_follows_from_it(
    results: list[Result], event: str
) -> None:
    assert any(event in line for result in results for line in result.trace)


@pytest.mark.parametrize(
    "end", ["confirmed", "no_route", "slippage_exceeded", "insufficient_funds", "poison"]
)
def test_orders_end_in_many_ways(results: list[Result], end: str) -> None:
    assert any(end in result.ends for result in results)


@pytest.mark.parametrize("seed", SEEDS[:20])
def test_the_same_seed_gives_the_same_trace(results: list[Result], seed: int) -> None:
    assert run(seed) == results[seed]


def test_a_replay_in_another_process_prints_the_same_bytes() -> None:
    """Whatever order that process keeps its sets in."""
    printed = [_replay(seed=7, hash_seed=hash_seed) for hash_seed in ("1", "2")]

    assert printed[0] == printed[1]
    assert b"store.save" in printed[0]


# -- engines with one safeguard taken out


@pytest.mark.parametrize(
    ("engine", "seeds", "invariants"),
    [
        pytest.param(mutations.UNFENCED, 60, {"I2", "I3", "I5"}, id="a stale save gets through"),
        pytest.param(mutations.SENDS_FIRST, 5, {"intent"}, id="sent before it is stored"),
        pytest.param(mutations.LOOSENS, 60, {"I7"}, id="a retry loosens the floor"),
        pytest.param(mutations.IMPATIENT, 20, {"I2", "I4"}, id="a new attempt without proof"),
        pytest.param(mutations.CREDULOUS, 300, {"I2", "I4"}, id="one null answer is proof"),
        pytest.param(mutations.SWEEPLESS, 5, {"I1"}, id="nothing sweeps"),
    ],
)
def test_an_engine_without_this_safeguard_is_found_out(
    engine: Engine, seeds: int, invariants: set[str]
) -> None:
    assert _broken(engine, seeds) in invariants


def test_sending_before_storing_is_found_out_by_what_it_leads_to() -> None:
    assert _broken(mutations.SENDS_FIRST, 60, judges_intent=False) in {"I2", "I4"}


def _broken(engine: Engine, seeds: int, *, judges_intent: bool = True) -> str | None:
    """The first invariant that is seen to be broken within so many seeds."""
    for seed in range(seeds):
        result = run(seed, engine, traces=False, judges_intent=judges_intent)
        if result.violations:
            return result.violations[0].split()[0].rstrip(":")
    return None


def _replay(*, seed: int, hash_seed: str) -> bytes:
    return subprocess.run(
        [sys.executable, "-m", "tests.model.simulation", "--seed", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"libs{os.pathsep}.", "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    ).stdout
