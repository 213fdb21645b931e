"""`python -m benchmarks.baselines api|worker ungrouped|plain`: one process of a baseline."""

import sys
from dataclasses import replace
from typing import Any

import uvloop

from benchmarks.baselines.plain import PlainFeed, PlainStore
from benchmarks.baselines.ungrouped import UngroupedStore
from orders.settings import Settings
from services.api import __main__ as api
from services.api import app as api_app
from services.worker import __main__ as worker
from services.worker import app as worker_app


def main(process: str, baseline: str) -> None:
    """Serve, or work, until told to stop."""
    settings = Settings.read()
    if process == "api":
        parts = api_app.make(settings)
        api.serve(
            settings, api_app.join(settings, replace(parts, **_own(baseline, parts, settings)))
        )
    else:
        made = worker_app.make(settings)
        broker = worker_app.join(settings, replace(made, **_own(baseline, made, settings)))
        uvloop.run(worker.work(settings, broker))


def _own(baseline: str, parts: Any, settings: Settings) -> dict[str, Any]:
    """The parts that a baseline has of its own."""
    make_store = PlainStore if baseline == "plain" else UngroupedStore
    store = make_store(
        settings.database_url,
        pool_size=settings.database_pool_size,
        lease=settings.lease_seconds,
        backstop=settings.backstop_seconds,
    )
    feed = {"feed": PlainFeed(parts.redis)} if baseline == "plain" else {}
    return {"store": store} | feed


if __name__ == "__main__":
    main(*sys.argv[1:])
