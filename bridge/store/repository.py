"""The base classes of all repositories, the protocols of readers and writer, and helpers that read rows as values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from bridge.ports.clock import Clock
from bridge.store.schema.mapping import MappedTable
from bridge.store.statement import Statement
from bridge.store.transaction import NOTHING, BatchUnit, Params, Tx, Unit

T = TypeVar("T")
Item = TypeVar("Item")

RIDE_S = 0.01
"""Seconds for which an item that may ride waits for a commit that other work causes."""


class Readers(Protocol):
    """Runs queries. Each query sees one snapshot of its own."""

    async def run(self, query: Unit[T]) -> T:
        """Return the result of the query. :raises StoreUnavailable: the store cannot be read now."""


class Writer(Protocol):
    """Runs units of work in transactions. Several units may share one transaction."""

    async def run(self, unit: Unit[T]) -> T:
        """Run the unit and return its result after the commit.

        If the caller is cancelled, the unit is done or not done, never half done.
        :raises StoreUnavailable: nothing was written; a later call may succeed.
        :raises CommitUnknown: (a StoreUnavailable) it is not known whether the unit was written.
        :raises StoreError: the unit cannot be done.
        """

    async def run_begun(self, begin: Callable[[], Unit[T]]) -> T:
        """Like :meth:`run`, for a unit that ``begin`` makes right before its transaction, in the event loop.

        ``begin`` is not called if the work is refused before.
        """

    async def run_batched(self, do: BatchUnit[Item, T], item: Item, *, ride: bool = False) -> T:
        """Like :meth:`run`, for work that costs less in groups: one call of ``do`` takes all items that wait for it.

        ``ride``: wait up to :data:`RIDE_S` for other work, and share its commit.

        Work that leaves a repair (:meth:`~bridge.store.transaction.Tx.if_caller_gone`) must not be batched.
        """


class ReadRepository:
    """A repository that only reads. A command that runs beside a service uses only this kind."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers


class Repository(ReadRepository):
    """A repository that reads and writes. Each method that writes is one transaction."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock) -> None:
        super().__init__(readers)
        self._writer = writer
        self._clock = clock


def read_one(tx: Tx, table: MappedTable[T], statement: Statement, params: Params = NOTHING) -> T | None:
    """Read the only row of the result as a value of ``table``; None if there is no row."""
    row = tx.one(statement, params)
    return None if row is None else table.read(row)


def read_all(tx: Tx, table: MappedTable[T], statement: Statement, params: Params = NOTHING) -> list[T]:
    """Read all rows of the result as values of ``table``."""
    return [table.read(row) for row in tx.all(statement, params)]


def read_number(tx: Tx, statement: Statement, params: Params = NOTHING) -> int:
    """Read the first column of the only row; 0 if there is no row or the column is NULL."""
    row = tx.one(statement, params)
    return 0 if row is None else int(row[0] or 0)
