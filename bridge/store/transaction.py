"""What a unit of work sees of a transaction, whichever engine it runs on.

It must not begin, commit or roll back: that is its owner's business.

Every text on its way into a database passes :func:`storable`, in the one place nobody can forget: NUL is dropped
(PostgreSQL refuses it) and a lone surrogate becomes U+FFFD (SQLite raises). Lookups pass the same gate, so a cleaned
key finds its row again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from bridge.model.base import Ms
from bridge.store.batch import BatchStatement
from bridge.store.locks import LockName

Value = str | int | float | bytes | None
Params = Mapping[str, Value]
Line = tuple[Value, ...]
"""One of the rows of a :class:`Many`, in the order of its columns."""

T = TypeVar("T")
R = TypeVar("R")
Unit = Callable[["Tx"], T]
"""Work on one transaction: a plain function, possibly run more than once."""
Together = Callable[["Tx", Sequence[T]], Sequence[R]]
"""The same for the items of many callers at once: a result for each of them, in their order."""

NOTHING: Params = {}


class SerializationConflict(Exception):
    """What the unit looked at has changed since, by another transaction: undo it all and run it again."""


class Row(Protocol):
    """A row of a result: by a column's name or place, or taken apart in the statement's order."""

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
    """Statements of one transaction, whole results only."""

    bridge: str
    """Whose transaction it is; empty where there is one bridge alone."""

    router: str
    """Whose it is to route what this transaction takes in; empty: anybody's, or there is one bridge alone."""

    def now(self) -> Ms:
        """By the database's own clock, which all bridges share. For leases, and for nothing else."""

    def one(self, sql: str, params: Params = NOTHING) -> Row | None:
        """The only row of a statement that has one or none. Runs it to its end, as RETURNING needs."""

    def all(self, sql: str, params: Params = NOTHING) -> Sequence[Row]: ...

    def each(self, sql: str, params: Params = NOTHING) -> Iterator[Row]:
        """Rows one by one, for a reader that stops early. Write nothing while it runs."""

    def run(self, sql: str, params: Params = NOTHING) -> int:
        """How many rows a statement without RETURNING changed."""

    def batch(self, statement: BatchStatement, lines: Sequence[Line]) -> Sequence[Row]:
        """One statement for all lines, or a few where there are very many; what it returns, in no order."""

    def lock(self, names: Iterable[LockName]) -> None:
        """Keep other transactions that hold one of these names waiting until this one ends; wait for those that do.

        For what is looked at and then written, where the look must still be true when it is written. SQLite has one
        writer, and nothing to wait for. Names of one call are taken in one order, so that calls cannot block each
        other for good.
        """

    def lock_free(self, names: Iterable[LockName]) -> set[LockName]:
        """Hold those of the names that nobody else holds now; waits for nothing."""

    def if_caller_gone(self, repair: Unit[object]) -> None:
        """Have ``repair`` run, before any later work, if nobody learns of this unit's success.

        That is so where its caller was cancelled, and where COMMIT failed with an unknown outcome. ``repair`` must
        therefore do nothing where the unit was not kept.
        """
