"""``from`` and ``to``: the sender's number, or the number written to, is one of these."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import Field

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.context import RuleContext
from bridge.rules.number_patterns import NumberPatterns, compile_numbers
from bridge.rules.reasons import Reason, Wording
from bridge.rules.values import Filled, OneOrMany, in_context
from bridge.value import value_object

_LISTED = Wording(en="{number} is one of these", ru="{number} — один из этих номеров")
_NOT_LISTED = Wording(en="{number} is none of these", ru="{number} — не из этих номеров")
_UNKNOWN = {
    "from": Wording(en="the sender", ru="отправитель"),
    "to": Wording(en="the number written to", ru="номер получателя"),
}


def _check(written: str, context: RuleContext) -> None:
    compile_numbers([written], context)


_Numbers = Annotated[tuple[Annotated[Filled, in_context(_check)], ...], OneOrMany]


class FromKeys(Keys):
    from_: _Numbers = Field(default=(), alias="from")

    def condition(self, scope: Scope) -> Condition | None:
        return FromNumber(numbers=compile_numbers(self.from_, scope.context)) if self.from_ else None


class ToKeys(Keys):
    to: _Numbers = ()

    def condition(self, scope: Scope) -> Condition | None:
        return ToNumber(numbers=compile_numbers(self.to, scope.context)) if self.to else None


@value_object
class _OneOfNumbers(Condition):
    numbers: NumberPatterns

    @property
    @abstractmethod
    def key(self) -> str: ...

    @abstractmethod
    def number(self, view: View) -> str: ...

    def excludes(self, other: Condition) -> bool:
        return type(other) is type(self) and isinstance(other, _OneOfNumbers) and self.numbers.disjoint(other.numbers)

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if self.number(view) in self.numbers else None

    def why(self, view: View, captures: Captures) -> Reason:
        return self._reason(view, _LISTED)

    def why_not(self, view: View, captures: Captures) -> Reason:
        return self._reason(view, _NOT_LISTED)

    def _reason(self, view: View, wording: Wording) -> Reason:
        return Reason(key=self.key, wording=wording, params={"number": self.number(view) or _UNKNOWN[self.key]})


@value_object
class FromNumber(_OneOfNumbers):
    """The sender is one of these numbers."""

    @property
    def key(self) -> str:
        return "from"

    def number(self, view: View) -> str:
        return view.message.subscriber


@value_object
class ToNumber(_OneOfNumbers):
    """The number written to is one of these."""

    @property
    def key(self) -> str:
        return "to"

    def number(self, view: View) -> str:
        return view.receiver
