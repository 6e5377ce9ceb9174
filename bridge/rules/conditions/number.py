"""``from`` and ``to``: the sender's number, or the number written to, is one of these."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import Field

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.context import RuleContext
from bridge.rules.number_patterns import NumberPatterns, compile_numbers
from bridge.rules.reasons import Reason
from bridge.rules.values import Filled, OneOrMany, in_context
from bridge.value import value_object


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
        return self._reason(view, "listed")

    def why_not(self, view: View, captures: Captures) -> Reason:
        return self._reason(view, "not_listed")

    def _reason(self, view: View, text: str) -> Reason:
        if number := self.number(view):
            return Reason(key=self.key, text=f"number.{text}", params={"number": number})
        return Reason(key=self.key, text=f"{self.key}.{text}")


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
