"""A transaction on SQLite. Its statements run in the connection's thread."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain

from bridge.model.base import Ms
from bridge.model.work import Work
from bridge.store.batch import BatchStatement, batch_sizes
from bridge.store.locks import LockName
from bridge.store.schema.types import ParamRow
from bridge.store.statement import Statement
from bridge.store.transaction import NOTHING, Params, Unit, storable


def _cleaned(params: Params | ParamRow) -> Params | ParamRow:
    if isinstance(params, tuple):
        return tuple(storable(value) if type(value) is str else value for value in params)
    return {name: storable(value) if type(value) is str else value for name, value in params.items()}


class SqliteTx:
    """Implements :class:`~bridge.store.transaction.Tx`. Locks do nothing, since there is only one writer."""

    __slots__ = ("_db", "repairs", "work")
    node = ""
    router = ""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.work: set[Work] = set()
        """The kinds of work that this transaction makes."""
        self.repairs: list[Unit[object]] = []
        """Units to run if the caller does not learn that this transaction was committed."""

    def now(self) -> Ms:
        return time.time_ns() // 1_000_000

    def one(self, statement: Statement, params: Params = NOTHING) -> sqlite3.Row | None:
        rows = self.all(statement, params)
        return rows[0] if rows else None

    def all(self, statement: Statement, params: Params = NOTHING) -> list[sqlite3.Row]:
        return self._execute(statement.text, params).fetchall()

    def each(self, statement: Statement, params: Params = NOTHING) -> Iterator[sqlite3.Row]:
        with closing(self._execute(statement.text, params)) as cursor:
            yield from cursor

    def run(self, statement: Statement, params: Params = NOTHING) -> int:
        return self._execute(statement.text, params).rowcount

    def batch(self, statement: BatchStatement, lines: Sequence[ParamRow]) -> list[sqlite3.Row]:
        found: list[sqlite3.Row] = []
        at = 0
        for size in batch_sizes(len(lines)):
            params = tuple(chain.from_iterable(lines[at : at + size]))
            found += self._execute(statement.text(size), params).fetchall()
            at += size
        return found

    def lock(self, names: Iterable[LockName]) -> None:
        pass

    def lock_free(self, names: Iterable[LockName]) -> set[LockName]:
        return set(names)

    def _execute(self, sql: str, params: Params | ParamRow) -> sqlite3.Cursor:
        for value in params if isinstance(params, tuple) else params.values():
            if type(value) is str and "\0" in value:
                params = _cleaned(params)
                break
        try:
            return self._db.execute(sql, params)
        except UnicodeEncodeError:
            # A text has a lone surrogate. The driver finds it while it binds the parameters, so nothing has run yet. A
            # check of each text beforehand would cost time for every message, and hardly any message needs it.
            return self._db.execute(sql, _cleaned(params))

    def wake(self, work: Work) -> None:
        self.work.add(work)

    def wake_others(self, work: Work) -> None:
        pass

    def if_caller_gone(self, repair: Unit[object]) -> None:
        self.repairs.append(repair)
