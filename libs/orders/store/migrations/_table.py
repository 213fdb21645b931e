"""A migration step for a table that is made by SQL of its own.

Tortoise 1.1 leaves the constraints of a model out of its CREATE TABLE without a word
(tortoise-orm issue 2272), knows no composite keys, and knows no partial index but on
equality. So the model is declared to Tortoise, and the table is made as written.
"""

from typing import Any

from tortoise.fields import Field
from tortoise.migrations import operations as ops


class CreateTable(ops.CreateModel):
    """Declare model `name` with `fields`, and run `sql` for its table."""

    def __init__(self, name: str, table: str, fields: dict[str, Field[Any]], sql: str) -> None:
        options = {"table": table, "app": "orders", "pk_attr": next(iter(fields))}
        super().__init__(name, list(fields.items()), options, ["Model"])
        self._sql = ops.RunSQL(sql, f"DROP TABLE {table}")

    async def database_forward(self, *arguments: Any, **options: Any) -> None:
        await self._sql.database_forward(*arguments, **options)

    async def database_backward(self, *arguments: Any, **options: Any) -> None:
        await self._sql.database_backward(*arguments, **options)
