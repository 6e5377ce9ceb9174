"""A transaction on PostgreSQL. Its statements run inside :func:`bridge.store.postgres.greenlets.run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from bridge.model.base import Ms
from bridge.model.work import Work
from bridge.store.batch import BatchStatement
from bridge.store.locks import LockName
from bridge.store.postgres import dialect
from bridge.store.postgres.greenlets import wait_for
from bridge.store.schema.types import ParamRow, Value
from bridge.store.statement import Statement
from bridge.store.transaction import NOTHING, Params, Row, Unit, storable

if TYPE_CHECKING:
    from asyncpg import Connection

_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest('{%s}'::bigint[]) AS key"
_LOCK_FREE = "SELECT key FROM unnest($1::bigint[]) AS key WHERE pg_try_advisory_xact_lock(key)"
NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
"""SQL for the present time by the server's clock, in milliseconds. Not the time at which the transaction began."""
_PREFETCH_ROWS = 100
"""Rows that a cursor fetches at a time."""


class PostgresTx:
    """Implements :class:`~bridge.store.transaction.Tx`. The first statement begins the transaction.

    BEGIN costs a round trip of its own, except if the first call is :meth:`lock`: then both go in one.
    """

    __slots__ = ("_begin", "_connection", "_schema", "node", "repairs", "router", "work", "work_for_others")

    def __init__(self, connection: Connection, schema: str, *, begin: str, node: str, router: str) -> None:
        self._connection = connection
        self._schema = schema
        self._begin = begin
        """The statement that begins the transaction; empty once it has been sent."""
        self.node = node
        self.router = router
        self.work: set[Work] = set()
        """The kinds of work that this transaction makes for all nodes."""
        self.work_for_others: set[Work] = set()
        """The kinds of work that it makes for the other nodes only."""
        self.repairs: list[Unit[object]] = []
        """Units to run if the caller does not learn that this transaction was committed."""

    def now(self) -> Ms:
        self._start()
        now: Ms = wait_for(self._connection.fetchval(f"SELECT {NOW}"))
        return now

    def one(self, statement: Statement, params: Params = NOTHING) -> Row | None:
        rows = self.all(statement, params)
        return rows[0] if rows else None

    def all(self, statement: Statement, params: Params = NOTHING) -> Sequence[Row]:
        numbered = dialect.numbered(statement)
        return self._fetch(numbered.text, _values(numbered, params))

    def each(self, statement: Statement, params: Params = NOTHING) -> Iterator[Row]:
        numbered = dialect.numbered(statement)
        self._start()
        cursor = self._connection.cursor(numbered.text, *_values(numbered, params), prefetch=_PREFETCH_ROWS)
        rows: AsyncIterator[Row] = aiter(cursor)
        while True:
            try:
                yield wait_for(anext(rows))
            except StopAsyncIteration:
                return

    def run(self, statement: Statement, params: Params = NOTHING) -> int:
        numbered = dialect.numbered(statement)
        self._start()
        done: str = wait_for(self._connection.execute(numbered.text, *_values(numbered, params)))
        return int(done.rpartition(" ")[2])  # "INSERT 0 1", "UPDATE 1", "DELETE 1"

    def batch(self, statement: BatchStatement, lines: Sequence[ParamRow]) -> Sequence[Row]:
        if not lines:
            return ()
        columns = [[_clean(value) for value in column] for column in zip(*lines, strict=True)]
        return self._fetch(dialect.batch_text(statement), columns)

    def _fetch(self, text: str, values: Sequence[Any]) -> Sequence[Row]:
        self._start()
        rows: Sequence[Row] = wait_for(self._connection.fetch(text, *values))
        return rows

    def _start(self) -> None:
        if self._begin:
            begin, self._begin = self._begin, ""
            wait_for(self._connection.execute(begin))

    @property
    def begun(self) -> bool:
        return not self._begin

    def lock(self, names: Iterable[LockName]) -> None:
        if keys := self._keys(names):
            begin, self._begin = self._begin, ""
            wait_for(self._connection.execute(begin + _LOCK % ",".join(map(str, sorted(keys)))))

    def lock_free(self, names: Iterable[LockName]) -> set[LockName]:
        keys = self._keys(names)
        if not keys:
            return set()
        return {keys[row["key"]] for row in self._fetch(_LOCK_FREE, [sorted(keys)])}

    def _keys(self, names: Iterable[LockName]) -> Mapping[int, LockName]:
        """Lock key → name. Advisory locks count for the whole database, so each schema has keys of its own."""
        return {lock_key(self._schema, name): name for name in names}

    def wake(self, work: Work) -> None:
        self.work.add(work)

    def wake_others(self, work: Work) -> None:
        self.work_for_others.add(work)

    def if_caller_gone(self, repair: Unit[object]) -> None:
        self.repairs.append(repair)


def lock_key(schema: str, name: LockName) -> int:
    """The key of the advisory lock for a name in a schema: a signed 64-bit number."""
    digest = blake2b(f"{schema}\n{name}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _clean(value: Value) -> Value:
    return storable(value) if type(value) is str else value


def _values(statement: dialect.NumberedStatement, params: Params) -> list[Any]:
    return [_clean(params[name]) for name in statement.names]
