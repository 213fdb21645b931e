"""Orders in PostgreSQL: the truth."""

from orders.store.orders import PostgresStore

__all__ = ["PostgresStore"]
