"""How values read in a line of a trace: short, and the same in every run."""

from uuid import UUID

from orders.domain.order import Order
from orders.domain.quote import Quote, Transaction
from orders.ports import Added, Hint, Hold, Horizon


def short(value: object) -> str:
    """A value in a few letters; orders and transactions by an end of their id."""
    match value:
        case Order():
            fence = f"/{value.lease}" if value.lease else ""
            return f"#{value.id.hex[-4:]} {value.status.value} {value.seq}{fence}"
        case Transaction():
            return value.tx_hash[:6]
        case Added():
            return f"{short(value.order)}{' again' if value.replayed else ''}"
        case Horizon():
            oldest = f"{value.oldest:%M:%S.%f}"[:-3] if value.oldest else "empty"
            return f"{oldest}{' lost' if value.lost else ''}"
        case Quote():
            return str(value.out)
        case str() if len(value) > 30 and " " not in value:
            return f"{value[:4]}…"
        case set():
            return f"[{', '.join(sorted(short(each) for each in value))}]"
        case list() | tuple():
            return f"[{', '.join(short(each) for each in value)}]"
        case Exception():
            return f"{type(value).__name__} {value}".strip()
        case Hint() | Hold():
            return short(value.order_id)
        case UUID():
            return f"#{value.hex[-4:]}"
        case _:
            return str(value)
