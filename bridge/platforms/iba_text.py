"""Turns the bytes of an answer into readable text, and a text into a line that may be shown.

Pure, linear in the size of the answer, and never raises.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from bridge.platforms.http import Answer
from bridge.platforms.iba_table import ROWS, AnswerRow
from bridge.text import charsets, phones
from bridge.value import value_object

DETAIL_LENGTH = 200

_READ_AT_MOST = 4096  # characters; ten ids and all known sentences are far shorter, web pages are longer
_SHORTEST_SECRET = 4  # a shorter secret occurs in any sentence, so removing it hides nothing
_BOM = b"\xef\xbb\xbf"
_BLANK = "\ufeff \t\r\n\f\v\u00a0"
_BREAK = re.compile(r"<br\s{0,9}/?\s{0,9}>", re.IGNORECASE)
_PAGE_PART = re.compile(r"<(script|style)\b.*?(?:</\1\s{0,9}>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[a-z!/?][^<>]*(?:>|\Z)", re.IGNORECASE)
_READABLE = re.compile(r"[\s!-~А-Яа-яЁё«»„“”‘’–—…№€₽\u00a0]*")
_SEPARATORS = re.compile(r"[\s,;]+")
_LEAD = re.compile(r"^\W+|^(?:error|ошибка)\s*:\s*")
# A value ends at the next parameter, because a decoded value may contain spaces. The last value ends at white space,
# because other text may follow it.
_ECHO = re.compile(r"\b(user|pwd|sadr|dadr|text)=(?:[^&]*+(?=&)|[^\s&]*)", re.IGNORECASE)


@value_object
class AnswerText:
    """The readable text of an answer."""

    plain: str
    """The decoded text with ``<br>`` as line breaks and without other markup."""
    markup: bool
    """True if there was other markup: the answer is a web page."""
    whole: bool
    """False if only the beginning was read."""

    @property
    def tokens(self) -> list[str]:
        """The parts between commas, semicolons and white space."""
        return [token for token in _SEPARATORS.split(self.plain) if token]

    @property
    def readable(self) -> bool:
        """True if the text consists of the characters of English and Russian sentences."""
        return _READABLE.fullmatch(self.plain) is not None


def read_text(answer: Answer) -> AnswerText:
    """Decode an answer: UTF-8 or Windows-1251, with or without a byte order mark."""
    decoded = charsets.decode(answer.body.removeprefix(_BOM), "auto")
    text = _BREAK.sub("\n", decoded[:_READ_AT_MOST])
    return AnswerText(
        plain=html.unescape(_TAG.sub(" ", _PAGE_PART.sub(" ", text))).strip(_BLANK),
        markup=_TAG.search(text) is not None,
        whole=answer.whole and len(decoded) <= _READ_AT_MOST,
    )


def find_row(text: AnswerText) -> AnswerRow | None:
    """The row of the answers table that the text begins with."""
    said = _fold(text.plain[:DETAIL_LENGTH])
    return next((row for start, row in _BEGINNINGS if said.startswith(start)), None)


def showable(text: AnswerText, *, secrets: Sequence[str] = (), recipients: Sequence[str] = ()) -> str:
    """The text as one line for people and the log, without the parts of the request that a platform may echo."""
    line = _one_line(text.plain)
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
    """The text as it looks when its UTF-8 is decoded as Windows-1251. An answer that mixes the two contains this."""
    return text.encode("utf-8", "replace").decode("cp1251", "replace")


def cut(line: str) -> str:
    return line if len(line) <= DETAIL_LENGTH else line[: DETAIL_LENGTH - 1] + "…"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _fold(words: str) -> str:
    folded = " ".join(words.split()).casefold().replace("ё", "е")
    return _LEAD.sub("", _LEAD.sub("", folded))


_BEGINNINGS = tuple((_fold(start), row) for row in ROWS for start in row.beginnings)
