"""`python -m tests.chaos.worker`: the worker as it is, its ports trapped, its venues over HTTP.

`taskiq worker tests.chaos.worker:create_broker --workers 1` starts the same.
"""

import os
from dataclasses import replace
from typing import Any, cast

import uvloop

from orders.broker import StreamBroker
from orders.settings import Settings
from services.worker.__main__ import work
from services.worker.app import join, make
from tests.chaos import mutants
from tests.chaos.points import Trap
from tests.chaos.skewed import SkewedClock
from tests.chaos.trapped import Holdings, TrappedFeed, WorkerStore, trap_acknowledgements
from tests.chaos.venue.remote import RemoteVenue

VENUE_URL = "CHAOS_VENUE_URL"
DEXES = ("north", "south")


def create_broker(settings: Settings | None = None) -> StreamBroker:
    """The broker of a worker whose ports are trapped."""
    mutants.mutate()
    settings = settings or Settings.read()
    parts = make(settings)
    holdings = Holdings()
    trap = Trap(holdings)
    trap_acknowledgements(parts.broker, parts.feed, trap)
    url = os.environ[VENUE_URL]
    trapped: Any = replace(
        parts,
        clock=SkewedClock(),
        store=cast(Any, WorkerStore(parts.store, trap, holdings)),
        feed=cast(Any, TrappedFeed(parts.feed, trap)),
        venues={dex: mutants.venue(RemoteVenue(dex, url), trap) for dex in DEXES},
    )
    return join(settings, trapped)


if __name__ == "__main__":
    settings = Settings.read()
    uvloop.run(work(settings, create_broker(settings)))
