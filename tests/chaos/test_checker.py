"""The judge can say no: each clause of each invariant is broken once, and is found out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from orders.domain.lifecycle import Status
from tests.chaos.checker import INVARIANTS, Verdict, check
from tests.chaos.evidence import (
    Clients,
    Engine,
    EventRow,
    Evidence,
    Ledger,
    OrderRow,
    Outcome,
    Post,
    Resolved,
    Story,
)
from tests.chaos.report import FIRST, WIDTH, Spread, line, report
from tests.chaos.venue.ledger import Execution
from tests.factories import AT, SOL, USDC

A, B, C, NONE = (UUID(int=number) for number in (1, 2, 3, 9))
"""Confirmed at once, confirmed at the second attempt, failed; and one that was never stored."""
RECEIVED, ROUTING, BUILDING, SUBMITTED, CONFIRMED, FAILED = Status
EMPTY = Evidence(clients=Clients(), engine=Engine(), ledger=Ledger())

Change = Callable[[Evidence], Evidence]


def steps(order_id: UUID, *told: tuple[Status, int, dict[str, Any]]) -> list[EventRow]:
    """An order's history, a second from one step to the next."""
    return [
        EventRow(order_id, seq, status, attempt, AT + timedelta(seconds=seq), **data)
        for seq, (status, attempt, data) in enumerate(told, 1)
    ]


def a_row(order_id: UUID, status: Status, seq: int, **fields: Any) -> OrderRow:
    told: dict[str, Any] = {
        "client_order_id": f"name-{order_id.int}",
        "attempt": 1,
        "dex": "alpha",
        "input_mint": SOL,
        "amount_in": 1_000,
        "output_mint": USDC,
        "min_out": 95,
        "actual_out": 100,
        "tx_hash": f"tx-{order_id.int}",
        "failure_code": None,
    }
    return OrderRow(order_id=order_id, status=status, seq=seq, **told | fields)


def an_execution(order_id: UUID, **fields: Any) -> Execution:
    told: dict[str, Any] = {
        "tx_id": f"tx-{order_id.int}",
        "attempt": 1,
        "dex": "alpha",
        "input_mint": SOL,
        "amount_in": 1_000,
        "output_mint": USDC,
        "out": 100,
        "min_out": 95,
        "height": 1,
    }
    return Execution(order_id=order_id, **told | fields)


def a_post(number: int, outcome: Outcome, order_id: UUID | None = None) -> Post:
    """A request with the keys of order `number`."""
    code = None if outcome is Outcome.OK else "timeout"
    return Post(
        f"key-{number}", f"name-{number}", outcome, code, order_id, AT, timedelta(milliseconds=5)
    )


def a_story(order_id: UUID, history: Sequence[EventRow], *connections: int) -> Story:
    frames = tuple((step.seq, step.status) for step in history if step.seq >= connections[0])
    return Story(order_id, frames, True, connections)


def a_ledger(*executions: Execution) -> Ledger:
    """A ledger that agrees with itself."""
    balances = Counter[str]()
    for each in executions:
        balances[each.input_mint] -= each.amount_in
        balances[each.output_mint] += each.out
    return Ledger(executions, dict(balances))


