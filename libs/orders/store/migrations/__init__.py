"""Tortoise migrations, in the order of their names. `orders.store.migrate` applies them."""
