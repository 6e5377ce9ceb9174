"""Why a message got what it got: the words as they are compared, each rule tried, why it matched or did not.

The same views and the same conditions as in a decision, without the index: rules that the index passes over are
tried here, too, since their reasons are what a person asks for.
"""

from __future__ import annotations

from bridge.model.base import Ms
from bridge.model.decision import Decision
from bridge.rules.conditions import met_by, why, why_not
from bridge.rules.context import RuleMessage
from bridge.rules.engine import RuleSet, Views
from bridge.rules.index import Rule
from bridge.value import value_object


@value_object
class Tried:
    """One rule that was asked."""

    rule: str
    file: str
    line: int
    matched: bool
    reason: str
    """The key that did not hold and what was there instead; where it matched, each key and what made it hold."""


@value_object
class Explanation:
    words: tuple[str, ...]
    """The text's words as they are compared."""
    prefix: tuple[str, ...]
    """The words of the prefix that holds; empty: none."""
    words_behind: tuple[str, ...]
    """What is left of the words for rules with that prefix."""
    tried: tuple[Tried, ...]
    """In the order of the files, up to the rule that ended the search; all of them where none did."""
    decision: Decision
    """What follows, before any guard. Its ``fired`` are the matched ones of :attr:`tried`."""

    @property
    def winner(self) -> Tried | None:
        """The last rule that matched: the one that ended the search, if any did."""
        return next((one for one in reversed(self.tried) if one.matched), None)


def explain(rules: RuleSet, message: RuleMessage, now: Ms) -> Explanation:
    """:param now: the time of receipt. Takes time with the number of rules, unlike a decision."""
    views = rules.views(message, now)
    decision = rules.decide(message, now)
    last = decision.fired[-1].rule if decision.fired else None
    tried: list[Tried] = []
    for rule in rules.rules:
        matched, reason = _tried(rule, views)
        tried.append(Tried(rule=rule.name, file=rule.file, line=rule.line, matched=matched, reason=reason))
        if rule.name == last and not (rule.goes_on and decision.fired[-1].error is None):
            break
    return Explanation(
        words=views.whole.words,
        prefix=views.prefix,
        words_behind=views.behind.words,
        tried=tuple(tried),
        decision=decision,
    )


def _tried(rule: Rule, views: Views) -> tuple[bool, str]:
    """Whether it matches, and why."""
    if not rule.enabled:
        return False, "enabled: it is switched off"
    if rule.prefix and rule.prefix != views.prefix:
        holds = f"{' '.join(views.prefix)} holds" if views.prefix else "none holds"
        return False, f"prefix: {holds}, not {' '.join(rule.prefix)}"
    view = views.of(rule)
    if met_by(rule.conditions, view) is None:
        return False, why_not(rule.conditions, view)
    reasons = [f"prefix: {' '.join(rule.prefix)} holds"] if rule.prefix else []
    if rule.conditions:
        reasons.append(why(rule.conditions, view))
    return True, "; ".join(reasons) or "no conditions: takes whatever comes"
