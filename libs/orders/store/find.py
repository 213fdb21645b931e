"""Which rows a list of orders is made of, and in which order."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.expressions import Subquery
from tortoise.queryset import QuerySet

from orders.domain.ids import uuid7
from orders.domain.lifecycle import LIFECYCLE, Status
from orders.ports import Filter, KeyKind, Step
from orders.store.tables import EventRow, KeyRow, OrderRow

CLOCK_SKEW = timedelta(minutes=10)
"""How far the clock that made an id may be from the clock that stored its order."""
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)
"""No order is older or younger: instants beyond are taken for these, or ids could not tell them."""


def query(wanted: Filter) -> QuerySet[OrderRow]:
    """Newest first by id, which sorts by time: so the primary key gives the order, the cursor
    and the range of times. The exact times are compared as well."""
    conditions: dict[str, Any] = {"owner": wanted.owner}
    if wanted.before:
        conditions["order_id__lt"] = wanted.before
    if wanted.input_mint:
        conditions["input_mint"] = wanted.input_mint
    if wanted.output_mint:
        conditions["output_mint"] = wanted.output_mint
    if wanted.since:
        since = max(wanted.since, FIRST)
        conditions |= {"created_at__gte": since, "order_id__gte": uuid7(since - CLOCK_SKEW)}
    if wanted.client_order_id is not None:
        named = KeyRow.filter(
            owner=wanted.owner, kind=KeyKind.CLIENT_ORDER_ID.value, key=wanted.client_order_id
        )
        conditions["order_id__in"] = Subquery(named.values("order_id"))
    found = OrderRow.filter(**conditions, **_status(wanted.status)).order_by("-order_id")
    if wanted.until:
        until = min(max(wanted.until, FIRST), LAST)
        found = found.filter(created_at__lt=until, order_id__lte=uuid7(until + CLOCK_SKEW))
    return found


def step(row: EventRow) -> Step:
    """The step that an event row holds."""
    return Step(row.order_id, row.seq, Status(row.status), row.attempt, row.at, row.data)


def _status(status: Status | None) -> dict[str, Any]:
    """The status, and what lets a partial index find it where there is one."""
    if status is None:
        return {}
    if status is Status.FAILED:
        return {"status": status.value, "failure_code__isnull": False}
    if not LIFECYCLE[status]:
        return {"status": status.value}
    return {"status": status.value, "wake_at__isnull": False}