def a_run() -> Evidence:
    """A run in which everything went as promised, but not everything well."""
    route, signed = {"min_out": 95}, {"min_out": 95, "tx_hash": "tx-1"}
    again = {"min_out": 95, "tx_hash": "tx-2"}
    histories = {
        A: steps(
            A,
            (RECEIVED, 1, {}),
            (ROUTING, 1, {}),
            (BUILDING, 1, route),
            (SUBMITTED, 1, signed),
            (CONFIRMED, 1, signed | {"actual_out": 100}),
        ),
        B: steps(
            B,
            (RECEIVED, 1, {}),
            (ROUTING, 1, {}),
            (ROUTING, 1, {}),
            (BUILDING, 1, route),
            (SUBMITTED, 1, {"min_out": 95, "tx_hash": "tx-expired"}),
            (ROUTING, 2, {}),
            (BUILDING, 2, route),
            (SUBMITTED, 2, again),
            (SUBMITTED, 2, again),
            (CONFIRMED, 2, again | {"actual_out": 95}),
        ),
        C: steps(C, (RECEIVED, 1, {}), (ROUTING, 1, {}), (FAILED, 1, {"failure_code": "no_route"})),
    }
    nothing = {"dex": None, "min_out": None, "actual_out": None, "tx_hash": None}
    rows = {
        A: a_row(A, CONFIRMED, 5),
        B: a_row(B, CONFIRMED, 10, attempt=2, actual_out=95),
        C: a_row(C, FAILED, 3, failure_code="no_route", **nothing),
    }
    posts = [
        a_post(1, Outcome.OK, A),
        a_post(1, Outcome.OK, A),
        a_post(2, Outcome.UNKNOWN),
        a_post(2, Outcome.OK, B),
        a_post(3, Outcome.UNKNOWN),
        a_post(4, Outcome.UNKNOWN),
        a_post(5, Outcome.FAIL),
        Post(None, None, Outcome.UNKNOWN, "timeout", None, AT, timedelta(seconds=10)),
    ]
    resolved = [
        Resolved("key-2", "name-2", (B,)),
        Resolved("key-3", "name-3", (C,)),
        Resolved("key-4", "name-4", ()),
    ]
    stories = [
        a_story(A, histories[A], 1),
        a_story(B, histories[B], 3, 6),
        a_story(A, histories[A], 6),
    ]
    return Evidence(
        clients=Clients(posts=posts, resolved=resolved, stories=stories),
        engine=Engine(rows, histories),
        ledger=a_ledger(an_execution(A), an_execution(B, attempt=2, out=95)),
    )


def row(order_id: UUID, **changes: Any) -> Change:
    """The order's row says something else."""

    def change(run: Evidence) -> Evidence:
        changed = replace(run.engine.orders[order_id], **changes)
        return replace(
            run, engine=Engine({**run.engine.orders, order_id: changed}, run.engine.events)
        )

    return change


def step(order_id: UUID, seq: int, **changes: Any) -> Change:
    """A step of the order says something else."""
    return history(
        order_id,
        lambda told: [replace(each, **changes) if each.seq == seq else each for each in told],
    )


def history(order_id: UUID, change: Callable[[list[EventRow]], list[EventRow]]) -> Change:
    """The order's history is another."""

    def changed(run: Evidence) -> Evidence:
        told = change(list(run.engine.history(order_id)))
        return replace(run, engine=Engine(run.engine.orders, {**run.engine.events, order_id: told}))

    return changed


def without_row(order_id: UUID) -> Change:
    def change(run: Evidence) -> Evidence:
        rows = {each: row for each, row in run.engine.orders.items() if each != order_id}
        return replace(run, engine=Engine(rows, run.engine.events))

    return change


def without(order_id: UUID) -> Change:
    """The engine knows nothing of the order."""

    def change(run: Evidence) -> Evidence:
        events = {each: told for each, told in run.engine.events.items() if each != order_id}
        orders = without_row(order_id)(run).engine.orders
        return replace(run, engine=Engine(orders, events))

    return change


def executed(*more: Execution) -> Change:
    """The ledger has more in it."""
    return lambda run: replace(run, ledger=a_ledger(*run.ledger.executions, *more))


def unexecuted(order_id: UUID) -> Change:
    """The ledger knows nothing of the order."""
    return lambda run: replace(
        run, ledger=a_ledger(*(e for e in run.ledger.executions if e.order_id != order_id))
    )


def execution(order_id: UUID, **changes: Any) -> Change:
    """The ledger says something else of the order."""
    return lambda run: replace(
        run,
        ledger=a_ledger(
            *(
                replace(each, **changes) if each.order_id == order_id else each
                for each in run.ledger.executions
            )
        ),
    )


