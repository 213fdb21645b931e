"""What is done to a running engine, by what it is done to. Each class tells its faults by name."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from uuid import UUID

Caught = tuple[datetime, UUID, int]
"""When harm was done, an order that it met, and that order's last step then."""

Faults = Mapping[str, Callable[[], Awaitable[None]]]
"""Returns once the harm is done and healed."""


class NotStruck(Exception):
    """The fault found nobody to strike in time; nothing was harmed."""
