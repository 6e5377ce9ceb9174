"""``conversation``: whether a person of the team wrote to the sender lately."""

from __future__ import annotations

from typing import Literal

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.reasons import Reason, Wording
from bridge.value import value_object

_OPEN = Wording(en="it is open", ru="она открыта")
_NONE = Wording(en="it is none", ru="её нет")


class ConversationKeys(Keys):
    conversation: Literal["open", "none"] | None = None

    def condition(self, scope: Scope) -> Condition | None:
        return None if self.conversation is None else ConversationIs(is_open=self.conversation == "open")


@value_object
class ConversationIs(Condition):
    """A person of the team wrote to the sender lately, or did not."""

    is_open: bool

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if view.message.conversation_open is self.is_open else None

    def why(self, view: View, captures: Captures) -> Reason:
        return _reason(self.is_open)

    def why_not(self, view: View, captures: Captures) -> Reason:
        return _reason(not self.is_open)


def _reason(is_open: bool) -> Reason:
    return Reason(key="conversation", wording=_OPEN if is_open else _NONE)
