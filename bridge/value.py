"""Declares the value objects of this program: keyword-only, with slots, compared by their fields, never changed.

The type checker refuses to change a field. ``dataclass(frozen=True)`` would refuse it at run time as well, but it
checks every assignment, also those in ``__init__``. Making an object would take more than twice as long, and each
message makes some twenty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value_object(cls: type[T]) -> type[T]:
    """Class decorator that turns a class with annotated fields into a value object."""
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(cls)
