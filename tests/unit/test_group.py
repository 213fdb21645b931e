import asyncio
from collections.abc import Callable, Sequence

import pytest

from orders.domain.errors import StaleOrder, StoreError, StoreUnavailable, Unstorable
from orders.store.group import Conflict, Group
from tests.eventually import eventually

Failure = Callable[[Sequence[str]], Exception | None]


class Disk:
    """Answers each value in capitals, after a failure of the test's choice.

    While `gate` is closed, commits stay in flight.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        """What was to be committed, the failures included."""
        self.stored: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Failure = lambda values: None
        self.stale: set[str] = set()

    async def commit(self, values: Sequence[str]) -> list[str | StoreError]:
        self.batches.append(list(values))
        await self.gate.wait()
        failure = self.failure(values)
        if failure:
            raise failure
        self.stored.extend(values)
        return [StaleOrder(value) if value in self.stale else value.upper() for value in values]


@pytest.fixture
def disk() -> Disk:
    return Disk()


def a_group(disk: Disk, **options: int) -> Group[str, str]:
    """Values share a key when they begin with the same letter."""
    return Group(disk.commit, keys=lambda value: [value[0]], **options)


async def in_flight(disk: Disk, count: int) -> None:
    """Return when so many batches were begun."""
    await eventually(lambda: len(disk.batches) == count)


async def test_each_caller_is_answered_with_its_own_result(disk: Disk) -> None:
    group = a_group(disk)

    answers = await asyncio.gather(*(group(value) for value in ("a", "b", "c")))

    assert answers == ["A", "B", "C"]
    assert disk.batches == [["a", "b", "c"]]


async def test_what_comes_while_a_commit_is_in_flight_goes_into_the_next(disk: Disk) -> None:
    group = a_group(disk)
    disk.gate.clear()
    first = asyncio.create_task(group("a"))
    await in_flight(disk, 1)
    others = [asyncio.create_task(group(value)) for value in ("b", "c", "d")]
    await eventually(lambda: len(group._waiting) == 3)

    disk.gate.set()
    await asyncio.gather(first, *others)

    assert disk.batches == [["a"], ["b", "c", "d"]]
    assert not group._waiting


async def test_a_batch_holds_no_more_than_it_may(disk: Disk) -> None:
    group = a_group(disk, most=2)

    await asyncio.gather(*(group(value) for value in ("a", "b", "c", "d", "e")))

    assert disk.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_two_values_with_one_key_are_never_in_one_batch(disk: Disk) -> None:
    group = a_group(disk)

    answers = await asyncio.gather(*(group(value) for value in ("a1", "a2", "b1", "a3")))

    assert answers == ["A1", "A2", "B1", "A3"]
    assert disk.batches == [["a1", "b1"], ["a2"], ["a3"]]


async def test_a_value_does_not_overtake_one_that_shares_one_of_its_keys(disk: Disk) -> None:
    group: Group[str, str] = Group(disk.commit, keys=list)

    await asyncio.gather(*(group(value) for value in ("a", "ab", "b", "c")))

    assert disk.batches == [["a", "c"], ["ab"], ["b"]]


async def test_a_result_that_is_an_error_is_raised_to_its_caller_alone(disk: Disk) -> None:
    disk.stale = {"b"}
    group = a_group(disk)

    one, two, three = await asyncio.gather(
        *(group(value) for value in ("a", "b", "c")), return_exceptions=True
    )

    assert (one, three) == ("A", "C")
    assert isinstance(two, StaleOrder)


async def test_a_caller_that_is_cancelled_harms_no_other(disk: Disk) -> None:
    group = a_group(disk)
    disk.gate.clear()
    tasks = [asyncio.create_task(group(value)) for value in ("a", "b")]
    await in_flight(disk, 1)
    late = [asyncio.create_task(group(value)) for value in ("c", "d")]
    await eventually(lambda: len(group._waiting) == 2)

    tasks[0].cancel()
    late[0].cancel()
    disk.gate.set()
    answers = await asyncio.gather(*tasks, *late, return_exceptions=True)

    assert [type(answer) for answer in answers] == [
        asyncio.CancelledError,
        str,
        asyncio.CancelledError,
        str,
    ]
    assert disk.stored == ["a", "b", "c", "d"]  # cancelling took nothing back


async def test_a_batch_in_conflict_is_repeated_as_it_is(disk: Disk) -> None:
    failures = [Conflict("deadlock"), Conflict("deadlock"), None]
    disk.failure = lambda values: failures.pop(0)
    group = a_group(disk)

    answers = await asyncio.gather(*(group(value) for value in "ab"))

    assert answers == ["A", "B"]
    assert disk.batches == [["a", "b"]] * 3


async def test_a_batch_that_conflicts_again_and_again_is_given_up(disk: Disk) -> None:
    disk.failure = lambda values: Conflict("deadlock")
    group = a_group(disk, repeats=3)

    ends = await asyncio.gather(group("a"), group("b"), return_exceptions=True)

    assert [type(end) for end in ends] == [StoreUnavailable] * 2
    assert len(disk.batches) == 3


async def test_only_the_guilty_value_fails(disk: Disk) -> None:
    disk.failure = lambda values: Unstorable("too big") if "d" in values else None
    group = a_group(disk)

    ends = await asyncio.gather(*(group(value) for value in "abcdef"), return_exceptions=True)

    assert [end if isinstance(end, str) else type(end) for end in ends] == [
        "A",
        "B",
        "C",
        Unstorable,
        "E",
        "F",
    ]
    assert disk.batches == [list("abcdef"), list("abc"), list("def"), ["d"], list("ef")]


async def test_several_guilty_values_are_all_found(disk: Disk) -> None:
    disk.failure = lambda values: Unstorable("too big") if {"a", "d"} & set(values) else None
    group = a_group(disk)

    ends = await asyncio.gather(*(group(value) for value in "abcd"), return_exceptions=True)

    assert [type(end) for end in ends] == [Unstorable, str, str, Unstorable]
    assert sorted(disk.stored) == ["b", "c"]


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("gone"), ConnectionResetError("gone"), RuntimeError("a bug")]
)
async def test_a_lost_connection_is_told_to_every_caller_of_the_batch(
    disk: Disk, failure: Exception
) -> None:
    failures = [failure, None]
    disk.failure = lambda values: failures.pop(0)
    group = a_group(disk, most=2)

    ends = await asyncio.gather(*(group(value) for value in "abc"), return_exceptions=True)

    assert [type(end) for end in ends] == [StoreUnavailable, StoreUnavailable, str]
    assert disk.stored == ["c"]


async def test_closing_waits_for_all_that_waits(disk: Disk) -> None:
    group = a_group(disk, most=1)
    disk.gate.clear()
    callers = [asyncio.create_task(group(value)) for value in "abc"]
    await in_flight(disk, 1)
    closing = asyncio.create_task(group.close())

    disk.gate.set()
    await closing

    assert disk.stored == ["a", "b", "c"]
    assert await asyncio.gather(*callers) == ["A", "B", "C"]


async def test_waiting_for_the_end_can_be_given_up(disk: Disk) -> None:
    group = a_group(disk)
    disk.gate.clear()
    caller = asyncio.create_task(group("a"))
    await in_flight(disk, 1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await group.close()

    disk.gate.set()
    assert await caller == "A"


async def test_an_idle_group_starts_again(disk: Disk) -> None:
    group = a_group(disk)
    await group("a")
    await group.close()

    assert await group("b") == "B"
    assert disk.batches == [["a"], ["b"]]
