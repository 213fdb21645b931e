"""Which rows a list of orders is made of, and in which order."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.expressions import RawSQL, Subquery
from tortoise.queryset import QuerySet

from orders.domain.ids import uuid7
from orders.domain.lifecycle import Status
from orders.ports import Filter, KeyKind
from orders.store.tables import KeyRow, OrderRow

CLOCK_SKEW = timedelta(minutes=10)
"""How far the clock that made an id may be from the clock that stored its order."""
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)
"""No order is older or younger: instants beyond are taken for these, or ids could not tell them."""


def query(wanted: Filter) -> QuerySet[OrderRow]:
    """Newest first by id, which sorts by time: so an index by id gives the order, the cursor
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
    found = OrderRow.filter(**conditions, **_status(wanted.status))
    if wanted.until:
        until = min(max(wanted.until, FIRST), LAST)
        found = found.filter(created_at__lt=until, order_id__lte=uuid7(until + CLOCK_SKEW))
    return found.order_by("-order_id")


def _status(status: Status | None) -> dict[str, Any]:
    """The status, and what lets an index of its own find it: written out, since a plan that is
    kept for every value of a parameter cannot count on one of them."""
    match status:
        case None:
            return {}
        case Status.RECEIVED:
            known: dict[str, Any] = {"lease": RawSQL("0")}
        case Status.CONFIRMED:
            known = {"actual_out__isnull": False}
        case Status.FAILED:
            known = {"failure_code__isnull": False}
        case _:
            known = {"lease__gt": RawSQL("0"), "wake_at__isnull": False}
    return {"status": status.value} | known
