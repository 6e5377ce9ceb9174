"""How the values of this program are declared: keyword-only, with slots, compared by their fields, never changed.

``dataclass(frozen=True)`` looks every assignment up at run time, in ``__init__`` too: more than twice the time to make
one, and a message makes some twenty of them on its way. So the promise is kept where it costs nothing: the type
checker, which sees every line of the program, refuses to change a field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value_object(cls: type[T]) -> type[T]:
    """Class decorator."""
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(cls)
