"""A transaction as a unit of work sees it, on either engine.

A unit of work does not begin, commit or roll back its transaction. The writer of the engine does that.

Every text on its way into a database passes :func:`storable`, which drops NUL (PostgreSQL refuses it) and replaces a
lone surrogate by U+FFFD (SQLite raises an error). The parameters of lookups pass it, too, so a cleaned key finds its
row again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from bridge.model.base import Ms
from bridge.model.work import Work
from bridge.store.batch import BatchStatement
from bridge.store.locks import LockName
from bridge.store.schema.types import ParamRow, Value
from bridge.store.statement import Statement

Params = Mapping[str, Value]

T = TypeVar("T")
R = TypeVar("R")
Unit = Callable[["Tx"], T]
"""A unit of work: a plain function on a transaction. It may run more than once."""
BatchUnit = Callable[["Tx", Sequence[T]], Sequence[R]]
"""A unit of work for the items of several callers. It returns a result for each item, in the order of the items."""

NOTHING: Params = {}


class SerializationConflict(Exception):
    """Another transaction changed what this unit had read. The writer rolls the unit back and runs it again."""


class Row(Protocol):
    """A row of a result. Read its values by column name or position, or unpack them in the statement's order."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


def storable(text: str) -> str:
    """``text`` in a form that both engines store: without NUL, surrogate pairs joined, lone surrogates replaced.

    Returns any other text unchanged.
    """
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
    """Runs statements in one transaction. Every method but :meth:`each` reads its whole result before it returns."""

    node: str
    """Id of the node that runs the transaction; empty if only one node can use the store."""

    router: str
    """Id of the node that routes the messages that this transaction accepts. Empty if any node may route them, or if
    only one node can use the store."""

    def now(self) -> Ms:
        """The time by the database's clock, which all nodes share. Only leases use it."""

    def one(self, statement: Statement, params: Params = NOTHING) -> Row | None:
        """Run a statement that returns one row or none. Reads to the end of the result, as RETURNING needs."""

    def all(self, statement: Statement, params: Params = NOTHING) -> Sequence[Row]:
        """Run a statement and return all its rows."""

    def each(self, statement: Statement, params: Params = NOTHING) -> Iterator[Row]:
        """Yield rows one by one, for a reader that may stop early. Write nothing while it runs."""

    def run(self, statement: Statement, params: Params = NOTHING) -> int:
        """Run a statement that has no RETURNING; returns the number of rows that it changed."""

    def batch(self, statement: BatchStatement, lines: Sequence[ParamRow]) -> Sequence[Row]:
        """Run the statement for all lines, in few calls of the database. The returned rows have no defined order."""

    def lock(self, names: Iterable[LockName]) -> None:
        """Lock these names until the transaction ends. Waits for other transactions that have locked one of them.

        A unit calls it before a read that must still be true when it writes. On SQLite it does nothing, since there is
        only one writer. All calls lock their names in the same order, so two calls cannot wait for each other.
        """

    def lock_free(self, names: Iterable[LockName]) -> set[LockName]:
        """Lock those names that no other transaction has locked. Does not wait. Returns the names that it locked."""

    def wake(self, work: Work) -> None:
        """After the commit, wake the loops that do this kind of work, on all nodes."""

    def wake_others(self, work: Work) -> None:
        """After the commit, wake the loops of the other nodes only. The loop of this node knows of the work already."""

    def if_caller_gone(self, repair: Unit[object]) -> None:
        """If the caller does not learn that this unit was committed, the writer runs ``repair`` before any later work.

        A caller does not learn it if it was cancelled, or if COMMIT failed with an unknown outcome. So ``repair`` must
        do nothing if the unit was not committed.
        """
