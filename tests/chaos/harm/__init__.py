"""What is done to a running engine, by what it is done to. Each class tells its faults by name."""

from collections.abc import Awaitable, Callable, Mapping

Faults = Mapping[str, Callable[[], Awaitable[None]]]
"""Returns once the harm is done and healed."""


class NotStruck(Exception):
    """The fault found nobody to strike in time; nothing was harmed."""