def numbered(order_id: UUID, attempt: int) -> Change:
    """The row and the ledger have that attempt."""
    return all_of(row(order_id, attempt=attempt), execution(order_id, attempt=attempt))


def balances(**changes: int) -> Change:
    """A balance is off by so much."""

    def change(run: Evidence) -> Evidence:
        told = Counter(run.ledger.balances)
        told.update(changes)
        return replace(run, ledger=Ledger(run.ledger.executions, dict(told)))

    return change


def posted(*more: Post) -> Change:
    return lambda run: replace(run, clients=replace(run.clients, posts=[*run.clients.posts, *more]))


def found(number: int, *order_ids: UUID) -> Change:
    """Asking for the names of order `number` finds those."""

    def change(run: Evidence) -> Evidence:
        key = f"key-{number}"
        resolved = [
            replace(each, order_ids=order_ids) if each.key == key else each
            for each in run.clients.resolved
        ]
        return replace(run, clients=replace(run.clients, resolved=resolved))

    return change


def never_sought(number: int) -> Change:
    def change(run: Evidence) -> Evidence:
        resolved = [each for each in run.clients.resolved if each.key != f"key-{number}"]
        return replace(run, clients=replace(run.clients, resolved=resolved))

    return change


def heard(
    order_id: UUID, *seqs: int, ended: bool = True, connections: tuple[int, ...] = (1,)
) -> Change:
    """Another subscriber hears these steps of the order."""

    def change(run: Evidence) -> Evidence:
        statuses = {each.seq: each.status for each in run.engine.history(order_id)}
        frames = tuple((seq, statuses.get(seq, CONFIRMED)) for seq in seqs)
        story = Story(order_id, frames, ended, connections)
        return replace(run, clients=replace(run.clients, stories=[*run.clients.stories, story]))

    return change


def unwatched(run: Evidence) -> Evidence:
    """Nobody watched order A."""
    stories = [story for story in run.clients.stories if story.order_id != A]
    return replace(run, clients=replace(run.clients, stories=stories))


def untold(run: Evidence) -> Evidence:
    """No client asked for order C."""
    posts = [post for post in run.clients.posts if post.key != "key-3"]
    return replace(run, clients=replace(run.clients, posts=posts))


def all_of(*changes: Change) -> Change:
    def change(run: Evidence) -> Evidence:
        for each in changes:
            run = each(run)
        return run

    return change


def heard_otherwise(run: Evidence) -> Evidence:
    """A subscriber hears every number, and one status that was not so."""
    story = a_story(A, run.engine.history(A), 1)
    frames = (*story.frames[:2], (3, ROUTING), *story.frames[3:])
    stories = [*run.clients.stories, replace(story, frames=frames)]
    return replace(run, clients=replace(run.clients, stories=stories))


def unfinished(told: list[EventRow]) -> list[EventRow]:
    return told[:-1]


STUCK = all_of(
    history(A, unfinished),
    row(A, status=SUBMITTED, seq=4, actual_out=None),
    unexecuted(A),
    unwatched,
)
"""Order A never left `submitted`, and nobody watched it."""


@dataclass(frozen=True)
class Case:
    """A violation: what is done to a good run, which invariants that breaks, and what is said
    of it by the first of them."""

    broken: str
    said: str
    change: Change


