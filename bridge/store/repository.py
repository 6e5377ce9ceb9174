"""The base of all repositories: readers, a writer and the clock; and how a result is read as values."""

from __future__ import annotations

from typing import Protocol, TypeVar

from bridge.ports.clock import Clock
from bridge.store.schema.mapping import MappedTable
from bridge.store.statement import Statement
from bridge.store.transaction import NOTHING, BatchUnit, Params, Tx, Unit

T = TypeVar("T")
Item = TypeVar("Item")


class Readers(Protocol):
    """Runs queries, each in a snapshot of its own."""

    async def run(self, query: Unit[T]) -> T:
        """The result of the query. :raises StoreUnavailable: nothing can be read now."""


class Writer(Protocol):
    """Runs units of work, each in a transaction, alone or together with others."""

    async def run(self, unit: Unit[T]) -> T:
        """The result of the unit, after the commit.

        If the caller is cancelled, the unit is done or not done, never half done.
        :raises StoreUnavailable: nothing was written (:class:`~bridge.errors.CommitUnknown`: that is not known); a
            later call may succeed.
        :raises StoreError: the unit cannot be done.
        """

    async def run_batched(self, do: BatchUnit[Item, T], item: Item) -> T:
        """The same for work that costs less together: all items that wait for this very ``do`` are one call of it.

        Work that leaves a repair (:meth:`~bridge.store.transaction.Tx.if_caller_gone`) must not be batched.
        """


class ReadRepository:
    """A repository that only reads: the command line has no other while a service runs."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers


class Repository(ReadRepository):
    """A repository that reads and writes. Each method that writes is one transaction."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock) -> None:
        super().__init__(readers)
        self._writer = writer
        self._clock = clock


def read_one(tx: Tx, table: MappedTable[T], statement: Statement, params: Params = NOTHING) -> T | None:
    """The value that the only row of the result is read as; None where there is no row."""
    row = tx.one(statement, params)
    return None if row is None else table.read(row)


def read_all(tx: Tx, table: MappedTable[T], statement: Statement, params: Params = NOTHING) -> list[T]:
    """The values that all rows of the result are read as."""
    return [table.read(row) for row in tx.all(statement, params)]


def read_number(tx: Tx, statement: Statement, params: Params = NOTHING) -> int:
    """The first column of the only row; 0 where there is no row, or NULL in it."""
    row = tx.one(statement, params)
    return 0 if row is None else int(row[0] or 0)
