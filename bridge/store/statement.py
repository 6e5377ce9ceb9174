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

from bridge.store.schema.types import INTEGER, ColumnType

Types = Mapping[str, ColumnType]

COMMON: Types = dict.fromkeys(("now", "since", "until", "before", "after", "limit"), INTEGER)
"""Parameters that mean the same in every statement: points in time, ids, numbers of rows."""
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Statement:
    """A statement with named parameters; mostly made by :meth:`bridge.store.schema.mapping.Table.statement`.

    :raises TypeError: a parameter is neither in ``types`` nor in :data:`COMMON`.
    """

    __slots__ = ("text", "types")

    def __init__(self, text: str, types: Types | None = None) -> None:
        self.text = text
        self.types = declared(dict.fromkeys(_PARAMETER.findall(text)), types or {})
        """Of the parameters, in the order of their first use."""

    def with_parameters(self, replacements: Mapping[str, str]) -> str:
        """The text with each parameter ``:name`` replaced by ``written[name]``."""
        return _PARAMETER.sub(lambda match: replacements[match[1]], self.text)


def declared(names: Iterable[str], types: Types) -> dict[str, ColumnType]:
    """The type of each name. :raises TypeError: one is not declared."""
    known = {**COMMON, **types}
    try:
        return {name: known[name] for name in names}
    except KeyError as error:
        raise TypeError(f"the type of {error} is not declared") from None
