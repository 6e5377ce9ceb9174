"""Folds texts for comparison, so that "CTOП!", "стоп" and " «Стоп» " are the same keyword.

A folded text is only compared. It is never shown, stored, sent or put into a template. Everything that a person sees is
cut out of the original, so every folded word has its position there. Both sides of every comparison are folded by this
module.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from bridge.value import value_object

# Invisible characters: zero-width ones, bidi controls, soft hyphen, variation selectors, fillers, tags. Telephones and
# copy-and-paste put them into texts, and people do not see them.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINER: Final = "\u200d"
_TAGS: Final = "\U000e0020-\U000e007f"
_CLUSTERING: Final = frozenset(_JOINER) | frozenset(map(chr, range(0xE0020, 0xE0080)))

# Unicode's emoji that NFKC does not change, as ranges, because Python's Unicode database lacks the property.
_PICTURE: Final = (
    "[\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2604\u260e"
    "\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626\u262a\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653"
    "\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e\u267f\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa"
    "\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5"
    "\u26f7-\u26fa\u26fd\u2702\u2705\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747"
    "\u274c\u274e\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c"
    "\u2b50\u2b55\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0\U0001f90c-\U0001f9ff"
    "\U0001fa70-\U0001faff]"
)
_TONE: Final = "[\U0001f3fb-\U0001f3ff]"
_EMOJI: Final = re.compile(
    f"[\U0001f1e6-\U0001f1ff]{{1,2}}|{_PICTURE}{_TONE}?(?:[{_TAGS}]+)?(?:{_JOINER}{_PICTURE}{_TONE}?)*"
)

_APOSTROPHES: Final = "'’‘‛ʼʹ`´′＇"
_STRAIGHT: Final = dict.fromkeys(map(ord, _APOSTROPHES), "'")
_SHAPES: Final = {
    **str.maketrans("АВЕКМНОРСТУХІЈЅҮ", "ABEKMHOPCTYXIJSY"),
    ord("Ё"): "E",
    ord("ẞ"): "SS",
    **_STRAIGHT,
}
"""Replacements after ``upper()``: Cyrillic letters that look like Latin ones, Ё, ß, apostrophes."""

_PLAIN: Final = re.compile(r"[\t\n\r -~\xa0«»А-Яа-яЁё–—‘’“”„]*")
"""Texts in which folding keeps the position of every character. Nearly all texts are of this kind."""
_BLANKS: Final = str.maketrans("\t\n\r\xa0", "    ")
_PLAIN_WORD: Final = re.compile(r"[0-9A-ZА-Я_]+(?:'[0-9A-ZА-Я_]+)*")
_MARK: Final = "\u0300"
"""Replaces every combining mark while words are searched, because ``re`` has no class for them."""
_NO_LETTER: Final = re.compile(r"[^\w\x00-\x7f]")
_WORD: Final = re.compile(rf"{_EMOJI.pattern}|\w(?:[\w{_MARK}]|'(?=\w))*")
_MAX_GROWTH: Final = 4
"""A folded segment has at most this many times the length of the original."""
_MAX_SEGMENT: Final = 32
"""Most characters of a segment: a base and its marks. Unicode's stream-safe form allows 30 marks; sorting marks takes
quadratic time."""
_EDGES: Final = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u200b\u2060\ufeff\xad"


@value_object
class Word:
    """A word as it is compared, and its position in the original text."""

    folded: str
    start: int
    end: int


@value_object
class FoldedText:
    """A folded text with its words."""

    original: str
    text: str
    """Folded and trimmed."""
    words: tuple[Word, ...]

    def after(self, count: int) -> str:
        """The original text after the first ``count`` words, trimmed.

        Punctuation directly after the last of these words is left out ("Инфо,12" gives "12", "заказ: -5" gives "-5").
        Punctuation directly before the next word stays ("заказ (срочно)" gives "(срочно)").
        """
        if count == 0:
            return self.original.strip(_EDGES)
        end = self.words[count - 1].end
        following = self.words[count].start if count < len(self.words) else len(self.original)
        gap = self.original[end:following]
        if count == len(self.words):
            start = next((end + at for at, char in enumerate(gap) if char.isspace()), following)
        else:
            start = max((end + at + 1 for at, char in enumerate(gap) if char.isspace()), default=following)
        return self.original[start:].strip(_EDGES)


def fold(text: str) -> str:
    """The text in the form in which texts are compared."""
    return analyse(text).text


def folded_words(text: str) -> tuple[str, ...]:
    """The words of a text in the form in which they are compared."""
    return tuple(word.folded for word in analyse(text).words)


def analyse(text: str) -> FoldedText:
    """Folds a text and finds its words and their positions. Takes linear time; never raises."""
    if _PLAIN.fullmatch(text):
        folded = text.upper().translate(_SHAPES).translate(_BLANKS)
        words = tuple(
            Word(folded=found[0], start=found.start(), end=found.end()) for found in _PLAIN_WORD.finditer(folded)
        )
        return FoldedText(original=text, text=folded.strip(" "), words=words)
    folded, starts, ends = _fold_with_positions(text)
    return FoldedText(
        original=text,
        text=folded.strip(" "),
        words=tuple(
            Word(folded=folded[start:end], start=starts[start], end=ends[end - 1]) for start, end in _words(folded)
        ),
    )


def end_of_prefix(original: str, word: Word, prefix: str) -> int | None:
    """The end, in ``original``, of the beginning of ``word`` that folds to ``prefix``.

    None if the word has no such beginning.
    """
    for cut in range(word.start + 1, min(word.end, word.start + 4 * len(prefix) + 1)):
        if fold(original[word.start : cut]) == prefix:
            return cut
    return None


def _fold_with_positions(text: str) -> tuple[str, list[int], list[int]]:
    """The folded text, and for each of its characters the start and the end in the original."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, segment in _segments(_visible(text)):
        piece = _fold_short(segment) if len(segment) <= 2 else _fold_segment(segment)
        pieces.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
    return "".join(pieces), starts, ends


