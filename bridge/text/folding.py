"""Folding: what makes "CTOП!", "стоп" and " «Стоп» " one keyword.

For matching only. A folded text is never shown, stored, sent or put into a template: everything a person
sees comes from the original, which is why every folded word knows its place there. Both sides of every
comparison go through this module and through nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from bridge.value import value_object

# Drawn like nothing: zero-width characters, bidi controls, soft hyphen, variation selectors, fillers,
# tags. People cannot see them, phones and copy-and-paste put them in.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINER: Final = "\u200d"
_TAGS: Final = "\U000e0020-\U000e007f"
_CLUSTERING: Final = frozenset(_JOINER) | frozenset(map(chr, range(0xE0020, 0xE0080)))

# Unicode's emoji that NFKC leaves alone, as ranges: Python's database has no such property.
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
"""After ``upper()``: Ё, ß, the look-alikes of Cyrillic and Latin, apostrophes."""

_PLAIN: Final = re.compile(r"[\t\n\r -~\xa0«»А-Яа-яЁё–—‘’“”„]*")
"""Texts in which folding keeps every character's place: nearly all there are."""
_BLANKS: Final = str.maketrans("\t\n\r\xa0", "    ")
_PLAIN_WORD: Final = re.compile(r"[0-9A-ZА-Я_]+(?:'[0-9A-ZА-Я_]+)*")
_MARK: Final = "\u0300"
"""Stands for every combining mark where words are looked for: ``re`` has no class of them."""
_NO_LETTER: Final = re.compile(r"[^\w\x00-\x7f]")
_WORD: Final = re.compile(rf"{_EMOJI.pattern}|\w(?:[\w{_MARK}]|'(?=\w))*")
_GROWTH: Final = 4
_LONGEST_SEGMENT: Final = 32
"""Characters with their marks; Unicode's stream-safe form allows 30 marks. Sorting them takes their number squared."""
_EDGES: Final = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u200b\u2060\ufeff\xad"


@value_object
class Word:
    """A word as it is compared, and where it stands in the original."""

    folded: str
    start: int
    end: int


@value_object
class Folded:
    """A text ready for matching."""

    original: str
    text: str
    """Folded and trimmed."""
    words: tuple[Word, ...]

    def word(self, index: int) -> str | None:
        """The folded word at ``index``, or None behind the last."""
        return self.words[index].folded if index < len(self.words) else None

    def after(self, count: int) -> str:
        """What follows the first ``count`` words, cut out of the original and trimmed.

        Punctuation that sticks to the last of them is left out ("Инфо,12" gives "12", "заказ: -5" gives
        "-5"), what sticks to the next word stays ("заказ (срочно)" gives "(срочно)").
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
    """The form in which texts are compared."""
    return analyse(text).text


def folded_words(text: str) -> tuple[str, ...]:
    """The words of a text in the form in which they are compared."""
    return tuple(word.folded for word in analyse(text).words)


def analyse(text: str) -> Folded:
    """Fold ``text`` and find its words with their places. Linear in the text; never raises."""
    if _PLAIN.fullmatch(text):
        folded = text.upper().translate(_SHAPES).translate(_BLANKS)
        words = tuple(
            Word(folded=found[0], start=found.start(), end=found.end()) for found in _PLAIN_WORD.finditer(folded)
        )
        return Folded(original=text, text=folded.strip(" "), words=words)
    folded, starts, ends = _fold_placed(text)
    return Folded(
        original=text,
        text=folded.strip(" "),
        words=tuple(
            Word(folded=folded[start:end], start=starts[start], end=ends[end - 1]) for start, end in _words(folded)
        ),
    )


def head_end(original: str, word: Word, head: str) -> int | None:
    """Where in ``original`` the first part of ``word`` ends that folds to ``head``. None: nowhere near."""
    for cut in range(word.start + 1, min(word.end, word.start + 4 * len(head) + 1)):
        if fold(original[word.start : cut]) == head:
            return cut
    return None


def _fold_placed(text: str) -> tuple[str, list[int], list[int]]:
    """The folded text, and for each of its characters where it begins and ends in the original."""
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
    """Characters that are drawn, with their places; joiners and tags only inside an emoji cluster."""
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
    """Runs that normalise on their own: a base character with all that may combine with it."""
    run: list[str] = []
    start = end = 0
    for at, char in chars:
        if run and (len(run) >= _LONGEST_SEGMENT or _begins_segment(char)):
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
    """Kept in memory because nearly every segment is one character; long ones are a stranger's to choose."""
    return _fold_segment(segment)


def _fold_segment(segment: str) -> str:
    """Letters are exchanged only when they are composed (Е and a diaeresis are Ё first, and E then).

    Normalised once more, since the exchange can make new compositions: Cyrillic О with an accent becomes Latin Ó.
    Apostrophes go first: NFKC takes ``´`` apart into a space and an accent. What would grow many times over stays as it
    is, an Arabic phrase in one character for one: it is nobody's keyword, and a text of them would become a book.
    """
    composed = unicodedata.normalize("NFKC", segment.translate(_STRAIGHT))
    if len(composed) > _GROWTH * len(segment):
        return segment
    shaped = composed.upper().translate(_SHAPES)
    return "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFKC", shaped))


def _words(folded: str) -> Iterator[tuple[int, int]]:
    """Emoji, and runs of letters and digits with their marks and with apostrophes inside them."""
    for found in _WORD.finditer(_NO_LETTER.sub(_mark_or_itself, folded)):
        yield found.start(), found.end()


def _mark_or_itself(found: re.Match[str]) -> str:
    return _seen_as(found[0])


@lru_cache(maxsize=4096)
def _seen_as(char: str) -> str:
    return _MARK if unicodedata.category(char).startswith("M") else char
