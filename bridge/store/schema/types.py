"""The types of columns, and of the values that database drivers take and return."""

from __future__ import annotations

from enum import StrEnum


class ColumnType(StrEnum):
    """The types of columns and of parameters. The names are those of the schema file."""

    INTEGER = "INTEGER"
    TEXT = "TEXT"
    BLOB = "BLOB"
    REAL = "REAL"


INTEGER, TEXT, BLOB, REAL = ColumnType

Value = str | int | float | bytes | None
"""The content of a column in one row."""
ParamRow = tuple[Value, ...]
"""The values of one row as a tuple, in the order of some columns. What a statement of a transaction returns is another
type, :class:`~bridge.store.transaction.Row`."""
