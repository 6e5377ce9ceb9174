"""An answer's bytes made into readable words, and words made fit to be shown.

Pure, linear in the size of the answer, and never raises. Knows no meaning of any word but of the table's beginnings.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from bridge.platforms.http import Answer
from bridge.platforms.iba_table import ROWS, Row
from bridge.text import charsets, phones
from bridge.value import value_object

DETAIL_LENGTH = 200

_READ_AT_MOST = 4096  # characters; ten ids and every known sentence are far shorter, pages are not
_SHORTEST_SECRET = 4  # less is found in any sentence, and tells nothing
_BOM = b"\xef\xbb\xbf"
_BLANK = "\ufeff \t\r\n\f\v\u00a0"
_BREAK = re.compile(r"<br\s{0,9}/?\s{0,9}>", re.IGNORECASE)
_PAGE_PART = re.compile(r"<(script|style)\b.*?(?:</\1\s{0,9}>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[a-z!/?][^<>]*(?:>|\Z)", re.IGNORECASE)
_READABLE = re.compile(r"[\s!-~А-Яа-яЁё«»„“”‘’–—…№€₽\u00a0]*")
_SEPARATORS = re.compile(r"[\s,;]+")
_LEAD = re.compile(r"^\W+|^(?:error|ошибка)\s*:\s*")
# To the next parameter: a value whose escapes were undone may hold spaces. Behind the last the platform speaks again.
_ECHO = re.compile(r"\b(user|pwd|sadr|dadr|text)=(?:[^&]*+(?=&)|[^\s&]*)", re.IGNORECASE)


@value_object
class Words:
    text: str
    """Decoded, ``<br>`` turned into line breaks, other markup taken out."""
    markup: bool
    """There was other markup: a page, not an answer."""
    whole: bool
    """False where the rest was not read."""

    @property
    def tokens(self) -> list[str]:
        """Between commas, semicolons, white space and line breaks in any mix."""
        return [token for token in _SEPARATORS.split(self.text) if token]

    @property
    def readable(self) -> bool:
        """Made of what English and Russian sentences are made of; other bytes turn into other letters."""
        return _READABLE.fullmatch(self.text) is not None


def read(answer: Answer) -> Words:
    """UTF-8 or Windows-1251, with or without a byte order mark."""
    decoded = charsets.decode(answer.body.removeprefix(_BOM), "auto")
    text = _BREAK.sub("\n", decoded[:_READ_AT_MOST])
    return Words(
        text=html.unescape(_TAG.sub(" ", _PAGE_PART.sub(" ", text))).strip(_BLANK),
        markup=_TAG.search(text) is not None,
        whole=answer.whole and len(decoded) <= _READ_AT_MOST,
    )


def known(words: Words) -> Row | None:
    """The row of the table that the words begin with."""
    said = _fold(words.text[:DETAIL_LENGTH])
    return next((row for start, row in _BEGINNINGS if said.startswith(start)), None)


def shown(words: Words, *, secrets: Sequence[str] = (), recipients: Sequence[str] = ()) -> str:
    """One line for people and for the log, without what a platform may echo of the request."""
    line = _one_line(words.text)
    for secret in secrets:
        for spelled in (_one_line(secret), _one_line(_misread(secret))):
            if len(spelled) >= _SHORTEST_SECRET:
                line = line.replace(spelled, "…")
    line = _ECHO.sub(r"\1=…", line)
    for recipient in recipients:
        if recipient:
            line = line.replace(recipient, phones.mask(recipient))
    return cut(line)


def _misread(text: str) -> str:
    """UTF-8 that was taken for Windows-1251, as in an answer that mixes the two."""
    return text.encode("utf-8", "replace").decode("cp1251", "replace")


def cut(line: str) -> str:
    return line if len(line) <= DETAIL_LENGTH else line[: DETAIL_LENGTH - 1] + "…"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _fold(words: str) -> str:
    folded = " ".join(words.split()).casefold().replace("ё", "е")
    return _LEAD.sub("", _LEAD.sub("", folded))


_BEGINNINGS = tuple((_fold(start), row) for row in ROWS for start in row.beginnings)
