"""The common part of both engines: which tables are copied, how rows are read, and the digest that compares them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from typing import Protocol

from bridge.errors import StoreError
from bridge.model.base import Ms
from bridge.store.schema.mapping import Table
from bridge.store.schema.tables import MOVED, STAYING
from bridge.store.schema.types import ColumnType, ParamRow
from bridge.store.transaction import storable
from bridge.value import value_object

BATCH = 5_000
"""Rows that are in memory at one time: some megabytes."""
NOT_COPIED = frozenset({"schema_version", *(table.name for table in STAYING)})
"""Names of the tables that are not copied. They describe the database itself and its nodes."""
_NODE_COLUMNS = frozenset({"taken_by", "sent_by"})
"""Columns that name the node that works on a row. They are copied empty: no node runs while a store is copied."""
_PYTHON_TYPES: Mapping[ColumnType, type] = {
    ColumnType.INTEGER: int,
    ColumnType.TEXT: str,
    ColumnType.BLOB: bytes,
    ColumnType.REAL: float,
}

Progress = Callable[[int, int], None]
"""A function that is called with the number of rows done and the number of all rows."""


@value_object
class Content:
    """The number of rows of a table, and their digest."""

    rows: int
    digest: str


class Digest:
    """A digest of rows in their order. The values are those that Python reads, so both engines give the same digest."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._rows = 0

    def add(self, lines: list[ParamRow]) -> None:
        """Add rows to the digest. ``lines`` must not be empty."""
        # Without the brackets of the list, so the digest does not depend on how many rows come in one call.
        self._hash.update(f"{repr(lines)[1:-1]}, ".encode())
        self._rows += len(lines)

    def content(self) -> Content:
        return Content(rows=self._rows, digest=self._hash.hexdigest())


class Source(Protocol):
    """A store that is copied. It does not change while it is read. Error messages name it."""

    where: str

    async def mark_if_restored(self, now: Ms) -> None:
        """Mark the source, before it is read, if it is a restored copy that no start has marked yet."""

    async def table_names(self) -> set[str]:
        """The names of all tables."""

    async def count(self, table: Table) -> int:
        """The number of rows of the table."""

    def lines(self, table: Table) -> AsyncIterator[list[ParamRow]]:
        """Yields the rows of the table in the order of its key, up to :data:`BATCH` at a time."""

    async def mark(self, now: Ms) -> None:
        """Mark the source as a copy, since the store goes on in the target. The mark is durable on return."""


class Target(Protocol):
    """A store that receives a copy. Other programs see it only when it is complete."""

    where: str

    async def put(self, table: Table, lines: Sequence[ParamRow]) -> None:
        """Write the rows."""

    def lines(self, table: Table) -> AsyncIterator[list[ParamRow]]:
        """Yields the rows of the table, like :meth:`Source.lines`."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """The transaction of the whole move. Commits at its end; an error leaves no trace."""

    async def finish(self) -> None:
        """Prepare the target for use, after the last row."""


def check_tables(where: str, names: set[str]) -> None:
    """Refuse tables that would not be copied. :raises StoreError: a table of the store is not one of ours."""
    unknown = sorted(names - {table.name for table in MOVED} - NOT_COPIED)
    if unknown:
        raise StoreError(f"{where} has tables that are not ours: {', '.join(unknown)}")


def select(table: Table) -> str:
    """The SQL text that reads all rows in the order of the key. Both engines understand it."""
    columns = ", ".join(f"'' AS {column}" if column in _NODE_COLUMNS else column for column in table.types)
    return f"SELECT {columns} FROM {table.name} ORDER BY {', '.join(table.key)}"


def describe_invalid_value(table: Table, lines: Sequence[ParamRow]) -> str | None:
    """Describe the first value that its column cannot hold, without the value itself; None if all fit."""
    for line in lines:
        row = dict(zip(table.types, line, strict=True))
        for column, type_ in table.types.items():
            value = row[column]
            fits = value is None or (
                type(value) is _PYTHON_TYPES[type_] and (not isinstance(value, str) or storable(value) == value)
            )
            if not fits:
                key = table.key[0]
                of_row = f" of row {row[key]!r}" if table.types[key] is ColumnType.INTEGER else ""
                return f"{table.name}.{column}{of_row} holds a {type(value).__name__} that does not belong there"
    return None