def _visible(text: str) -> list[tuple[int, str]]:
    """The visible characters with their positions. Joiners and tags count only inside an emoji cluster."""
    if not _INVISIBLE.search(text):
        return list(enumerate(text))
    kept = [(at, char) for at, char in enumerate(text) if char in _CLUSTERING or not _INVISIBLE.match(char)]
    if not any(char in _CLUSTERING for _, char in kept):
        return kept
    inside: set[int] = set()
    for cluster in _EMOJI.finditer("".join(char for _, char in kept)):
        inside.update(range(cluster.start(), cluster.end()))
    return [(at, char) for index, (at, char) in enumerate(kept) if char not in _CLUSTERING or index in inside]


def _segments(chars: Iterable[tuple[int, str]]) -> Iterator[tuple[int, int, str]]:
    """The parts of a text that can be normalised separately: a base character with all that may combine with it."""
    run: list[str] = []
    start = end = 0
    for at, char in chars:
        if run and (len(run) >= _MAX_SEGMENT or _begins_segment(char)):
            yield start, end, "".join(run)
            run.clear()
        if not run:
            start = at
        run.append(char)
        end = at + 1
    if run:
        yield start, end, "".join(run)


@lru_cache(maxsize=4096)
def _begins_segment(char: str) -> bool:
    first = unicodedata.normalize("NFKD", char)[0]
    return not (
        unicodedata.combining(first)
        or unicodedata.category(first).startswith("M")
        or "\u1160" <= first <= "\u11ff"  # vowels and finals of Hangul join the letter before them
    )


@lru_cache(maxsize=8192)
def _fold_short(segment: str) -> str:
    """Folds a segment of one or two characters. Cached: nearly all are this short, and few of them differ."""
    return _fold_segment(segment)


def _fold_segment(segment: str) -> str:
    """Folds a segment of any length.

    Letters are composed before they are replaced: Е with a diaeresis becomes Ё, and then E. The result is normalised
    again, because a replacement can make new compositions: Cyrillic О with an accent becomes Latin Ó.
    Apostrophes are replaced first, because NFKC splits ``´`` into a space and an accent. A segment that would grow more
    than fourfold stays as it is, such as an Arabic phrase in one character: it is no keyword, and a text of such
    characters would become a book.
    """
    composed = unicodedata.normalize("NFKC", segment.translate(_STRAIGHT))
    if len(composed) > _MAX_GROWTH * len(segment):
        return segment
    shaped = composed.upper().translate(_SHAPES)
    return "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFKC", shaped))


def _words(folded: str) -> Iterator[tuple[int, int]]:
    """The positions of the words of a folded text: emoji, or letters and digits with marks and inner apostrophes."""
    for found in _WORD.finditer(_NO_LETTER.sub(lambda found: _seen_as(found[0]), folded)):
        yield found.start(), found.end()


@lru_cache(maxsize=4096)
def _seen_as(char: str) -> str:
    """The character as the search for words sees it: one mark for all combining marks."""
    return _MARK if unicodedata.category(char).startswith("M") else char