CASES = {
    "an accepted order is not there": Case(
        "I1", "was accepted and does not exist", posted(a_post(7, Outcome.OK, NONE))
    ),
    "an order that was found later is not there": Case(
        "I1", "was accepted and does not exist", found(4, NONE)
    ),
    "an accepted order is not final": Case("I1 I5", "was accepted and is still submitted", STUCK),
    "an order that no client was told of is not final": Case(
        "I1 I5",
        "was stored and is still routing",
        all_of(
            never_sought(3),
            untold,
            history(C, unfinished),
            row(C, status=ROUTING, seq=2, failure_code=None),
        ),
    ),
    "an answer is a 2xx without an order": Case(
        "I1", "a 2xx for key-7 names no order", posted(a_post(7, Outcome.OK))
    ),
    "an order is executed twice": Case(
        "I2 I3 I8 I14",
        "executed 2 times: tx-1, tx-other",
        executed(an_execution(A, tx_id="tx-other")),
    ),
    "a transaction is executed twice": Case(
        "I2 I3 I8", "executed 2 times: tx-1, tx-1", executed(an_execution(A))
    ),
    "a confirmed order was never executed": Case(
        "I3 I8", "confirmed and was executed 0 times", unexecuted(A)
    ),
    "a confirmed order was executed by another transaction": Case(
        "I3",
        "transaction is tx-expired in the ledger and tx-2",
        execution(B, tx_id="tx-expired", attempt=1),
    ),
    "the fill is not what arrived": Case("I3 I8", "out is 101", execution(A, out=101)),
    "another amount is sold": Case("I3 I8", "amount_in is 999", execution(A, amount_in=999)),
    "another token is sold": Case("I3 I8", "input_mint is X", execution(A, input_mint="X")),
    "another token is bought": Case("I3 I8", "output_mint is X", execution(A, output_mint="X")),
    "another venue was told of": Case("I3", "dex is beta", execution(A, dex="beta")),
    "another attempt was executed": Case("I3 I14", "attempt is 2", execution(A, attempt=2)),
    "the confirmation tells of another transaction": Case(
        "I3 I5", "told of tx-other, not of tx-1", step(A, 5, tx_hash="tx-other")
    ),
    "an execution is of no order": Case(
        "I3 I8", "which does not exist", executed(an_execution(NONE, tx_id="tx-9"))
    ),
    "an order that is not final was executed": Case(
        "I3 I1 I5 I8",
        "is submitted and was executed by tx-1",
        all_of(STUCK, executed(an_execution(A))),
    ),
    "a failed order was executed": Case(
        "I4 I3 I8 I14", "failed and was executed by tx-3", executed(an_execution(C))
    ),
    "a step is missing": Case(
        "I5 I14",
        "numbered [1, 2, 4, 5]",
        all_of(
            history(A, lambda told: [each for each in told if each.seq != 3]),
            unwatched,
        ),
    ),
    "a step is there twice": Case(
        "I5 I14",
        "numbered [1, 2, 3, 3]",
        all_of(
            history(C, lambda told: [*told, told[-1]]),
        ),
    ),
    "an order does not begin as received": Case(
        "I5", "begins as routing", step(C, 1, status=ROUTING)
    ),
    "a step is illegal": Case(
        "I5",
        "step 2 goes from received to building",
        step(C, 2, status=BUILDING),
    ),
    "an order ends twice": Case(
        "I5",
        "final at [2, 3] of 3 steps",
        step(C, 2, status=FAILED),
    ),
    "a step follows the end": Case(
        "I5 I1",
        "final at [3] of 4 steps",
        all_of(
            history(C, lambda told: [*told, replace(told[1], seq=4, at=told[-1].at)]),
            row(C, seq=4, status=ROUTING, failure_code=None),
        ),
    ),
    "a row has another status than its last step": Case(
        "I5", "status failed", step(C, 3, status=ROUTING, failure_code="no_route")
    ),
    "a row has another attempt than its last step": Case("I5", "attempt 2", row(C, attempt=2)),
    "a row has another fill than its last step": Case(
        "I5 I3 I8", "actual_out 101", row(A, actual_out=101)
    ),
    "a row has another reason than its last step": Case(
        "I5", "failure_code poison", row(C, failure_code="poison")
    ),
    "a row has another floor than its last step": Case("I5 I7", "min_out 94", row(A, min_out=94)),
    "a row has another transaction than its last step": Case(
        "I5 I3", "tx_hash tx-other", row(A, tx_hash="tx-other")
    ),
    "a row has no history": Case("I5", "0 steps and a row", history(C, lambda told: [])),
    "a history has no row": Case("I5 I1", "3 steps and no row", without_row(C)),
    "a subscriber misses a step": Case(
        "I6", "heard 1 received, 2 routing, 4", heard(A, 1, 2, 4, 5)
    ),
    "a subscriber misses the first step": Case("I6", "heard 2 routing", heard(A, 2, 3, 4, 5)),
    "a subscriber misses the last step": Case("I6", "to the end", heard(A, 1, 2, 3, 4)),
    "a subscriber hears a step again after a reconnect": Case(
        "I6",
        "3 building, 3 building",
        heard(A, 1, 2, 3, 3, 4, 5, connections=(1, 4)),
    ),
    "a subscriber hears steps out of order": Case("I6", "3 building, 2", heard(A, 1, 3, 2, 4, 5)),
    "a subscriber hears more than was stored": Case(
        "I6", "6 confirmed", heard(A, 1, 2, 3, 4, 5, 6)
    ),
    "a subscriber hears what it did not ask for": Case(
        "I6", "(fromSeq 3)", heard(A, 2, 3, 4, 5, connections=(3,))
    ),
    "a subscriber hears another status": Case("I6", "3 routing", heard_otherwise),
    "a subscriber is never told the end": Case(
        "I6", "and never the end", heard(A, 1, 2, 3, 4, 5, ended=False)
    ),
    "a subscriber is told nothing": Case("I6", "heard nothing", heard(A, ended=False)),
    "a subscriber hears of an order that is not there": Case(
        "I6", "stored is nothing", heard(NONE, 1)
    ),
    "a fill is below the floor": Case(
        "I7",
        "pays 94, below 95",
        all_of(execution(A, out=94), step(A, 5, actual_out=94), row(A, actual_out=94)),
    ),
    "an execution pays less than its floor": Case(
        "I7 I3 I8", "execution tx-1 pays 94, below 95", execution(A, out=94)
    ),
    "a row pays less than the floor": Case(
        "I7 I5 I3 I8", "the row pays 94, below 95", row(A, actual_out=94)
    ),
    "a later route loosens the floor": Case(
        "I7", "step 7 has floor 90, step 4 has 95", step(B, 7, min_out=90)
    ),
    "a signed floor is not the order's": Case("I7", "step 4 has floor 94", step(A, 4, min_out=94)),
    "a venue was given another floor": Case(
        "I7", "execution tx-1 has floor 90", execution(A, min_out=90)
    ),
    "a token came from nowhere": Case("I8", "but executions make", balances(**{USDC: 1})),
    "a token that nobody traded moved": Case("I8", "X changed by 5", balances(X=5)),
    "one key has two answers": Case(
        "I9",
        "key key-9 names orders",
        posted(
            replace(a_post(9, Outcome.OK, A), client_order_id=None),
            replace(a_post(9, Outcome.OK, B), client_order_id=None),
        ),
    ),
    "one client order id has two answers": Case(
        "I9",
        "clientOrderId name-1 names orders",
        posted(replace(a_post(1, Outcome.OK, B), key=None)),
    ),
    "one client order id has two rows": Case(
        "I9 I12", "clientOrderId name-2 names orders", row(C, client_order_id="name-2")
    ),
    "two keys are answered with one order": Case(
        "I9",
        "has the names clientOrderId name-1, key key-1, key key-9",
        posted(replace(a_post(9, Outcome.OK, A), client_order_id="name-1")),
    ),
    "an answered order was stored under another name": Case(
        "I9", "has the names", row(A, client_order_id="name-7")
    ),
    "a request is refused as another's, though it is the same": Case(
        "I9",
        "key-1 was refused as another request's",
        posted(replace(a_post(1, Outcome.FAIL), code="idempotency_key_reused")),
    ),
    "a request that was only refused is stored": Case(
        "I12",
        "name-5 was refused each time, and is stored",
        all_of(untold, never_sought(3), row(C, client_order_id="name-5")),
    ),
    "an unknown request is two orders": Case("I12", "stands for orders", found(4, A, C)),
    "an unknown request is another order than was answered": Case(
        "I12", "stands for orders", found(2, C)
    ),
    "an unknown request is stored twice": Case(
        "I12 I9",
        "stands for orders",
        all_of(row(C, client_order_id="name-3"), row(A, client_order_id="name-3")),
    ),
    "an unknown request was answered, and is not found": Case("I12", "found to be none", found(2)),
    "an unknown request was never asked about": Case("I12", "never asked about", never_sought(4)),
    "time runs backwards in a history": Case(
        "I14", "before step 2", step(A, 3, at=AT + timedelta(seconds=1.5))
    ),
    "an attempt is taken back": Case(
        "I14 I5", "step 10, confirmed after submitted, moves attempt 2 to 1", step(B, 10, attempt=1)
    ),
    "an attempt rises by itself": Case(
        "I14",
        "step 3, building after routing, moves attempt 1 to 2",
        all_of(*(step(A, seq, attempt=2) for seq in (3, 4, 5)), numbered(A, 2)),
    ),
    "an attempt rises by two": Case(
        "I14",
        "step 6, routing after submitted, moves attempt 1 to 3",
        all_of(*(step(B, seq, attempt=3) for seq in range(6, 11)), numbered(B, 3)),
    ),
    "an order is routed anew in the same attempt": Case(
        "I14",
        "step 6, routing after submitted, moves attempt 1 to 1",
        all_of(*(step(B, seq, attempt=1) for seq in range(6, 11)), numbered(B, 1)),
    ),
    "an attempt has two transactions": Case(
        "I14", "attempt 2 has transactions tx-other and tx-2", step(B, 8, tx_hash="tx-other")
    ),
    "a transaction is of two attempts": Case(
        "I14", "transaction tx-2 is also of attempt 2", step(B, 5, tx_hash="tx-2")
    ),
    "a transaction is of two orders": Case(
        "I14", f"transaction tx-1 is also of order {A}", step(B, 5, tx_hash="tx-1")
    ),
    "a step is submitted without a transaction": Case(
        "I14", "step 5 is submitted without a transaction", step(B, 5, tx_hash=None)
    ),
    "what was executed was never stored": Case(
        "I14",
        "tx-1 of attempt 1 was executed and not stored before",
        step(A, 4, tx_hash="tx-other"),
    ),
    "what was executed was stored only with its confirmation": Case(
        "I14 I5",
        "executed and not stored before",
        all_of(step(A, 4, status=BUILDING, tx_hash=None), unwatched),
    ),
    "what was executed was stored only after the end": Case(
        "I14 I5",
        "tx-1 of attempt 1 was executed and not stored before",
        all_of(
            history(A, lambda told: [*told, replace(told[3], seq=6, at=told[4].at)]),
            step(A, 4, tx_hash="tx-other"),
            row(A, seq=6),
            unwatched,
        ),
    ),
    "a row is behind its history": Case("I14 I5", "the row is at seq 4", row(A, seq=4)),
}


