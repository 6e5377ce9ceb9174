"""Explains a decision: the words as they are compared, each rule that was tried, and why it matched or did not.

Uses the same views and conditions as a decision, but not the index: people also ask about rules that the index leaves
out.
"""

from __future__ import annotations

from bridge.model.base import Ms
from bridge.model.decision import Decision
from bridge.rules.conditions.base import met_by, why, why_not
from bridge.rules.context import RuleMessage
from bridge.rules.engine import RuleSet, Views
from bridge.rules.reasons import Reason, Wording
from bridge.rules.rule import Rule
from bridge.value import value_object

_SWITCHED_OFF = Wording(en="it is switched off", ru="правило выключено")
_NO_CONDITIONS = Wording(en="no conditions: takes whatever comes", ru="условий нет: подходит любое сообщение")
_PREFIX = Wording(en="{prefix} holds", ru="сообщение пришло с префиксом {prefix}")
_OTHER_PREFIX = Wording(en="{actual} holds, not {wanted}", ru="префикс {actual}, а нужен {wanted}")
_NO_PREFIX = Wording(en="none holds, not {wanted}", ru="префикса нет, а нужен {wanted}")


@value_object
class TriedRule:
    """One rule that was tried."""

    rule: str
    file: str
    line: int
    matched: bool
    reason: Reason
    """For a rule that matched, the reasons of all its conditions; else the reason of the first that did not hold."""


@value_object
class Explanation:
    words: tuple[str, ...]
    """The words of the text as they are compared."""
    prefix: tuple[str, ...]
    """The words of the prefix that the message has; empty: none."""
    words_after_prefix: tuple[str, ...]
    """The words that rules with that prefix see."""
    tried: tuple[TriedRule, ...]
    """In the order of the files, up to the rule that ended the search, or to the last rule."""
    decision: Decision
    """The decision, before any guard. Its ``fired`` are the rules of :attr:`tried` that matched."""

    @property
    def winner(self) -> TriedRule | None:
        """The last rule that matched; it ended the search, unless it has ``continue``."""
        return next((one for one in reversed(self.tried) if one.matched), None)


def explain(rules: RuleSet, message: RuleMessage, now: Ms) -> Explanation:
    """Explain the decision about a message. Takes time in proportion to the number of rules, unlike a decision.

    :param now: the time of receipt.
    """
    views = rules.views(message, now)
    decision = rules.decide(message, now)
    last = decision.fired[-1].rule if decision.fired else None
    tried: list[TriedRule] = []
    for rule in rules.rules:
        matched, reason = _try(rule, views)
        tried.append(TriedRule(rule=rule.name, file=rule.file, line=rule.line, matched=matched, reason=reason))
        if rule.name == last and not (rule.continues and decision.fired[-1].error is None):
            break
    return Explanation(
        words=views.whole.words,
        prefix=views.prefix,
        words_after_prefix=views.after_prefix.words,
        tried=tuple(tried),
        decision=decision,
    )


def _try(rule: Rule, views: Views) -> tuple[bool, Reason]:
    """Whether the rule matches, and why."""
    if not rule.enabled:
        return False, Reason(key="enabled", wording=_SWITCHED_OFF)
    if rule.prefix and rule.prefix != views.prefix:
        return False, _other_prefix(" ".join(views.prefix), " ".join(rule.prefix))
    view = views.of(rule)
    if met_by(rule.conditions, view) is None:
        return False, why_not(rule.conditions, view)
    reasons = why(rule.conditions, view)
    if rule.prefix:
        holds = Reason(key="prefix", wording=_PREFIX, params={"prefix": " ".join(rule.prefix)})
        reasons = (holds, *reasons)
    return True, Reason(parts=reasons) if reasons else Reason(wording=_NO_CONDITIONS)


def _other_prefix(actual: str, wanted: str) -> Reason:
    if not actual:
        return Reason(key="prefix", wording=_NO_PREFIX, params={"wanted": wanted})
    return Reason(key="prefix", wording=_OTHER_PREFIX, params={"actual": actual, "wanted": wanted})
