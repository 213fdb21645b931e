"""What the engine's own history must be like: I5 and I14."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from orders.domain.lifecycle import LIFECYCLE, Status
from tests.chaos.evidence import Engine, EventRow, Evidence, OrderRow

Faults = list[str]


def whole_histories(evidence: Evidence) -> Iterator[Faults]:
    """I5: every order's steps are 1 to n, legal, end once, and lead to its row."""
    engine = evidence.engine
    for order_id in engine.orders.keys() | engine.events.keys():
        row, steps = engine.orders.get(order_id), engine.history(order_id)
        if row is None or not steps:
            yield [
                f"order {order_id} has {len(steps)} steps and {'no' if row is None else 'a'} row"
            ]
            continue
        faults = [*_numbering(steps), *_transitions(steps), *_ending(steps), *_row(row, steps)]
        yield [f"order {order_id}: {fault}" for fault in faults]


def no_stale_writes(evidence: Evidence) -> Iterator[Faults]:
    """I14: nothing in the history was written by one who had lost the order."""
    engine = evidence.engine
    elsewhere = _signed_elsewhere(engine)
    executed: dict[object, Faults] = {}
    for execution in evidence.ledger.executions:
        fault = _unstored(execution.tx_id, execution.attempt, engine.history(execution.order_id))
        executed.setdefault(execution.order_id, []).extend(fault)
    for order_id, steps in engine.events.items():
        row = engine.orders.get(order_id)
        faults = [*_numbering(steps), *_succession(steps), *_signatures(steps)]
        if row is not None and steps and row.seq != steps[-1].seq:
            faults.append(f"the row is at seq {row.seq}, the last step is {steps[-1].seq}")
        faults += elsewhere.get(order_id, [])
        faults += executed.get(order_id, [])
        yield [f"order {order_id}: {fault}" for fault in faults]


def _numbering(steps: Sequence[EventRow]) -> Iterator[str]:
    if any(step.seq != number for number, step in enumerate(steps, 1)):
        yield f"its steps are numbered {[step.seq for step in steps]}"


def _transitions(steps: Sequence[EventRow]) -> Iterator[str]:
    if steps[0].status is not Status.RECEIVED:
        yield f"it begins as {steps[0].status}"
    for before, after in pairwise(steps):
        if after.status not in LIFECYCLE[before.status]:
            yield f"step {after.seq} goes from {before.status} to {after.status}"


def _ending(steps: Sequence[EventRow]) -> Iterator[str]:
    ends = [step.seq for step in steps if not LIFECYCLE[step.status]]
    if ends != [steps[-1].seq]:
        yield f"it is final at {ends} of {steps[-1].seq} steps, not at the last alone"


def _row(row: OrderRow, steps: Sequence[EventRow]) -> Iterator[str]:
    """What the row must repeat of the last step, and of the last step that told of it."""
    last = steps[-1]
    floors = [step.min_out for step in steps if step.min_out is not None]
    pairs = {
        "status": (row.status, last.status),
        "seq": (row.seq, last.seq),
        "attempt": (row.attempt, last.attempt),
        "actual_out": (row.actual_out, last.actual_out),
        "failure_code": (row.failure_code, last.failure_code),
        "min_out": (row.min_out, floors[-1] if floors else row.min_out),
    }
    if last.status in (Status.SUBMITTED, Status.CONFIRMED):
        pairs["tx_hash"] = (row.tx_hash, last.tx_hash)
    for name, (stands, told) in pairs.items():
        if stands != told:
            yield f"its row has {name} {stands}, its last step {told}"


def _succession(steps: Sequence[EventRow]) -> Iterator[str]:
    for before, after in pairwise(steps):
        if after.at < before.at:
            yield f"step {after.seq} was stored at {after.at}, before step {before.seq}"
        goes_back = before.status is Status.SUBMITTED and after.status is Status.ROUTING
        if after.attempt != before.attempt + goes_back:
            moved = f"moves attempt {before.attempt} to {after.attempt}"
            yield f"step {after.seq}, {after.status} after {before.status}, {moved}"


def _signatures(steps: Sequence[EventRow]) -> Iterator[str]:
    """Faults of an order in which an attempt has two transactions, or one has two attempts."""
    signed: dict[int, str] = {}
    for step in steps:
        if step.status is not Status.SUBMITTED:
            continue
        if step.tx_hash is None:
            yield f"step {step.seq} is submitted without a transaction"
        elif step.attempt not in signed and step.tx_hash in signed.values():
            yield f"transaction {step.tx_hash} is also of attempt {step.attempt}"
        elif (first := signed.setdefault(step.attempt, step.tx_hash)) != step.tx_hash:
            yield f"attempt {step.attempt} has transactions {first} and {step.tx_hash}"


def _signed_elsewhere(engine: Engine) -> dict[object, Faults]:
    """Faults, by order, where a transaction was stored for another order before."""
    owners: dict[str, object] = {}
    found: dict[object, Faults] = {}
    for order_id, steps in engine.events.items():
        for tx_hash in {step.tx_hash for step in steps if step.status is Status.SUBMITTED}:
            if tx_hash is not None and owners.setdefault(tx_hash, order_id) != order_id:
                fault = f"transaction {tx_hash} is also of order {owners[tx_hash]}"
                found.setdefault(order_id, []).append(fault)
    return found


def _unstored(tx_id: str, attempt: int, steps: Sequence[EventRow]) -> Iterator[str]:
    """The fault of an execution that was not stored as intended before the order's end."""
    for step in steps:
        if not LIFECYCLE[step.status]:
            break
        if (step.status, step.tx_hash, step.attempt) == (Status.SUBMITTED, tx_id, attempt):
            return
    yield f"transaction {tx_id} of attempt {attempt} was executed and not stored before"
