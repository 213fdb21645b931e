"""What the venues' ledger must be like, and the engine beside it: I2, I3, I4, I7 and I8."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

from orders.domain.lifecycle import Status
from tests.chaos.evidence import Evidence, OrderRow
from tests.chaos.venue.ledger import Execution

Faults = list[str]


def at_most_once(evidence: Evidence) -> Iterator[Faults]:
    """I2: every order that the ledger names is there once."""
    for order_id, done in by_order(evidence).items():
        names = ", ".join(each.tx_id for each in done)
        twice = [f"order {order_id} was executed {len(done)} times: {names}"]
        yield twice if len(done) > 1 else []


def confirmed_is_executed(evidence: Evidence) -> Iterator[Faults]:
    """I3: confirmed if and only if executed once, by the transaction and for the amount told."""
    executions, orders = by_order(evidence), evidence.engine.orders
    confirmed = {row.order_id for row in orders.values() if row.status is Status.CONFIRMED}
    for order_id in confirmed | executions.keys():
        row, done = orders.get(order_id), executions.get(order_id, [])
        if row is None:
            yield [f"{each.tx_id} executed order {order_id}, which does not exist" for each in done]
        elif row.status is not Status.CONFIRMED:
            yield [f"order {order_id} is {row.status} and was executed by {done[0].tx_id}"]
        elif len(done) != 1:
            yield [f"order {order_id} is confirmed and was executed {len(done)} times"]
        else:
            faults = [*_differences(row, done[0]), *_confirmation(evidence, row)]
            yield [f"order {order_id}: {fault}" for fault in faults]


def failed_is_not_executed(evidence: Evidence) -> Iterator[Faults]:
    """I4: no order that failed is in the ledger."""
    executions = by_order(evidence)
    for row in evidence.engine.orders.values():
        if row.status is Status.FAILED:
            done = executions.get(row.order_id, [])
            yield [f"order {row.order_id} failed and was executed by {each.tx_id}" for each in done]


def floors_hold(evidence: Evidence) -> Iterator[Faults]:
    """I7: an order's floor is set by its first route, never moves, and no fill is below it."""
    executions, engine = by_order(evidence), evidence.engine
    for order_id in engine.events.keys() | executions.keys():
        steps, done = engine.history(order_id), executions.get(order_id, [])
        floors = [(f"step {step.seq}", step.min_out) for step in steps if step.min_out is not None]
        fills = [(f"step {step.seq}", step.actual_out) for step in steps]
        row = engine.orders.get(order_id)
        if row is not None and floors:
            floors.append(("the row", row.min_out or 0))
            fills.append(("the row", row.actual_out))
        floors += [(f"execution {each.tx_id}", each.min_out) for each in done]
        fills += [(f"execution {each.tx_id}", each.out) for each in done]
        if floors:
            faults = [*_moved(floors), *_below(fills, floors[0][1])]
            yield [f"order {order_id}: {fault}" for fault in faults]


def balances_add_up(evidence: Evidence) -> Iterator[Faults]:
    """I8: the wallet changed, by mint, by what was executed and by what was confirmed."""
    executed, confirmed = Counter[str](), Counter[str]()
    for each in evidence.ledger.executions:
        executed[each.input_mint] -= each.amount_in
        executed[each.output_mint] += each.out
    for row in evidence.engine.orders.values():
        if row.status is Status.CONFIRMED:
            confirmed[row.input_mint] -= row.amount_in
            confirmed[row.output_mint] += row.actual_out or 0
    moved = evidence.ledger.balances
    for mint in moved.keys() | executed.keys() | confirmed.keys():
        said = {"executions": executed[mint], "confirmed orders": confirmed[mint]}
        yield [
            f"{mint} changed by {moved.get(mint, 0)}, but {what} make {sum_}"
            for what, sum_ in said.items()
            if sum_ != moved.get(mint, 0)
        ]


def by_order(evidence: Evidence) -> dict[UUID, list[Execution]]:
    """The ledger's executions of each order that has any."""
    found: defaultdict[UUID, list[Execution]] = defaultdict(list)
    for execution in evidence.ledger.executions:
        found[execution.order_id].append(execution)
    return dict(found)


def _moved(floors: list[tuple[str, int]]) -> Iterator[str]:
    """Where a floor is not the first."""
    first, frozen = floors[0]
    for where, floor in floors:
        if floor != frozen:
            yield f"{where} has floor {floor}, {first} has {frozen}"


def _below(fills: list[tuple[str, int | None]], floor: int) -> Iterator[str]:
    for where, out in fills:
        if out is not None and out < floor:
            yield f"{where} pays {out}, below {floor}"


def _differences(row: OrderRow, done: Execution) -> Iterator[str]:
    """Where what was executed is not what the order says."""
    pairs = {
        "transaction": (done.tx_id, row.tx_hash),
        "attempt": (done.attempt, row.attempt),
        "out": (done.out, row.actual_out),
        "dex": (done.dex, row.dex),
        "input_mint": (done.input_mint, row.input_mint),
        "amount_in": (done.amount_in, row.amount_in),
        "output_mint": (done.output_mint, row.output_mint),
    }
    for name, (ledger, engine) in pairs.items():
        if ledger != engine:
            yield f"{name} is {ledger} in the ledger and {engine} in the engine"


def _confirmation(evidence: Evidence, row: OrderRow) -> Iterator[str]:
    """Where the step that told of the fill is not what the order says."""
    for step in evidence.engine.history(row.order_id):
        if step.status is Status.CONFIRMED and step.tx_hash != row.tx_hash:
            yield f"step {step.seq} told of {step.tx_hash}, not of {row.tx_hash}"
