from itertools import product

import pytest

from orders.domain.lifecycle import LIFECYCLE, IllegalTransition, Status, check

STATUSES = ("received", "routing", "building", "submitted", "confirmed", "failed")
LEGAL = {
    ("received", "routing"),
    ("received", "failed"),
    ("routing", "routing"),
    ("routing", "building"),
    ("routing", "failed"),
    ("building", "building"),
    ("building", "routing"),
    ("building", "submitted"),
    ("building", "failed"),
    ("submitted", "submitted"),
    ("submitted", "routing"),
    ("submitted", "confirmed"),
    ("submitted", "failed"),
}


def test_there_are_six_statuses_and_no_seventh() -> None:
    assert tuple(Status) == STATUSES
    assert set(LIFECYCLE) == set(STATUSES)


@pytest.mark.parametrize(("source", "target"), sorted(LEGAL))
def test_a_legal_step_may_be_taken(source: str, target: str) -> None:
    check(Status(source), Status(target))


@pytest.mark.parametrize(("source", "target"), sorted(set(product(STATUSES, STATUSES)) - LEGAL))
def test_any_other_step_is_refused(source: str, target: str) -> None:
    with pytest.raises(IllegalTransition, match=rf"^an order cannot go from {source} to {target}$"):
        check(Status(source), Status(target))


@pytest.mark.parametrize("status", STATUSES)
def test_only_confirmed_and_failed_are_final(status: str) -> None:
    assert Status(status).is_final is (status in {"confirmed", "failed"})


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        LIFECYCLE[Status.FAILED] = frozenset({Status.ROUTING})  # type: ignore[index]
