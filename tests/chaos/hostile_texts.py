"""SMS that nobody writes by chance: made to be slow to fold, to match, to render. Each of the wanted length."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import cycle, islice

LENGTH = 1_600
"""Characters: as long as an SMS of many parts can be."""

_REPEATED: Mapping[str, str] = {
    "digits": "1234567890",
    "one digit": "1",
    "digits and spaces": "1 ",
    "one letter": "а",
    "one Latin letter": "A",
    "letters with spaces": "а ",
    "letters with apostrophes": "а'",
    "apostrophes": "'`´’",
    "underscores": "_",
    "spaces": " ",
    "blanks of all kinds": " \t\n\r\xa0\u2003\u3000\u2028",
    "marks": "!?.,;:—«»",
    "brackets open": "(",
    "brackets in brackets": "([{<",
    "closed brackets": ")]}>",
    "templates": "{{ text }}{% for word in words %}{{ words[0] }}{% endfor %}",
    "braces": "{",
    "template comments": "{#",
    "patterns": "(a+)+$.*?[\\w]|",
    "backslashes": "\\",
    "percent": "%s%d%(a)s%n",
    "YAML": "- !!python/object: {a: *b, <<: *c}\n",
    "look-alikes": "АAВBЕEКKМMНHОOРPСCТTХXУY",
    "look-alikes in words": "чacы ",
    "ё in two characters": "е\u0308",
    "one mark on another": "\u0301",
    "marks out of order": "\u0301\u0316",
    "marks of many classes": "\u0334\u3099\u05b0\u0327\u0345\u0301\u0316",
    "stacked letters": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f",
    "Hangul in parts": "\u1112\u1161\u11ab",
    "Hangul vowels": "\u1161",
    "ligatures that grow": "\ufdfa",
    "letters that grow": "ŉǰΐΰẖẗẘẙẚßﬃﬄ",
    "fractions": "½⅓⅛",
    "circled": "①⑳㊿㍿㎏",
    "mathematical": "𝐀𝖇𝒸𝔻",
    "full width": "ＡＢ１２",
    "Arabic": "مرحبا ",
    "Hebrew with points": "שָׁלוֹם ",
    "turned around": "\u202eabc\u202c\u2066x\u2069",
    "Thai": "ที่นี่",
    "Devanagari": "क्षि",
    "families": "👨\u200d👩\u200d👧\u200d👦",
    "one endless family": "👨\u200d",
    "joiners": "\u200d",
    "joiners in words": "ч\u200dа\u200dс\u200dы\u200d",
    "tags": "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "tags alone": "\U000e0067",
    "flags": "🇷🇺",
    "half a flag": "🇷",
    "skin": "👍🏽",
    "keycaps": "1\ufe0f\u20e3",
    "zero width": "\u200b\u2060\ufeff\xad",
    "zero width in words": "ч\u200bа\u200bс\u200bы ",
    "variation selectors": "а\ufe0f",
    "control characters": "\x01\x02\x1b[31m",
    "line ends": "\r\n",
    "Georgian": "ქართული ",
    "Kazakh": "әғқңөұүһі ",
    "Chinese": "你好",
    "private use": "\ue000",
    "no characters": "\ufffd\ufffe\uffff",
}


def fill(unit: str, length: int = LENGTH) -> str:
    return "".join(islice(cycle(unit), length))


def texts(words: Sequence[str] = ("часы",), length: int = LENGTH, seed: int = 13) -> Mapping[str, str]:
    """Name → text. ``words`` are what the rules look for: they come whole, in halves, nearly and very often."""
    found = {name: fill(unit, length) for name, unit in _REPEATED.items()}
    for word in words:
        half = word[: max(len(word) // 2, 1)]
        found |= {
            f"half of {word}": fill(half, length),
            f"halves of {word}": fill(half + " ", length),
            f"{word} without end": fill(word, length),
            f"{word} again and again": fill(word + " ", length),
            f"{word} and a long word": (word + " " + fill("я", length))[:length],
            f"{word} behind everything": fill("я ", length - len(word)) + word,
            f"{word} stretched": fill("\u200b".join(word) + "\u0301", length),
        }
    chance = random.Random(seed)
    for number in range(5):
        points = [point for point in chance.choices(range(1, 0x110000), k=2 * length) if not 0xD800 <= point < 0xE000]
        found[f"anything {number}"] = "".join(map(chr, points[:length]))
        units = chance.choices(list(_REPEATED.values()), k=length)
        found[f"a mixture {number}"] = "".join(units)[:length]
    return found
