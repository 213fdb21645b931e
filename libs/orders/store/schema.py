"""Whether the database has the tables of this release. A later release's tables will do."""

import pkgutil

from orders.domain.errors import StoreUnavailable
from orders.store import migrations
from orders.store.database import APP, Database

KNOWN = sorted(
    each.name for each in pkgutil.iter_modules(migrations.__path__) if not each.name.startswith("_")
)
"""The migrations of this release."""

_IS_KEPT = "SELECT to_regclass('tortoise_migrations') IS NOT NULL AS so"
_APPLIED = "SELECT name FROM tortoise_migrations WHERE app = $1"


async def check(database: Database) -> None:
    """Raise `StoreUnavailable` unless every migration of this release has been applied."""
    (kept,) = await database.fetch(_IS_KEPT)
    rows = await database.fetch(_APPLIED, APP) if kept["so"] else []
    missing = [name for name in KNOWN if name not in {row["name"] for row in rows}]
    if missing:
        raise StoreUnavailable(f"migrations are missing, apply them: {', '.join(missing)}")
