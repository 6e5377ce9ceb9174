"""Statements about many rows: one call of the database where there were as many as rows.

A call costs Python more than SQLite needs for the row, and between two calls the thread gives Python's lock away and
has to wait for it again. So what comes in crowds (callbacks, settlements, outcomes) is written by a statement that
reads its rows from a table expression named ``rows``. PostgreSQL knows the same (``unnest`` in place of ``VALUES``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

MAX_ROWS = 64
"""Rows in one statement. Sizes are powers of two, so that a handful of prepared statements serves every number."""


class BatchStatement:
    """``body`` is a statement that reads ``rows``, a table with these columns."""

    __slots__ = ("body", "columns")

    def __init__(self, columns: str, body: str) -> None:
        self.columns = tuple(columns.replace(",", " ").split())
        self.body = body

    def text(self, size: int) -> str:
        """For ``size`` rows; parameters by position, row by row."""
        return _text(self, size)


@lru_cache(maxsize=256)
def _text(statement: BatchStatement, size: int) -> str:
    row = f"({', '.join('?' * len(statement.columns))})"
    return f"WITH rows ({', '.join(statement.columns)}) AS (VALUES {', '.join([row] * size)}) {statement.body}"


def batch_sizes(count: int) -> Iterator[int]:
    """How many rows each statement takes, so that together they take ``count``."""
    while count:
        size = MAX_ROWS if count >= MAX_ROWS else 1 << (count.bit_length() - 1)
        yield size
        count -= size


def conflict_free_batches(items: Sequence[T], key: Callable[[T], Hashable]) -> Iterator[Sequence[int]]:
    """Positions of ``items`` in groups, in each of which no key occurs twice; the earlier of two comes first.

    What a statement reads is what stood there before it: of two rows that concern each other the second must see what
    became of the first.
    """
    keys = [key(item) for item in items]
    left: Sequence[int] = range(len(items))
    while left:
        taken: set[Hashable] = set()
        wave: list[int] = []
        later: list[int] = []
        for at in left:
            (later if keys[at] in taken else wave).append(at)
            taken.add(keys[at])
        yield wave
        left = later
