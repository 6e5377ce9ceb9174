"""Hearing keywords in a text: as they are written, glued to a number, in the other layout, with one wrong letter.

What a word exactly is comes first: a keyword of any rule is never taken for a slip of another's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from bridge.text import folding
from bridge.text.folding import Folded, Word
from bridge.text.typos import one_edit_apart, other_layout, shortened
from bridge.value import value_object

TYPO_FROM: Final = 5
"""Letters that a keyword must have for a typo to be forgiven: of shorter ones too many are each other's typos."""

_READ: Final = 4
"""How many times longer than the longest keyword a word is still read in the other layout: with signs around it."""


class Spelling(StrEnum):
    """How a keyword stands in the text. In this order they are looked for."""

    EXACT = "exact"
    GLUED = "glued"
    LAYOUT = "layout"
    TYPO = "typo"


@value_object
class Keyword:
    folded: str
    written: str


@value_object
class Hit:
    """A keyword that was heard at the beginning of a text."""

    keyword: str
    """Folded."""
    spelling: Spelling
    end: int | None = None
    """Where the rest of the text begins; None: behind the first word."""

    def args(self, seen: Folded) -> str:
        """What follows the keyword, as it was written."""
        return seen.after(1) if self.end is None else folding.analyse(seen.original[self.end :]).after(0)

    def rest(self, seen: Folded) -> tuple[Word, ...]:
        """The words that follow the keyword."""
        return seen.words[1:] if self.end is None else folding.analyse(seen.original[self.end :]).words


@value_object
class Vocabulary:
    """The keywords of all enabled rules, and what each forgives."""

    known: frozenset[str]
    glued: frozenset[str]
    layout: frozenset[str]
    typos: Mapping[str, tuple[str, ...]]
    """From a keyword, whole or one letter short, to the keywords it may come from."""
    longest_glued: int
    longest_layout: int
    longest_typo: int

    @classmethod
    def of(cls, heard: Iterable[tuple[Spelling, str]]) -> Vocabulary:
        words: defaultdict[Spelling, set[str]] = defaultdict(set)
        for spelling, word in heard:
            words[spelling].add(word)
        typos: defaultdict[str, list[str]] = defaultdict(list)
        for word in sorted(words[Spelling.TYPO]):
            for short in dict.fromkeys(shortened(word)):
                typos[short].append(word)
        return cls(
            known=frozenset(words[Spelling.EXACT]),
            glued=frozenset(words[Spelling.GLUED]),
            layout=frozenset(words[Spelling.LAYOUT]),
            typos={short: tuple(found) for short, found in typos.items()},
            longest_glued=max(map(len, words[Spelling.GLUED]), default=0),
            longest_layout=max(map(len, words[Spelling.LAYOUT]), default=0),
            longest_typo=max(map(len, words[Spelling.TYPO]), default=0),
        )

    def hear(self, seen: Folded) -> tuple[Hit, ...]:
        """Every keyword that the text may begin with; nothing but the one where it is exactly one."""
        if not seen.words:
            return tuple(self._in_other_layout(seen)) if self.layout else ()
        word = seen.words[0]
        if word.folded in self.known:
            return (Hit(keyword=word.folded, spelling=Spelling.EXACT),)
        return (*self._glued(seen, word), *self._in_other_layout(seen), *self._misspelt(word.folded))

    def _glued(self, seen: Folded, word: Word) -> Iterator[Hit]:
        """A keyword that a number follows at once ("инфо12"), or that is a number and is followed by letters."""
        if not self.glued:
            return
        longest = min(len(word.folded) - 1, self.longest_glued)
        for size in range(longest, 0, -1):
            head, following = word.folded[:size], word.folded[size]
            if head in self.glued and head[-1].isdigit() != following.isdigit():
                end = folding.head_end(seen.original, word, head)
                if end is not None:
                    yield Hit(keyword=head, spelling=Spelling.GLUED, end=end)

    def _in_other_layout(self, seen: Folded) -> Iterator[Hit]:
        """Some letters share their keys with signs (``[jxe``), so a run without blanks is read, not the word."""
        if not self.layout:
            return
        token = next(iter(seen.original.split(maxsplit=1)), "")
        start = seen.original.find(token)
        bare = token.rstrip("!?.,;:)…\"'»")
        for size in dict.fromkeys((len(token), len(bare))):
            if size > _READ * self.longest_layout:
                continue
            read = folding.analyse(other_layout(token[:size])).words
            if len(read) == 1 and read[0].folded in self.layout:
                yield Hit(keyword=read[0].folded, spelling=Spelling.LAYOUT, end=start + len(token))
                return
        if not seen.words or len(seen.words[0].folded) > _READ * self.longest_layout:
            return
        if (other := folding.fold(other_layout(_first(seen)))) in self.layout:
            yield Hit(keyword=other, spelling=Spelling.LAYOUT)

    def _misspelt(self, word: str) -> Iterator[Hit]:
        if not TYPO_FROM - 1 <= len(word) <= self.longest_typo + 1:
            return
        near = {keyword for short in shortened(word) for keyword in self.typos.get(short, ())}
        for keyword in sorted(near):
            if one_edit_apart(keyword, word):
                yield Hit(keyword=keyword, spelling=Spelling.TYPO)


def forgives_typos(word: str) -> bool:
    return sum(char.isalpha() for char in word) >= TYPO_FROM


def has_other_layout(word: str) -> bool:
    return other_layout(word) != word


def _first(seen: Folded) -> str:
    return seen.original[seen.words[0].start : seen.words[0].end]
