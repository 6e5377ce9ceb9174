"""``keyword``: the text begins with one of these words. ``glued``, ``typo`` and ``layout`` allow other spellings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.keywords import Keyword, Spelling, forgives_typos, has_other_layout
from bridge.rules.reasons import Reason, Wording, listed
from bridge.rules.values import Filled, OneOrMany, has_word
from bridge.schema import Flag
from bridge.text import folding
from bridge.value import value_object


def _one_word(value: str) -> str:
    if "," in value:
        raise ValueError(f"several keywords are a list: [{value}]")
    count = len(folding.analyse(has_word(value)).words)
    if count > 1:
        raise ValueError(f"`{value}` is {count} words, a keyword is one; for several words use `contains`")
    return value


def _one_edit(value: object) -> object:
    if value not in ("0", "1", 0, 1):
        raise ValueError("expected 1 (one wrong letter is forgiven) or 0")
    return int(str(value))


class KeywordKeys(Keys):
    keyword: Annotated[tuple[Annotated[Filled, AfterValidator(_one_word)], ...], OneOrMany] = ()
    glued: Flag = False
    typo: Annotated[int, BeforeValidator(_one_edit)] = 0
    layout: Flag = False

    def mistakes(self, *, has_keyword: bool) -> Iterator[tuple[str, str]]:
        for key in ("glued", "typo", "layout"):
            if getattr(self, key) and not self.keyword:
                yield key, "needs a `keyword` beside it"
        if self.typo and self.keyword and not any(forgives_typos(word) for word in self.keyword):
            yield "typo", "needs a keyword of 5 letters or more: shorter ones are too like each other"
        if self.layout and self.keyword and not any(map(has_other_layout, self.keyword)):
            yield "layout", "needs a keyword with letters"

    def condition(self, scope: Scope) -> Condition | None:
        if not self.keyword:
            return None
        keywords = tuple(Keyword(folded=folding.folded_words(word)[0], written=word) for word in self.keyword)
        spellings = {Spelling.EXACT: frozenset(word.folded for word in keywords)}
        if self.glued:
            spellings[Spelling.GLUED] = spellings[Spelling.EXACT]
        if self.layout:
            spellings[Spelling.LAYOUT] = frozenset(word.folded for word in keywords if has_other_layout(word.written))
        if self.typo:
            spellings[Spelling.TYPO] = frozenset(word.folded for word in keywords if forgives_typos(word.written))
        return BeginsWithKeyword(spellings=spellings, keywords=keywords)


_STARTS = {
    Spelling.EXACT: Wording(en="the first word is {word}", ru="первое слово — {word}"),
    Spelling.GLUED: Wording(
        en="the text begins with {word}, with a number beside it",
        ru="текст начинается с {word}, число написано слитно",
    ),
    Spelling.LAYOUT: Wording(
        en="the text begins with {word}, typed in the other keyboard layout",
        ru="текст начинается с {word} в другой раскладке клавиатуры",
    ),
    Spelling.TYPO: Wording(
        en="the text begins with {word}, with one wrong letter", ru="текст начинается с {word} с одной опечаткой"
    ),
}
_OTHER_WORD = Wording(en="the first word is {word}, not {wanted}", ru="первое слово — {word}, а не {wanted}")
_NO_WORD = Wording(en="there is no word, not {wanted}", ru="в тексте нет слов, а нужно {wanted}")


@value_object
class BeginsWithKeyword(Condition):
    """The text begins with one of these keywords, in a spelling that the rule forgives."""

    spellings: Mapping[Spelling, frozenset[str]]
    """For each spelling that the rule allows, the keywords that may have it, folded."""
    keywords: tuple[Keyword, ...]

    @property
    def needs(self) -> frozenset[tuple[Spelling, str]]:
        return frozenset((spelling, word) for spelling, words in self.spellings.items() for word in words)

    def met(self, view: View, captures: Captures) -> Captures | None:
        for match in view.keywords:
            if match.keyword in self.spellings.get(match.spelling, ()):
                return Captures(keyword=match, groups=captures.groups)
        return None

    def why(self, view: View, captures: Captures) -> Reason:
        met = self.met(view, captures)
        if met is None or met.keyword is None:
            return Reason()
        return Reason(key="keyword", wording=_STARTS[met.keyword.spelling], params={"word": met.keyword.keyword})

    def why_not(self, view: View, captures: Captures) -> Reason:
        wanted = listed(tuple(keyword.written for keyword in self.keywords))
        if not view.words:
            return Reason(key="keyword", wording=_NO_WORD, params={"wanted": wanted})
        return Reason(key="keyword", wording=_OTHER_WORD, params={"word": view.words[0], "wanted": wanted})