def broken(verdicts: list[Verdict]) -> set[str]:
    return {verdict.invariant for verdict in verdicts if not verdict.holds}


def violated(verdicts: list[Verdict]) -> set[str]:
    return {verdict.invariant for verdict in verdicts if verdict.violations}


def test_a_run_as_promised_violates_nothing_and_everything_was_looked_at() -> None:
    verdicts = check(a_run())

    assert [verdict.violations for verdict in verdicts] == [()] * len(INVARIANTS)
    assert {verdict.invariant: verdict.checked for verdict in verdicts} == {
        "I1": 3,
        "I2": 2,
        "I3": 2,
        "I4": 1,
        "I5": 3,
        "I6": 3,
        "I7": 2,
        "I8": 2,
        "I9": 4,  # two keys and two names were answered
        "I12": 3,
        "I14": 3,
    }


def test_an_order_may_fail_after_it_was_signed() -> None:
    told = {"min_out": 95, "tx_hash": "tx-3"}
    signed = steps(
        C,
        (RECEIVED, 1, {}),
        (ROUTING, 1, {}),
        (BUILDING, 1, {"min_out": 95}),
        (SUBMITTED, 1, told),
        (FAILED, 1, {"failure_code": "venue_refused"}),
    )
    stands = row(C, seq=5, tx_hash="tx-3", min_out=95, failure_code="venue_refused")

    verdicts = check(all_of(history(C, lambda _: signed), stands)(a_run()))

    assert violated(verdicts) == set()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_violation_is_found_and_no_other_is_reported(case: Case) -> None:
    verdicts = check(case.change(a_run()))

    assert violated(verdicts) == set(case.broken.split())
    first = case.broken.split()[0]
    [said] = [verdict.violations for verdict in verdicts if verdict.invariant == first]
    assert any(case.said in violation for violation in said), said


