"""`python -m tests.observability.worker`: the worker as it is, with venues that do wrong."""

from dataclasses import replace

import uvloop

from orders.settings import Settings
from services.worker.__main__ import work
from services.worker.app import join, make
from tests.observability.faults import faulty

if __name__ == "__main__":
    settings = Settings.read()
    parts = make(settings)
    broker = join(settings, replace(parts, venues=faulty(parts.venues)))
    uvloop.run(work(settings, broker))
