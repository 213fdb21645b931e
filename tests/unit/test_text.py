"""Words from elsewhere are made fit to be kept and told."""

from datetime import timedelta

import pytest

from orders import wire
from orders.domain.errors import FailureCode
from orders.domain.order import Order
from tests.factories import a_building_order, a_routing_order, an_answer, stored

WILD = "a\0b\ud800c é"
TAME = "ab?c é"


@pytest.mark.parametrize(
    "step",
    [
        a_routing_order().fail(FailureCode.NO_ROUTE, WILD),
        a_routing_order().repeat(WILD, timedelta(seconds=1)),
        a_building_order().reroute(WILD),
    ],
)
def test_a_venues_words_can_always_be_told(step: Order) -> None:
    frame = wire.frame(stored(step))

    assert TAME.encode() in frame.body


def test_a_venues_error_can_always_be_kept_as_evidence() -> None:
    answer = an_answer()

    assert type(answer)(answer.dex, answer.latency, error=WILD).error == TAME
