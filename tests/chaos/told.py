"""What clients were told, and whether it is so: I1, I6, I9 and I12."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.evidence import Evidence, Outcome, Story

Faults = list[str]

REUSED = "idempotency_key_reused"


def accepted_ends(evidence: Evidence) -> Iterator[Faults]:
    """I1: every order that a client was told of exists; these, and all others, are final."""
    orders = evidence.engine.orders
    told: set[UUID] = set()
    for post in evidence.clients.posts:
        if post.order_id is not None:
            told.add(post.order_id)
        elif post.outcome is Outcome.OK:
            yield [f"a 2xx for {post.key or post.client_order_id} names no order"]
    for found in evidence.clients.resolved:
        told.update(found.order_ids)
    for order_id in told - orders.keys():
        yield [f"order {order_id} was accepted and does not exist"]
    for row in orders.values():
        how = "was accepted" if row.order_id in told else "was stored"
        stuck = [f"order {row.order_id} {how} and is still {row.status}"]
        yield [] if row.status.is_final else stuck


def whole_stories(evidence: Evidence) -> Iterator[Faults]:
    """I6: every subscriber heard each step once, in order, from the first it asked for."""
    for story in evidence.clients.stories:
        steps = evidence.engine.history(story.order_id)
        first = story.connections[0] if story.connections else 1
        stored = [(step.seq, step.status) for step in steps if step.seq >= first]
        if story.is_complete and [*story.frames] == stored:
            yield []
        else:
            yield [_told_wrong(story, [f"{seq} {status}" for seq, status in stored])]


def one_key_one_order(evidence: Evidence) -> Iterator[Faults]:
    """I9: all answers for one key, of either kind, name one order, which is of that key alone."""
    answers: defaultdict[tuple[str, str], set[UUID]] = defaultdict(set)
    names: defaultdict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for post in evidence.clients.posts:
        if post.code == REUSED:
            yield [f"{post.key or post.client_order_id} was refused as another request's"]
        for kind, name in (("key", post.key), ("clientOrderId", post.client_order_id)):
            if post.order_id is not None and name is not None:
                answers[kind, name].add(post.order_id)
                names[post.order_id].add((kind, name))
    for name, order_ids in _rows_by_name(evidence).items():
        if len(order_ids) > 1 or order_ids & names.keys() or ("clientOrderId", name) in answers:
            answers["clientOrderId", name] |= order_ids
            for order_id in order_ids:
                names[order_id].add(("clientOrderId", name))
    for (kind, name), order_ids in answers.items():
        yield [f"{kind} {name} names orders {_listed(order_ids)}"] if len(order_ids) > 1 else []
    for order_id, all_names in names.items():
        if len({kind for kind, _ in all_names}) < len(all_names):
            told = ", ".join(f"{kind} {name}" for kind, name in sorted(all_names))
            yield [f"order {order_id} has the names {told}"]


def unknowns_resolve(evidence: Evidence) -> Iterator[Faults]:
    """I12: a request of unknown outcome is asked about, and stands for one order or none; one
    that was only ever refused stands for none."""
    rows = _rows_by_name(evidence)
    for (key, name), known in _unknown(evidence).items():
        found = known.found | known.answered | rows.get(name or "", set())
        if not known.is_resolved:
            yield [f"the outcome of {key or name} was unknown and never asked about"]
        elif len(found) > 1:
            yield [f"{key or name}, of unknown outcome, stands for orders {_listed(found)}"]
        elif known.was_sought and known.answered - known.found:
            yield [f"{key or name} was answered {_listed(known.answered)}, and found to be none"]
        else:
            yield []
    for name in _refused(evidence) & rows.keys():
        yield [f"{name} was refused each time, and is stored as {_listed(rows[name])}"]


@dataclass(slots=True)
class _Known:
    """What is known of a request whose outcome was unknown at least once."""

    answered: set[UUID] = field(default_factory=set)
    found: set[UUID] = field(default_factory=set)
    was_sought: bool = False

    @property
    def is_resolved(self) -> bool:
        return self.was_sought or bool(self.answered)


def _unknown(evidence: Evidence) -> dict[tuple[str | None, str | None], _Known]:
    """By key and client order id. What has neither cannot be asked about."""
    clients = evidence.clients
    known = {
        (post.key, post.client_order_id): _Known()
        for post in clients.posts
        if post.outcome is Outcome.UNKNOWN and (post.key or post.client_order_id)
    }
    for post in clients.posts:
        request = known.get((post.key, post.client_order_id))
        if request and post.order_id is not None:
            request.answered.add(post.order_id)
    for resolved in clients.resolved:
        request = known.get((resolved.key, resolved.client_order_id))
        if request:
            request.was_sought = True
            request.found.update(resolved.order_ids)
    return known


def _refused(evidence: Evidence) -> set[str]:
    """The client order ids of requests that met refusals and nothing else."""
    refused, others = set[str](), set[str]()
    for post in evidence.clients.posts:
        if post.client_order_id is not None:
            (refused if post.outcome is Outcome.FAIL else others).add(post.client_order_id)
    return refused - others


def _rows_by_name(evidence: Evidence) -> dict[str, set[UUID]]:
    """The stored orders of each client order id."""
    found: defaultdict[str, set[UUID]] = defaultdict(set)
    for row in evidence.engine.orders.values():
        if row.client_order_id is not None:
            found[row.client_order_id].add(row.order_id)
    return found


def _told_wrong(story: Story, stored: list[str]) -> str:
    heard = ", ".join(f"{seq} {status}" for seq, status in story.frames) or "nothing"
    end = "to the end" if story.is_complete else "and never the end"
    asked = ", ".join(map(str, story.connections))
    return (
        f"a subscriber of order {story.order_id} (fromSeq {asked}) heard {heard}, {end}; "
        f"stored is {', '.join(stored) or 'nothing'}"
    )


def _listed(order_ids: set[UUID]) -> str:
    return " and ".join(sorted(map(str, order_ids)))
