"""``limit``: how often the rule may match."""

from __future__ import annotations

from pydantic import model_validator

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.rules.conditions.base import Captures, Condition, Scope, View
from bridge.rules.reasons import Reason, Wording
from bridge.rules.values import Strict
from bridge.schema import Rate, RateValue
from bridge.value import value_object

Limit = tuple[int, Ms]
"""Most matches within a period, and the period in milliseconds."""


_NOT_REACHED = Wording(en="not reached", ru="не исчерпан")
_REACHED_BY_SENDER = Wording(
    en="matched {count} times for this sender already",
    ru="для этого отправителя правило уже сработало столько раз: {count}",
)
_REACHED = Wording(en="matched {count} times already", ru="правило уже сработало столько раз: {count}")


class LimitEntry(Strict):
    """How often the rule may match, for one sender and for all senders together."""

    per_sender: RateValue | None = None
    total: RateValue | None = None

    @model_validator(mode="after")
    def _says_something(self) -> LimitEntry:
        if self.per_sender is None and self.total is None:
            raise ValueError("says nothing; write `per_sender: 3 per hour` or `total: 100 per day`")
        return self

    def condition(self, scope: Scope) -> WithinLimit:
        return WithinLimit(rule=scope.rule, per_sender=as_limit(self.per_sender), total=as_limit(self.total))


def as_limit(rate: Rate | None) -> Limit | None:
    return None if rate is None else (rate.count, rate.per)


@value_object
class WithinLimit(Condition):
    """The rule has matched fewer times than its limits allow, within the periods that end now."""

    rule: str
    per_sender: Limit | None
    total: Limit | None

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if self._exceeded(view) is None else None

    def why(self, view: View, captures: Captures) -> Reason:
        return Reason(key="limit", wording=_NOT_REACHED)

    def why_not(self, view: View, captures: Captures) -> Reason:
        return self._exceeded(view) or Reason(key="limit")

    def _exceeded(self, view: View) -> Reason | None:
        uses = view.message.uses
        if self.per_sender is not None:
            count, period = self.per_sender
            if uses.of_sender(self.rule, RuleCounter.MATCH, view.now - period) >= count:
                return Reason(key="limit", wording=_REACHED_BY_SENDER, params={"count": count})
        if self.total is not None and uses.totals.get(self.rule, 0) >= self.total[0]:
            return Reason(key="limit", wording=_REACHED, params={"count": self.total[0]})
        return None
