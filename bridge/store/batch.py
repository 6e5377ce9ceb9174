"""Statements about many rows: one call of the database for all of them.

A call costs Python more than SQLite needs for the row, and between two calls the thread gives up Python's lock and has
to wait for it again. So callbacks, settlements and outcomes are written by a statement that reads its rows from a table
expression named ``rows``: ``VALUES`` on SQLite, ``unnest`` on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

from bridge.store.statement import Types, declared

T = TypeVar("T")

MAX_ROWS = 64
"""Rows in one statement. Sizes are powers of two, so that a handful of prepared statements serves every number."""


class BatchStatement:
    """A statement that reads ``rows``, a table with these columns; made by ``Table.batch``.

    :raises TypeError: the type of a column is not declared.
    """

    __slots__ = ("body", "types")

    def __init__(self, columns: str, body: str, types: Types) -> None:
        self.types = declared(columns.replace(",", " ").split(), types)
        """Of the columns, in their order."""
        self.body = body

    def text(self, size: int) -> str:
        """The statement for ``size`` rows; parameters by position, row by row."""
        return _text(self, size)


@lru_cache(maxsize=256)
def _text(statement: BatchStatement, size: int) -> str:
    row = f"({', '.join('?' * len(statement.types))})"
    return f"WITH rows ({', '.join(statement.types)}) AS (VALUES {', '.join([row] * size)}) {statement.body}"


def batch_sizes(count: int) -> Iterator[int]:
    """Sizes of the statements that together take ``count`` rows."""
    while count:
        size = MAX_ROWS if count >= MAX_ROWS else 1 << (count.bit_length() - 1)
        yield size
        count -= size


def conflict_free_batches(items: Sequence[T], key: Callable[[T], Hashable]) -> Iterator[Sequence[int]]:
    """Yields positions of ``items`` in batches; no batch has a key twice, and items of one key keep their order.

    A statement sees only what was there before it. Of two rows about the same thing, the second must see what became of
    the first, so it goes into a later batch.
    """
    keys = [key(item) for item in items]
    left: Sequence[int] = range(len(items))
    while left:
        taken: set[Hashable] = set()
        batch: list[int] = []
        later: list[int] = []
        for position in left:
            (later if keys[position] in taken else batch).append(position)
            taken.add(keys[position])
        yield batch
        left = later
