"""What clients want is of every kind, and the same for a seed; what they noted survives a crash."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from tests.chaos.evidence import Clients, Resolved
from tests.chaos.history import History, read_history
from tests.chaos.wishes import NAMES, UNPAYABLE, wishes

ORDER = UUID("019ab000-0000-7000-8000-000000000001")


def test_a_line_that_a_crash_cut_short_is_left_out(history: History, path: Path) -> None:
    history.append(Resolved("key", None, (ORDER,)))
    with path.open("ab") as torn:
        torn.write(b'["post",{"key":')

    assert read_history(path) == Clients(
        posts=[], resolved=[Resolved("key", None, (ORDER,))], stories=[]
    )


def test_the_same_seed_draws_the_same_wishes_and_another_draws_others() -> None:
    assert list(wishes(1, 50)) == list(wishes(1, 50))
    assert list(wishes(1, 50)) != list(wishes(2, 50))


def test_wishes_are_of_every_kind() -> None:
    drawn = list(wishes(1, 10_000))
    bodies = [msgspec.json.decode(wish.body) for wish in drawn]

    def share(what: list[bool]) -> float:
        return sum(what) / len(drawn)

    assert {(body["inputMint"], body["outputMint"]) for body in bodies} == {
        (sell, buy) for sell in NAMES for buy in NAMES if sell != buy
    }
    assert all(int(body["amountIn"]) % 2 == 1 for body in bodies)
    assert {body.get("slippageBps") for body in bodies} == {None, *range(101)}
    assert {body.get("minOut") for body in bodies} == {None, "1", str(UNPAYABLE)}
    assert share([wish.copies > 1 for wish in drawn]) == pytest.approx(0.03, abs=0.01)
    assert share([wish.hang_up is not None for wish in drawn]) == pytest.approx(0.05, abs=0.01)
    assert share([wish.asks_again for wish in drawn]) == pytest.approx(2 / 3, abs=0.05)
    assert share([bool(wish.watchers) for wish in drawn]) == pytest.approx(0.3, abs=0.02)
    assert share([bool(wish.key and wish.client_order_id) for wish in drawn]) > 0.85


def test_only_what_can_be_found_again_is_hung_up_on_or_left_at_one_asking() -> None:
    drawn = list(wishes(1, 10_000))

    assert all(wish.client_order_id for wish in drawn if wish.hang_up)
    assert all(wish.asks_again for wish in drawn if wish.key and not wish.client_order_id)
    keyless = [wish for wish in drawn if not wish.key and not wish.client_order_id]
    assert len(keyless) > 50
    assert not any(wish.asks_again or wish.copies > 1 for wish in keyless)
