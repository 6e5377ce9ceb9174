"""Removes secrets and phone numbers from log lines: configured values in every spelling, and patterns."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "[redacted]"

_SIGNS = re.compile(r"[:=%]")
"""Each line that a pattern below changes has one of these. Most strings of a log have none and skip the patterns."""

# All run in linear time, because strangers influence the lines.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9]{1,20}(?::|%3[Aa])[A-Za-z0-9_-]{30,}"), REDACTED),
    (re.compile(r"(://)[^/\s@'\"]+@"), rf"\1{REDACTED}@"),
    (re.compile(r"\b(pwd|password|key|token|secret)=[^&\s'\"]+", re.IGNORECASE), rf"\1={REDACTED}"),
    # A text may contain raw spaces and quotes (yarl leaves the apostrophe), so it ends at the next parameter or line.
    (re.compile(r"\b(text)=[^&\r\n]+", re.IGNORECASE), rf"\1={REDACTED}"),
    # asyncio prints a failed task with its exception, and a failed callback with all its arguments.
    (re.compile(r"\b(exception=[\w.]+|Exception in callback [\w.<>]+)\(.*", re.DOTALL), r"\1"),
)

_NUMBER = re.compile(r"(?<![0-9•])([0-9]{4})[0-9]{2,7}([0-9]{4})(?![0-9•])")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]")

_MAX_DEPTH = 8


class Redactor:
    """Removes secrets from strings: configured values, as a URL or a repr spells them, and patterns."""

    def __init__(self, secrets: Collection[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        # Longest first. If one secret is the beginning of another, the end of the longer one would stay otherwise.
        parts = [_literal(spelling) for spelling in sorted(spellings, key=len, reverse=True)]
        self._values = re.compile("|".join(parts)) if parts else None
        # A substring search is fifty times as fast as the pattern, so the pattern runs only on strings with a secret.
        self._bare = tuple({_bare(spelling) for spelling in spellings})
        self._shortest = min(map(len, self._bare), default=0)
        self._digits = frozenset(int(secret) for secret in secrets if secret.isascii() and secret.isdecimal())

    def text(self, value: str, *, numbers: bool = False) -> str:
        """Redact a string. ``numbers``: mask phone numbers, too, but not in our own fields: ids look like numbers."""
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
        # Terminal escapes could forge lines, and lone surrogates would break the stream.
        return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), value)

    def is_clean(self, line: str, event: Mapping[str, object]) -> bool:
        """True if an event of plain values needs no redaction; ``line`` is the event as JSON.

        It searches the whole line once instead of each field. Nearly all of our own lines are clean.
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
        """Redact any value of a log line. Objects that are not plain data become text here, before a renderer calls
        ``repr`` on them."""
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
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            return {
                self.text(str(key)): self.value(inner, numbers=numbers, depth=depth + 1) for key, inner in value.items()
            }
        if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self.value(inner, numbers=numbers, depth=depth + 1) for inner in value]
        return self.text(_repr(value), numbers=numbers)


@lru_cache(maxsize=256)
def _plain_names(names: tuple[str, ...]) -> bool:
    """True if the names of the fields need no redaction. Cached: the program has few sets of names."""
    return all(map(str.isidentifier, names))


def _spellings(secret: str) -> set[str]:
    """The spellings of a secret: as it is, as JSON and Python write it, and in the parts of a URL."""
    found = {secret, json.dumps(secret)[1:-1], ascii(secret)[1:-1]}
    for encoding in ("utf-8", "cp1251"):
        encoded = secret.encode(encoding, "replace")
        found |= {quote(encoded, safe=""), quote(encoded, safe="/"), quote_plus(encoded), repr(encoded)[2:-1]}
        # The secret as it looks when it is decoded with the wrong encoding.
        found |= {encoded.decode("latin-1"), encoded.decode("cp1251", "replace")}
    # Percent escapes may be in upper or lower case.
    return found | {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), spelling) for spelling in found}


def _bare(value: str) -> str:
    return value.replace("\\", "")


def _literal(secret: str) -> str:
    """The secret as a pattern, with any number of backslashes before quotes: each repr inside a repr adds more.

    A short secret matches only as a whole word; otherwise it would destroy other text.
    """
    literal = "".join(rf"\\{{0,15}}{re.escape(char)}" if char in "'\"\\" else re.escape(char) for char in secret)
    return literal if len(secret) >= 4 else rf"(?<!\w){literal}(?!\w)"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        # A repr that raises must not lose the log line.
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
