"""The one error tree. Errors of libraries are translated into these at an adapter's edge and go no further.

A message is written for the person who reads it: what is wrong and what to do. It never holds a text of an
SMS, a password, a token or a whole URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BridgeError(Exception):
    """Base of everything this program raises on purpose."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One mistake in a file, at a place a person can jump to. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    """Where in the document, as a person would say it: ``accounts.main.rate`` or ``rules[3].when.keyword``."""
    message: str
    """What is wrong and what to write instead."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(BridgeError):
    """The configuration or the rules cannot be used; carries every problem found, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(BridgeError):
    """The store could not do it. Nothing was committed unless the class below says otherwise."""


class StoreUnavailable(StoreError):
    """Disk full, locked, read-only, I/O error, file gone: try again later; an acknowledgement must not be given."""


class StoreLocked(StoreError):
    """Another running bridge owns this database file."""


class StoreOutdated(StoreError):
    """The store is older than this program, which may only look at it; a start of the bridge brings it up to date."""


class CommitUnknown(StoreUnavailable):
    """COMMIT itself failed: the work may or may not be on disk. Read back before acting."""


class PlatformError(BridgeError):
    """A question to the platform (status, balance) got no usable answer. No message changes because of it."""

    def __init__(self, message: str, *, reason: str = "", detail: str = "") -> None:
        """``reason``: a :class:`bridge.model.answers.Reason`, for words in a person's language; ``detail``: the
        platform's own words, shortened and safe to show."""
        super().__init__(message)
        self.reason = reason
        self.detail = detail


class TemplateFailed(BridgeError):
    """A rule's template could not be rendered; the message goes to the default chat with this text."""
