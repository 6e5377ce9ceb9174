"""``contains``: one of these words or phrases stands somewhere in the text."""

from __future__ import annotations

from typing import Annotated

from bridge.rules.conditions.base import WORD, Captures, Condition, Keys, Needs, Scope, View
from bridge.rules.reasons import Reason, Wording, listed
from bridge.rules.values import OneOrMany, Phrase
from bridge.text import folding
from bridge.value import value_object

_FOUND = Wording(en="{phrase} is in the text", ru="в тексте есть {phrase}")
_MISSING = Wording(en="none of {phrases} in the text", ru="в тексте нет ничего из этого: {phrases}")


class ContainsKeys(Keys):
    contains: Annotated[tuple[Phrase, ...], OneOrMany] = ()

    def condition(self, scope: Scope) -> Condition | None:
        if not self.contains:
            return None
        return Contains(phrases=tuple(map(folding.folded_words, self.contains)), written=self.contains)


@value_object
class Contains(Condition):
    """The words of one of these phrases stand in the text, whole and in this order."""

    phrases: tuple[tuple[str, ...], ...]
    """Folded words."""
    written: tuple[str, ...]

    @property
    def needs(self) -> Needs:
        return frozenset((WORD, phrase[0]) for phrase in self.phrases)

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if any(_is_in(phrase, view.words) for phrase in self.phrases) else None

    def why(self, view: View, captures: Captures) -> Reason:
        found = next(phrase for phrase in self.phrases if _is_in(phrase, view.words))
        return Reason(key="contains", wording=_FOUND, params={"phrase": " ".join(found)})

    def why_not(self, view: View, captures: Captures) -> Reason:
        return Reason(key="contains", wording=_MISSING, params={"phrases": listed(self.written)})


def _is_in(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if len(phrase) == 1:
        return phrase[0] in words
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))
