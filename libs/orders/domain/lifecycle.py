"""The life of an order: which status may follow which, and nothing else."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class IllegalTransition(Exception):
    """An order was asked to take a step that its status does not allow. A bug in the caller."""


class Status(StrEnum):
    """Where an order stands. Six, in the order of a life that goes well."""

    RECEIVED = "received"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing may follow."""
        return self in FINAL


# A status that lists itself may repeat its step after a wait.
LIFECYCLE: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.RECEIVED: frozenset({Status.ROUTING, Status.FAILED}),
        Status.ROUTING: frozenset({Status.BUILDING, Status.ROUTING, Status.FAILED}),
        Status.BUILDING: frozenset(
            {Status.SUBMITTED, Status.BUILDING, Status.ROUTING, Status.FAILED}
        ),
        Status.SUBMITTED: frozenset(
            {Status.CONFIRMED, Status.SUBMITTED, Status.ROUTING, Status.FAILED}
        ),
        Status.CONFIRMED: frozenset(),
        Status.FAILED: frozenset(),
    }
)

FINAL = frozenset(status for status, followers in LIFECYCLE.items() if not followers)


def check(source: Status, target: Status) -> None:
    """Raise `IllegalTransition` unless `target` may follow `source`."""
    if target not in LIFECYCLE[source]:
        raise IllegalTransition(f"an order cannot go from {source} to {target}")
