"""Finds keywords at the beginning of a text: as they are written, next to a number, in the other keyboard layout, with
one wrong letter.

A word that is exactly a keyword of any rule is never taken for a misspelling of another rule's keyword.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from bridge.text import folding
from bridge.text.folding import FoldedText, Word
from bridge.text.typos import one_edit_apart, other_layout, without_one_letter
from bridge.value import value_object

TYPO_FROM: Final = 5
"""Fewest letters of a keyword whose typos are forgiven. Many shorter words differ in one letter only."""

_LAYOUT_MARGIN: Final = 4
"""Longest word that is read in the other layout, in lengths of the longest keyword: signs may surround a keyword."""


class Spelling(StrEnum):
    """How a keyword stands in the text. The spellings are tried in this order."""

    EXACT = "exact"
    GLUED = "glued"
    LAYOUT = "layout"
    TYPO = "typo"


@value_object
class Keyword:
    folded: str
    written: str


@value_object
class KeywordMatch:
    """A keyword that a text may begin with."""

    keyword: str
    """Folded."""
    spelling: Spelling
    end: int | None = None
    """Where the rest of the original text begins; None: after the first word."""

    def args(self, text: FoldedText) -> str:
        """The text after the keyword, as it was written."""
        return text.after(1) if self.end is None else folding.analyse(text.original[self.end :]).after(0)

    def rest(self, text: FoldedText) -> tuple[Word, ...]:
        """The words after the keyword."""
        return text.words[1:] if self.end is None else folding.analyse(text.original[self.end :]).words


@value_object
class Vocabulary:
    """The keywords of all enabled rules, with the spellings that each rule forgives."""

    exact: frozenset[str]
    glued: frozenset[str]
    layout: frozenset[str]
    typos: Mapping[str, tuple[str, ...]]
    """The keywords that forgive a typo. Each is listed under itself and under every form that lacks one letter."""
    longest_glued: int
    longest_layout: int
    longest_typo: int

    @classmethod
    def of(cls, spellings: Iterable[tuple[Spelling, str]]) -> Vocabulary:
        words: defaultdict[Spelling, set[str]] = defaultdict(set)
        for spelling, word in spellings:
            words[spelling].add(word)
        typos: defaultdict[str, list[str]] = defaultdict(list)
        for word in sorted(words[Spelling.TYPO]):
            for short in dict.fromkeys(without_one_letter(word)):
                typos[short].append(word)
        return cls(
            exact=frozenset(words[Spelling.EXACT]),
            glued=frozenset(words[Spelling.GLUED]),
            layout=frozenset(words[Spelling.LAYOUT]),
            typos={short: tuple(found) for short, found in typos.items()},
            longest_glued=max(map(len, words[Spelling.GLUED]), default=0),
            longest_layout=max(map(len, words[Spelling.LAYOUT]), default=0),
            longest_typo=max(map(len, words[Spelling.TYPO]), default=0),
        )

    def find(self, text: FoldedText) -> tuple[KeywordMatch, ...]:
        """Every keyword that the text may begin with. If the first word is exactly a keyword, only this one."""
        if not self.exact:
            return ()
        if not text.words:
            return tuple(self._in_other_layout(text)) if self.layout else ()
        word = text.words[0]
        if word.folded in self.exact:
            return (KeywordMatch(keyword=word.folded, spelling=Spelling.EXACT),)
        return (*self._glued(text, word), *self._in_other_layout(text), *self._misspelt(word.folded))

    def _glued(self, text: FoldedText, word: Word) -> Iterator[KeywordMatch]:
        """Keywords directly followed by a number ("инфо12"), and keywords that are a number followed by letters."""
        if not self.glued:
            return
        longest = min(len(word.folded) - 1, self.longest_glued)
        for size in range(longest, 0, -1):
            head, following = word.folded[:size], word.folded[size]
            if head in self.glued and head[-1].isdigit() != following.isdigit():
                end = folding.end_of_prefix(text.original, word, head)
                if end is not None:
                    yield KeywordMatch(keyword=head, spelling=Spelling.GLUED, end=end)

    def _in_other_layout(self, text: FoldedText) -> Iterator[KeywordMatch]:
        """Keywords typed in the other layout. Some letters share a key with a sign (``[jxe`` for "хочу"), so signs
        count, too: everything up to the first blank is converted."""
        if not self.layout:
            return
        token = next(iter(text.original.split(maxsplit=1)), "")
        start = text.original.find(token)
        bare = token.rstrip("!?.,;:)…\"'»")
        for size in dict.fromkeys((len(token), len(bare))):
            if size > _LAYOUT_MARGIN * self.longest_layout:
                continue
            read = folding.folded_words(other_layout(token[:size]))
            if len(read) == 1 and read[0] in self.layout:
                yield KeywordMatch(keyword=read[0], spelling=Spelling.LAYOUT, end=start + len(token))
                return
        if not text.words or len(text.words[0].folded) > _LAYOUT_MARGIN * self.longest_layout:
            return
        if (other := folding.fold(other_layout(_first(text)))) in self.layout:
            yield KeywordMatch(keyword=other, spelling=Spelling.LAYOUT)

    def _misspelt(self, word: str) -> Iterator[KeywordMatch]:
        if not TYPO_FROM - 1 <= len(word) <= self.longest_typo + 1:
            return
        near = {keyword for short in without_one_letter(word) for keyword in self.typos.get(short, ())}
        for keyword in sorted(near):
            if one_edit_apart(keyword, word):
                yield KeywordMatch(keyword=keyword, spelling=Spelling.TYPO)


def forgives_typos(word: str) -> bool:
    return sum(char.isalpha() for char in word) >= TYPO_FROM


def has_other_layout(word: str) -> bool:
    return other_layout(word) != word


def _first(text: FoldedText) -> str:
    return text.original[text.words[0].start : text.words[0].end]
