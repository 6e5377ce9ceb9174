"""``account``: the message came by one of these accounts."""

from __future__ import annotations

from typing import Annotated

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.context import RuleContext
from bridge.rules.reasons import Reason, Wording, listed
from bridge.rules.values import Filled, OneOrMany, check_known, in_context
from bridge.value import value_object

_THIS = Wording(en="it came by {account}", ru="сообщение пришло через {account}")
_OTHER = Wording(en="it came by {account}, not {wanted}", ru="сообщение пришло через {account}, а не {wanted}")
_NONE = Wording(en="it came by none, not {wanted}", ru="учётная запись неизвестна, а нужна {wanted}")


def _check(name: str, context: RuleContext) -> None:
    if context.accounts is not None:
        check_known(name, context.accounts, "account")


class AccountKeys(Keys):
    account: Annotated[tuple[Annotated[Filled, in_context(_check)], ...], OneOrMany] = ()

    def condition(self, scope: Scope) -> Condition | None:
        return ByAccount(names=frozenset(self.account)) if self.account else None


@value_object
class ByAccount(Condition):
    """The message came by one of these accounts."""

    names: frozenset[str]

    def excludes(self, other: Condition) -> bool:
        return isinstance(other, ByAccount) and self.names.isdisjoint(other.names)

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if view.message.account in self.names else None

    def why(self, view: View, captures: Captures) -> Reason:
        return Reason(key="account", wording=_THIS, params={"account": view.message.account})

    def why_not(self, view: View, captures: Captures) -> Reason:
        account, wanted = view.message.account, listed(tuple(sorted(self.names)))
        if not account:
            return Reason(key="account", wording=_NONE, params={"wanted": wanted})
        return Reason(key="account", wording=_OTHER, params={"account": account, "wanted": wanted})
