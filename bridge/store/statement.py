"""An SQL statement with the types of its parameters. Both engines run the same text.

The text uses only what both engines understand: integer milliseconds, ON CONFLICT, RETURNING, named parameters
(``:name``), and no functions that only one engine has.

A state is a literal in the text wherever a partial index must match: a parameter would hide the index from the planner.
Some conditions are always true (``id > 0``, ``due_at >= 0``). They repeat the condition of a partial index, so that
PostgreSQL uses this index and no other, even for a table without statistics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bridge.store.schema.types import INTEGER, ColumnType

Types = Mapping[str, ColumnType]

COMMON: Types = dict.fromkeys(("now", "since", "until", "before", "after", "limit"), INTEGER)
"""The types of parameters that mean the same in every statement: points in time, ids, numbers of rows."""
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Statement:
    """A statement with named parameters. :meth:`bridge.store.schema.mapping.Table.statement` makes most of them.

    :raises TypeError: a parameter is neither in ``types`` nor in :data:`COMMON`.
    """

    __slots__ = ("text", "types")

    def __init__(self, text: str, types: Types | None = None) -> None:
        self.text = text
        self.types = declared(dict.fromkeys(_PARAMETER.findall(text)), types or {})
        """Parameter name → type, in the order of first use."""

    def with_parameters(self, replacements: Mapping[str, str]) -> str:
        """The text with each parameter ``:name`` replaced by ``replacements[name]``."""
        return _PARAMETER.sub(lambda match: replacements[match[1]], self.text)


def declared(names: Iterable[str], types: Types) -> dict[str, ColumnType]:
    """The type of each name, from ``types`` or :data:`COMMON`. :raises TypeError: a name is in neither."""
    known = {**COMMON, **types}
    try:
        return {name: known[name] for name in names}
    except KeyError as error:
        raise TypeError(f"the type of {error} is not declared") from None
