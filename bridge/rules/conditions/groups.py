"""``any``, ``all`` and ``not``: conditions made of conditions. :mod:`bridge.rules.conditions.when` has their keys."""

from __future__ import annotations

from bridge.rules.conditions.base import (
    Captures,
    Condition,
    Need,
    Needs,
    View,
    met_by,
    rarest_needs,
    why,
    why_not,
)
from bridge.rules.reasons import Reason
from bridge.value import value_object


@value_object
class AllOf(Condition):
    """Each of the parts holds; each part knows the captures of the earlier ones."""

    parts: tuple[Condition, ...]

    def inner(self) -> tuple[Condition, ...]:
        return self.parts

    @property
    def needs(self) -> Needs:
        return rarest_needs(self.parts)

    def met(self, view: View, captures: Captures) -> Captures | None:
        return met_by(self.parts, view, captures)

    def why(self, view: View, captures: Captures) -> Reason:
        return Reason(parts=why(self.parts, view, captures))

    def why_not(self, view: View, captures: Captures) -> Reason:
        return why_not(self.parts, view, captures)


@value_object
class AnyOf(Condition):
    """One of the parts holds; the captures are those of the first that does."""

    parts: tuple[Condition, ...]

    def inner(self) -> tuple[Condition, ...]:
        return self.parts

    @property
    def needs(self) -> Needs:
        together: frozenset[Need] = frozenset()
        for part in self.parts:
            if part.needs is None:
                return None
            together |= part.needs
        return together

    def met(self, view: View, captures: Captures) -> Captures | None:
        return next((met for part in self.parts if (met := part.met(view, captures)) is not None), None)

    def why(self, view: View, captures: Captures) -> Reason:
        return next(part.why(view, captures) for part in self.parts if part.met(view, captures) is not None)

    def why_not(self, view: View, captures: Captures) -> Reason:
        return Reason(key="any", parts=tuple(part.why_not(view, captures) for part in self.parts))


@value_object
class NoneOf(Condition):
    """The part does not hold."""

    part: Condition

    def inner(self) -> tuple[Condition, ...]:
        return (self.part,)

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if self.part.met(view, captures) is None else None

    def why(self, view: View, captures: Captures) -> Reason:
        return Reason(key="not", parts=(self.part.why_not(view, captures),))

    def why_not(self, view: View, captures: Captures) -> Reason:
        return Reason(key="not", parts=(self.part.why(view, captures),))
