"""Statements that write or read many rows in one call of the database.

A call costs Python more time than SQLite needs for the row. Between two calls the thread also releases Python's lock
and has to wait for it again. So one statement writes the callbacks, the settlements or the outcomes of many callers. It
reads its rows from a table expression named ``rows``: ``VALUES`` on SQLite, ``unnest`` on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

from bridge.store.statement import Types, declared

T = TypeVar("T")

MAX_ROWS = 64
"""Most rows in one statement. Sizes are powers of two, so that seven prepared statements serve any number of rows."""


class BatchStatement:
    """A statement that reads its input from ``rows``, a table expression with the given columns.

    :meth:`bridge.store.schema.mapping.Table.batch` makes it.
    :raises TypeError: the type of a column is not declared.
    """

    __slots__ = ("body", "types")

    def __init__(self, columns: str, body: str, types: Types) -> None:
        self.types = declared(columns.replace(",", " ").split(), types)
        """Column name → type, in the order of the columns."""
        self.body = body

    def text(self, size: int) -> str:
        """SQLite's text for ``size`` rows. Its parameters are positional, row after row."""
        return _text(self, size)


@lru_cache(maxsize=256)
def _text(statement: BatchStatement, size: int) -> str:
    row = f"({', '.join('?' * len(statement.types))})"
    return f"WITH rows ({', '.join(statement.types)}) AS (VALUES {', '.join([row] * size)}) {statement.body}"


def batch_sizes(count: int) -> Iterator[int]:
    """Yields the sizes of the statements that together take ``count`` rows."""
    while count:
        size = MAX_ROWS if count >= MAX_ROWS else 1 << (count.bit_length() - 1)
        yield size
        count -= size


def conflict_free_batches(items: Sequence[T], key: Callable[[T], Hashable]) -> Iterator[Sequence[int]]:
    """Yields batches of positions in ``items``. No batch has a key twice. Items with the same key keep their order.

    A statement does not see the rows that it writes itself. If two rows have the same key, the second must see the
    result of the first, so it goes into a later batch.
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
