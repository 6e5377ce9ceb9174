"""Types of columns, and of the values that drivers take and return."""

from __future__ import annotations

from enum import StrEnum


class ColumnType(StrEnum):
    """Types of columns and of parameters, by their names in the schema file."""

    INTEGER = "INTEGER"
    TEXT = "TEXT"
    BLOB = "BLOB"
    REAL = "REAL"


INTEGER, TEXT, BLOB, REAL = ColumnType

Value = str | int | float | bytes | None
"""The content of a column."""
Line = tuple[Value, ...]
"""The values of one row, in the order of some columns."""
