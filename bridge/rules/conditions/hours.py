"""``hours``: the time is within one of these working hours of the configuration, or outside of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.context import RuleContext
from bridge.rules.reasons import Reason, Wording
from bridge.rules.schedule import Hours
from bridge.rules.values import Filled, OneOrMany, Strict, check_known, in_context, shape
from bridge.value import value_object

_WITHIN = Wording(en="it is within {windows}", ru="сейчас рабочее время {windows}")
_OUTSIDE = Wording(en="it is outside {windows}", ru="сейчас не рабочее время {windows}")


def _check(name: str, context: RuleContext) -> None:
    check_known(name, context.hours, "window", "`hours`")
    if fault := context.hours[name].fault:
        raise ValueError(f"the window `{name}` cannot be used: {fault}")


_Windows = Annotated[tuple[Annotated[Filled, in_context(_check)], ...], OneOrMany]


class OutsideEntry(Strict):
    """``hours: {outside: office}``."""

    outside: _Windows = Field(examples=["outside: office"])


class HoursKeys(Keys):
    hours: (
        Annotated[
            Annotated[_Windows, Tag("text")] | Annotated[_Windows, Tag("list")] | Annotated[OutsideEntry, Tag("keys")],
            Discriminator(shape),
        ]
        | None
    ) = None

    def condition(self, scope: Scope) -> Condition | None:
        if self.hours is None:
            return None
        outside = isinstance(self.hours, OutsideEntry)
        names = self.hours.outside if isinstance(self.hours, OutsideEntry) else self.hours
        return WithinHours(windows={name: scope.context.hours[name] for name in names}, outside=outside)


@value_object
class WithinHours(Condition):
    """The time is within one of these working hours or, with ``outside``, within none of them."""

    windows: Mapping[str, Hours]
    outside: bool

    def met(self, view: View, captures: Captures) -> Captures | None:
        is_open = any(hours.is_open(view.now) for hours in self.windows.values())
        return captures if is_open is not self.outside else None

    def why(self, view: View, captures: Captures) -> Reason:
        return self._reason(within=not self.outside)

    def why_not(self, view: View, captures: Captures) -> Reason:
        return self._reason(within=self.outside)

    def _reason(self, *, within: bool) -> Reason:
        wording = _WITHIN if within else _OUTSIDE
        return Reason(key="hours", wording=wording, params={"windows": ", ".join(self.windows)})
