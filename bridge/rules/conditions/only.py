"""``only``: the keyword is the only word of the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.reasons import Reason, Wording
from bridge.schema import Flag
from bridge.text import folding
from bridge.value import value_object

COURTESIES: Final = frozenset(
    folding.fold(word)
    for word in (
        *("спасибо", "пожалуйста", "пожалста", "плиз", "благодарю", "большое", "заранее", "вам", "просьба", "прошу"),
        *("please", "pls", "plz", "thanks", "thank", "thx", "you"),
    )
)
"""Words that make "Стоп" polite and do not change what it asks for."""


_ALONE = Wording(en="the keyword stands alone", ru="кроме ключевого слова ничего нет")
_BESIDE_COURTESIES = Wording(
    en="but for {rest} the keyword stands alone", ru="кроме ключевого слова и вежливых слов ({rest}) ничего нет"
)
_MORE_WORDS = Wording(en="the keyword does not stand alone", ru="кроме ключевого слова есть другие слова")


class OnlyKeys(Keys):
    only: Flag = False

    def mistakes(self, *, has_keyword: bool) -> Iterator[tuple[str, str]]:
        if self.only and not has_keyword:
            yield "only", "needs a `keyword` beside it"

    def condition(self, scope: Scope) -> Condition | None:
        """The condition. In a rule that opts out or in, courtesies may follow the keyword; then it asks a person."""
        allowed = COURTESIES if scope.changes_opt_out else frozenset[str]()
        return KeywordAlone(allowed=allowed) if self.only else None


@value_object
class KeywordAlone(Condition):
    """No word follows the keyword, apart from those that are allowed."""

    allowed: frozenset[str] = frozenset()
    """Folded words that may follow the keyword."""

    def met(self, view: View, captures: Captures) -> Captures | None:
        match = captures.keyword
        if match is None or match.end is None:
            alone = len(view.words) <= 1 or self.allowed.issuperset(view.words[1:])
        else:
            alone = all(word.folded in self.allowed for word in match.rest(view.folded))
        return captures if alone else None

    def why(self, view: View, captures: Captures) -> Reason:
        rest = captures.words(view)
        if rest:
            return Reason(key="only", wording=_BESIDE_COURTESIES, params={"rest": " ".join(rest)})
        return Reason(key="only", wording=_ALONE)

    def why_not(self, view: View, captures: Captures) -> Reason:
        return Reason(key="only", wording=_MORE_WORDS)
