"""What a move is made of, whichever engines it is between: tables, their rows in the order of their keys, a digest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from graphlib import CycleError, TopologicalSorter
from hashlib import blake2b
from typing import Protocol

from bridge.errors import StoreError
from bridge.model.base import Ms
from bridge.store.schema.mapping import Line
from bridge.store.transaction import storable
from bridge.value import value_object

BATCH = 5_000
"""Rows that are in memory at a time: some megabytes."""
OWN = frozenset({"schema_version", "identity", "node", "leader"})
"""Tables that are not copied: what a database says of itself and of its nodes."""
_NODES = frozenset({"taken_by", "sent_by"})
"""Columns that name the node whose work a row is. They are copied empty, since no node runs while a store is copied."""

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all."""

KINDS: Mapping[str, type] = {"INTEGER": int, "TEXT": str, "BLOB": bytes, "REAL": float}
"""Column types as the migrations write them."""


@value_object
class Table:
    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    """Of the columns, words of ``KINDS``."""
    key: tuple[str, ...]
    """Columns of the primary key, in its order."""

    @property
    def listed(self) -> str:
        return ", ".join(self.columns)

    @property
    def read(self) -> str:
        return ", ".join(f"'' AS {column}" if column in _NODES else column for column in self.columns)

    @property
    def ordered(self) -> str:
        return ", ".join(self.key)


@value_object
class Content:
    """What is in a table."""

    rows: int
    digest: str


class Digest:
    """Of rows in one order, the same for both engines: of what Python reads from either."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._rows = 0

    def add(self, lines: list[Line]) -> None:
        """At least one."""
        # Without the brackets: however many come at a time, the sum is the same.
        self._hash.update(f"{repr(lines)[1:-1]}, ".encode())
        self._rows += len(lines)

    def content(self) -> Content:
        return Content(rows=self._rows, digest=self._hash.hexdigest())


class Source(Protocol):
    """A store that nobody changes meanwhile. Errors name it."""

    where: str

    async def know_itself(self, now: Ms) -> None:
        """A copy that has not noticed yet that it is one is marked before it is read."""

    async def tables(self) -> Sequence[Table]:
        """All but ``OWN``, those that others refer to first."""

    async def count(self, table: Table) -> int: ...

    def lines(self, table: Table) -> AsyncIterator[list[Line]]:
        """Its rows in the order of its key, some at a time."""

    async def mark(self, now: Ms) -> None:
        """From now on it is a copy of what goes on elsewhere; durable when this returns."""


class Target(Protocol):
    """A store that nobody else sees before it is whole."""

    where: str

    async def tables(self) -> Sequence[Table]: ...

    async def put(self, table: Table, lines: Sequence[Line]) -> None: ...

    def lines(self, table: Table) -> AsyncIterator[list[Line]]: ...

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """All of the move: kept at its end, or gone without a trace."""

    async def finish(self, tables: Sequence[Table]) -> None:
        """After the last row: what else makes it usable."""


def in_order(tables: Iterable[Table], refers: Mapping[str, Iterable[str]]) -> list[Table]:
    """Those that others refer to first; ``refers`` names what a table refers to."""
    named = {table.name: table for table in sorted(tables, key=lambda table: table.name)}
    graph = {name: {other for other in refers.get(name, ()) if other != name} for name in named}
    try:
        return [named[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise StoreError("tables refer to each other in a circle: they cannot be copied one by one") from error


def misfit(table: Table, lines: Sequence[Line]) -> str | None:
    """The first value that is not what its column holds, in words without the value."""
    for line in lines:
        for column, kind, value in zip(table.columns, table.kinds, line, strict=True):
            fits = value is None or (type(value) is KINDS[kind] and (not isinstance(value, str) or fit(value)))
            if not fits:
                at = table.columns.index(table.key[0])
                row = f" of row {line[at]!r}" if table.kinds[at] == "INTEGER" else ""
                return f"{table.name}.{column}{row} holds a {type(value).__name__} that does not belong there"
    return None


def fit(text: str) -> bool:
    return storable(text) == text
