"""A transaction as a unit of work sees it, on either engine.

A unit of work neither begins nor commits nor rolls back: the writer of the engine does.

Every text that goes into a database passes :func:`storable`: NUL is dropped (PostgreSQL refuses it), and a lone
surrogate becomes U+FFFD (SQLite raises). Parameters of lookups pass it, too, so a cleaned key finds its row again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from bridge.model.base import Ms
from bridge.model.work import Work
from bridge.store.batch import BatchStatement
from bridge.store.locks import LockName
from bridge.store.schema.types import Line, Value
from bridge.store.statement import Statement

Params = Mapping[str, Value]

T = TypeVar("T")
R = TypeVar("R")
Unit = Callable[["Tx"], T]
"""Work on one transaction: a plain function, which may run more than once."""
BatchUnit = Callable[["Tx", Sequence[T]], Sequence[R]]
"""Work for the items of several callers in one transaction: a result for each item, in their order."""

NOTHING: Params = {}


class SerializationConflict(Exception):
    """Another transaction has changed what this unit has read: it is rolled back and runs again."""


class Row(Protocol):
    """A row of a result. Its values are found by column name or position, or unpacked in the statement's order."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


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


class Tx(Protocol):
    """Runs statements in one transaction. Results are whole, but for :meth:`each`."""

    node: str
    """Id of the node that runs the transaction; empty where one node has the store for itself."""

    router: str
    """Id of the node that routes the messages that this transaction takes in. Empty: any node routes them, or one node
    has the store for itself."""

    def now(self) -> Ms:
        """The time by the database's own clock, which all nodes share. Only for leases."""

    def one(self, statement: Statement, params: Params = NOTHING) -> Row | None:
        """The only row of a statement that returns one row or none. Runs it to its end, as RETURNING needs."""

    def all(self, statement: Statement, params: Params = NOTHING) -> Sequence[Row]:
        """All rows that the statement returns."""

    def each(self, statement: Statement, params: Params = NOTHING) -> Iterator[Row]:
        """Rows one by one, for a reader that stops early. Nothing may be written while it runs."""

    def run(self, statement: Statement, params: Params = NOTHING) -> int:
        """Run a statement without RETURNING; returns how many rows it changed."""

    def batch(self, statement: BatchStatement, lines: Sequence[Line]) -> Sequence[Row]:
        """Run one statement for all lines, or a few statements for very many lines. The rows come in no order."""

    def lock(self, names: Iterable[LockName]) -> None:
        """Lock these names until the transaction ends; wait for other transactions that have locked one of them.

        Called before a read that must still be true at the write that follows. SQLite has one writer and nothing to
        wait for. The names of one call are locked in one order, so that two calls cannot wait for each other.
        """

    def lock_free(self, names: Iterable[LockName]) -> set[LockName]:
        """Lock those of the names that no other transaction has locked, without waiting; returns them."""

    def wake(self, work: Work) -> None:
        """After the commit, wake the loops that do this kind of work, on this node and on the others."""

    def wake_others(self, work: Work) -> None:
        """The same on the other nodes alone, where the loop of this node knows of the work already."""

    def if_caller_gone(self, repair: Unit[object]) -> None:
        """Have ``repair`` run, before any later work, if the caller does not learn that this unit was kept.

        That happens where the caller was cancelled, and where COMMIT failed with an unknown outcome. So ``repair`` must
        do nothing where the unit was not kept.
        """
