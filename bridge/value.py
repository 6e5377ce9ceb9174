"""Declares the value objects of this program: keyword-only, with slots, compared by their fields, never changed.

``dataclass(frozen=True)`` checks every assignment at run time, also in ``__init__``: making one takes more than twice
as long, and each message makes some twenty. Here only the type checker refuses to change a field, which costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value_object(cls: type[T]) -> type[T]:
    """Class decorator: makes a value object of a class with annotated fields."""
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(cls)
