"""Secrets and numbers out of whatever is about to be logged: configured values in every spelling, and patterns."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "[redacted]"

_SIGNS = re.compile(r"[:=%]")
"""Without one of these no pattern below can match; most strings of a log have none."""

# All run in linear time: strangers choose what is logged.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9]{1,20}(?::|%3[Aa])[A-Za-z0-9_-]{30,}"), REDACTED),
    (re.compile(r"(://)[^/\s@'\"]+@"), rf"\1{REDACTED}@"),
    (re.compile(r"\b(pwd|password|key|token|secret)=[^&\s'\"]+", re.IGNORECASE), rf"\1={REDACTED}"),
    # A text may hold raw spaces and quotes (yarl leaves the apostrophe), so it ends at the next parameter or line.
    (re.compile(r"\b(text)=[^&\r\n]+", re.IGNORECASE), rf"\1={REDACTED}"),
    # asyncio shows a failed task with its exception, and a failed callback with all that it was called with.
    (re.compile(r"\b(exception=[\w.]+|Exception in callback [\w.<>]+)\(.*", re.DOTALL), r"\1"),
)

_NUMBER = re.compile(r"(?<![0-9•])([0-9]{4})[0-9]{2,7}([0-9]{4})(?![0-9•])")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]")

_DEPTH = 8


class Redactor:
    """Takes secrets out of strings: configured values in every spelling that a URL or a repr gives them, patterns."""

    def __init__(self, secrets: Collection[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        # Longest first, or a secret that begins with another would leave its end behind.
        parts = [_literal(spelling) for spelling in sorted(spellings, key=len, reverse=True)]
        self._values = re.compile("|".join(parts)) if parts else None
        # A substring search is fifty times faster than the pattern, which is then for strings that hold a secret.
        self._bare = tuple({_bare(spelling) for spelling in spellings})
        self._shortest = min(map(len, self._bare), default=0)
        self._digits = frozenset(int(secret) for secret in secrets if secret.isascii() and secret.isdecimal())

    def text(self, value: str, *, numbers: bool = False) -> str:
        """``numbers``: mask phone numbers too. Not in our own fields: ids of the platform look the same."""
        if self._values is not None and len(value) >= self._shortest:
            bare = _bare(value)
            for spelling in self._bare:
                if spelling in bare:
                    value = self._values.sub(REDACTED, value)
                    break
        if _SIGNS.search(value):
            for pattern, replacement in _PATTERNS:
                value = pattern.sub(replacement, value)
        if numbers:
            value = _NUMBER.sub(r"\1•••\2", value)
        if value.isprintable():
            return value
        # Terminal escapes and lone surrogates: the first could forge lines, the second break the stream.
        return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), value)

    def finds_nothing(self, line: str, event: Mapping[str, object]) -> bool:
        """True where nothing of an event of plain values needs to be taken out; ``line`` is all of it as JSON.

        One look at the whole line instead of one at each field: nearly all lines of ours pass it.
        """
        values = event.values()
        if not line.isprintable() or not _plain_names(tuple(event)) or not self._digits.isdisjoint(values):
            return False
        bare = _bare(line)
        for spelling in self._bare:
            if spelling in bare:
                return False
        return not any(_SIGNS.search(value) for value in values if type(value) is str)

    def value(self, value: object, *, numbers: bool = False, depth: int = 0) -> object:
        """Any value of a log line. What is no plain data is turned to text here, before a renderer calls its repr."""
        if value is None or isinstance(value, bool | float):
            return value
        if type(value) is str:
            return self.text(value, numbers=numbers)
        if isinstance(value, int):
            if not numbers and value not in self._digits:
                return value
            masked = self.text(str(value), numbers=numbers)
            return value if masked == str(value) else masked
        if isinstance(value, str):
            return self.text(str(value), numbers=numbers)
        if depth < _DEPTH and isinstance(value, Mapping):
            return {
                self.text(str(key)): self.value(inner, numbers=numbers, depth=depth + 1) for key, inner in value.items()
            }
        if depth < _DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self.value(inner, numbers=numbers, depth=depth + 1) for inner in value]
        return self.text(_repr(value), numbers=numbers)


@lru_cache(maxsize=256)
def _plain_names(names: tuple[str, ...]) -> bool:
    """Names of fields stand in the program: there are few sets of them."""
    return all(map(str.isidentifier, names))


def _spellings(secret: str) -> set[str]:
    """As it is, as JSON and Python write it, and as the parts of a URL."""
    found = {secret, json.dumps(secret)[1:-1], ascii(secret)[1:-1]}
    for encoding in ("utf-8", "cp1251"):
        encoded = secret.encode(encoding, "replace")
        found |= {quote(encoded, safe=""), quote(encoded, safe="/"), quote_plus(encoded), repr(encoded)[2:-1]}
        # As whoever takes it for the other encoding reads it.
        found |= {encoded.decode("latin-1"), encoded.decode("cp1251", "replace")}
    # Percent escapes come in either case.
    return found | {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), spelling) for spelling in found}


def _bare(value: str) -> str:
    return value.replace("\\", "")


def _literal(secret: str) -> str:
    """The secret as a pattern. A repr inside a repr puts one backslash more before quotes and backslashes each time.

    A short secret counts only as a word of its own: replaced anywhere it would eat the log.
    """
    literal = "".join(rf"\\{{0,15}}{re.escape(char)}" if char in "'\"\\" else re.escape(char) for char in secret)
    return literal if len(secret) >= 4 else rf"(?<!\w){literal}(?!\w)"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        # A repr that fails must not take the log line along.
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
