"""How slow the machine is: by the CPU time of a fixed sum, and never faster than usual."""

from collections.abc import Iterator

import pytest

from tests.chaos import slowness
from tests.chaos.slowness import USUAL, Slowness


def clock(*seconds: float) -> Iterator[float]:
    """What `thread_time` answers where each computation takes one of `seconds`."""
    now = 0.0
    for took in seconds:
        yield now
        yield (now := now + took)


def test_a_look_takes_the_middle_of_three_so_that_one_hiccup_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = clock(9 * USUAL, 2 * USUAL, 2 * USUAL)
    monkeypatch.setattr(slowness, "thread_time", lambda: next(times))

    assert Slowness().look() == pytest.approx(2)


def test_a_fast_machine_is_as_fast_as_usual_and_the_worst_look_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = clock(*[0.5 * USUAL] * 3, *[4 * USUAL] * 3, *[3 * USUAL] * 3)
    monkeypatch.setattr(slowness, "thread_time", lambda: next(times))
    seen = Slowness()

    assert seen.worst == 1
    assert [seen.look() for _ in range(3)] == pytest.approx([1, 4, 3])
    assert seen.worst == pytest.approx(4)
