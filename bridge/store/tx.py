"""What a unit of work sees of a transaction. It must not begin, commit or roll back: that is its owner's business.

Every text on its way into the database is made storable here, in the one place nobody can forget: NUL is dropped
(PostgreSQL refuses it) and a lone surrogate becomes U+FFFD (SQLite raises). Lookups pass the same gate, so a cleaned
key finds its row again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import TypeVar

from bridge.store.many import Many, sizes

Value = str | int | float | bytes | None
Params = Mapping[str, Value]
Line = tuple[Value, ...]
"""One of the rows of a :class:`Many`, in the order of its columns."""

T = TypeVar("T")
R = TypeVar("R")
Unit = Callable[["Tx"], T]
"""Work on one transaction: a plain function, run in the connection's thread, possibly more than once."""
Together = Callable[["Tx", Sequence[T]], Sequence[R]]
"""The same for the items of many callers at once: a result for each of them, in their order."""

_NOTHING: Params = {}


def storable(text: str) -> str:
    """``text`` without NUL, surrogate pairs joined, lone surrogates replaced; other texts come back as they are."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _cleaned(params: Params | Line) -> Params | Line:
    if isinstance(params, tuple):
        return tuple(storable(value) if type(value) is str else value for value in params)
    return {name: storable(value) if type(value) is str else value for name, value in params.items()}


class Tx:
    """Statements of one transaction, whole results only."""

    __slots__ = ("_db", "_orphaned")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._orphaned: list[Unit[object]] = []

    def one(self, sql: str, params: Params = _NOTHING) -> sqlite3.Row | None:
        """The only row of a statement that has one or none. Runs it to its end, as RETURNING needs."""
        rows = self.all(sql, params)
        return rows[0] if rows else None

    def all(self, sql: str, params: Params = _NOTHING) -> list[sqlite3.Row]:
        return self._execute(sql, params).fetchall()

    def each(self, sql: str, params: Params = _NOTHING) -> Iterator[sqlite3.Row]:
        """Rows one by one, for a reader that stops early. Write nothing while it runs."""
        with closing(self._execute(sql, params)) as cursor:
            yield from cursor

    def run(self, sql: str, params: Params = _NOTHING) -> int:
        """How many rows a statement without RETURNING changed."""
        return self._execute(sql, params).rowcount

    def many(self, statement: Many, lines: Sequence[Line]) -> list[sqlite3.Row]:
        """One statement for all lines, or a few where there are very many; what it returns, in no order."""
        found: list[sqlite3.Row] = []
        at = 0
        for size in sizes(len(lines)):
            params = tuple(chain.from_iterable(lines[at : at + size]))
            found += self._execute(statement.text(size), params).fetchall()
            at += size
        return found

    def _execute(self, sql: str, params: Params | Line) -> sqlite3.Cursor:
        for value in params if isinstance(params, tuple) else params.values():
            if type(value) is str and "\0" in value:
                params = _cleaned(params)
                break
        try:
            return self._db.execute(sql, params)
        except UnicodeEncodeError:
            # A lone surrogate: found while parameters are bound, so nothing has run. Looking at every text for one
            # beforehand would cost each message what hardly any needs.
            return self._db.execute(sql, _cleaned(params))

    def if_orphaned(self, repair: Unit[object]) -> None:
        """Have ``repair`` run, before any later work, if nobody learns of this unit's success.

        That is so where its caller was cancelled, and where COMMIT failed with an unknown outcome. ``repair`` must
        therefore do nothing where the unit was not kept.
        """
        self._orphaned.append(repair)

    @property
    def orphaned(self) -> tuple[Unit[object], ...]:
        return tuple(self._orphaned)
