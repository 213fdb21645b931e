"""`python -m tests.chaos.api`: the API as it is, with traps in its ports."""

from dataclasses import replace
from typing import Any, cast

from orders.settings import Settings
from services.api.__main__ import serve
from services.api.app import App, join, make
from tests.chaos.points import Trap
from tests.chaos.skewed import SkewedClock
from tests.chaos.trapped import ApiStore, TrappedQueue


def create_app(settings: Settings) -> App:
    """An API whose ports are trapped."""
    parts = make(settings)
    trap = Trap()
    trapped = replace(
        parts,
        clock=SkewedClock(),
        store=cast(Any, ApiStore(parts.store, trap)),
        queue=cast(Any, TrappedQueue(parts.queue, trap, settings.redis_url)),
    )
    return join(settings, trapped)


if __name__ == "__main__":
    settings = Settings.read()
    serve(settings, create_app(settings))