def test_every_invariant_has_a_case_of_its_own() -> None:
    assert {case.broken.split()[0] for case in CASES.values()} == {i.name for i in INVARIANTS}


def test_what_looked_at_nothing_fails_unless_it_is_allowed_to() -> None:
    names = {invariant.name for invariant in INVARIANTS}

    assert broken(check(EMPTY)) == names
    assert broken(check(EMPTY, allow_empty={"I4", "I6"})) == names - {"I4", "I6"}
    assert broken(check(EMPTY, allow_empty=names)) == set()


def test_being_allowed_to_be_empty_excuses_no_violation() -> None:
    run = CASES["a failed order was executed"].change(a_run())

    assert "I4" in broken(check(run, allow_empty={"I4"}))


def test_the_report_is_a_line_for_each_verdict_and_exits_with_zero() -> None:
    said: list[str] = []

    code = report(check(a_run()), said.append)

    assert code == 0
    assert len(said) == len(INVARIANTS)
    assert said[1] == "I2  at most one execution per order .............. 2 executed orders  ok"


def test_the_report_tells_the_first_violations_in_full_and_exits_with_one() -> None:
    violations = tuple(f"order {number} was executed twice" for number in range(FIRST + 2))
    verdict = Verdict("I2", "at most one execution per order", 1_234, "orders", violations)
    said: list[str] = []

    code = report([verdict], said.append)

    assert code == 1
    assert said[0].endswith("1,234 orders  VIOLATED 12 times")
    assert said[2 : 2 + FIRST] == [f"I2: {each}" for each in violations[:FIRST]]
    assert said[-1] == "I2: and 2 more"


def test_a_report_of_nothing_checked_and_of_no_verdict_exit_with_one() -> None:
    said: list[str] = []

    assert report(check(EMPTY), said.append) == 1
    assert report([], said.append) == 1
    assert all(each.endswith("NOTHING WAS CHECKED") for each in said)


def test_every_line_of_the_report_has_room_for_its_sentence() -> None:
    lines = [line(verdict) for verdict in check(a_run())]

    assert all(" ." in each[: WIDTH + 1] and each[WIDTH - 1 : WIDTH + 1] == ". " for each in lines)


def test_durations_are_told_by_nearest_rank() -> None:
    spread = Spread.of(timedelta(milliseconds=each) for each in range(200, 0, -1))

    assert str(spread) == "p50 0.100 s  p99 0.198 s  max 0.200 s  of 200"
    assert str(Spread.of([])) == "p50 0.000 s  p99 0.000 s  max 0.000 s  of 0"
