"""One SQL statement with the types of its parameters. Both engines run the same text.

Written so that both understand it: integer milliseconds, ON CONFLICT, RETURNING, named parameters (``:name``), no
functions of one engine. States stand in the text as literals wherever a partial index must match: a parameter would
hide the index from the planner. Some conditions that are always true (``id > 0``, ``due_at >= 0``) are there because a
partial index asks for them, so that PostgreSQL takes this index and no other, even for a table that it has no
statistics of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bridge.store.schema.mapping import ColumnType, Table

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Statement:
    """A statement with named parameters.

    A parameter that is called like a column of one of ``tables`` has the type of that column; the types of the others
    are keyword arguments.
    :raises TypeError: the type of a parameter is not declared, or a type is declared for no parameter.
    """

    __slots__ = ("text", "types")

    def __init__(self, text: str, /, *tables: Table, **types: ColumnType) -> None:
        self.text = text
        self.types = declared(dict.fromkeys(_PARAMETER.findall(text)), tables, types)
        """Of the parameters, in the order of their first use."""

    def with_parameters(self, written: Mapping[str, str]) -> str:
        """The text with each parameter ``:name`` replaced by ``written[name]``."""
        return _PARAMETER.sub(lambda match: written[match[1]], self.text)


def declared(names: Iterable[str], tables: Iterable[Table], types: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The type of each name. :raises TypeError: one is not declared, or one too many is."""
    known = {name: type for table in reversed([*tables]) for name, type in table.types.items()} | {**types}
    names = [*names]
    if unknown := [name for name in names if name not in known]:
        raise TypeError(f"parameters without a type: {', '.join(unknown)}")
    if unused := types.keys() - names:
        raise TypeError(f"types of no parameter: {', '.join(sorted(unused))}")
    return {name: known[name] for name in names}
