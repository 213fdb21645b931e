"""`python -m services.worker.migrate`: brings the database up to date, then ends.

A deployment's own way to do what `python -m services.cli migrate` does for people: it needs
nothing but what a worker needs, and no setting but `DATABASE_URL`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

from orders.domain.errors import StoreError
from orders.settings import BadSetting, Settings
from orders.store.migrate import migrate

NO_REDIS = {"REDIS_URL": "redis://none"}  # Redis is never asked


def main() -> int:
    """0 up to date, 1 failed, 2 a setting that makes no sense; the reason is on stderr."""
    try:
        url = database_url(os.environ)
        applied = asyncio.run(_until_told_to_stop(url))
    except BadSetting as wrong:
        return _refused(2, str(wrong))
    except (StoreError, ValueError) as failure:
        return _refused(1, f"the database could not be brought up to date: {failure}")
    except asyncio.CancelledError:
        return _refused(1, "told to stop; what was not finished is undone")
    for name in applied or ["nothing to do"]:
        print(name)
    return 0


def database_url(environment: Mapping[str, str]) -> str:
    """Its `DATABASE_URL`, whatever else it says. Raises `BadSetting`."""
    told = {name: value for name, value in environment.items() if name == "DATABASE_URL"}
    return Settings.read(NO_REDIS | told).database_url


async def _until_told_to_stop(url: str) -> list[str]:
    """PID 1 of a container hears no SIGTERM unless it asks to."""
    migrating = asyncio.ensure_future(migrate(url))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, migrating.cancel)
    return await migrating


def _refused(code: int, reason: str) -> int:
    print(f"order-engine migrate: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
