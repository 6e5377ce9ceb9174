"""All errors of this program. An adapter translates the errors of its library into these.

A message tells its reader what is wrong and what to do. It never holds the text of an SMS, a password, a token or a
whole URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BridgeError(Exception):
    """Base of all errors that this program raises on purpose."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One mistake in a file, with its position. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    """The key, from the top of the document: ``accounts.main.rate`` or ``rules[3].when.keyword``."""
    message: str
    """What is wrong and what to write instead."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(BridgeError):
    """The configuration or the rules cannot be used. Carries all problems, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(BridgeError):
    """The store failed. Nothing was committed, except perhaps with :class:`CommitUnknown`."""


class StoreUnavailable(StoreError):
    """The disk is full, locked or read-only, an I/O error, the file is gone, the server is away.

    The caller acknowledges nothing and tries again later.
    """


class StoreLocked(StoreError):
    """Another running service has this database file."""


class StoreOutdated(StoreError):
    """There is no store yet, or it has the tables of an older version, and this command only reads.

    The next start of the service makes or updates the tables.
    """


class CommitUnknown(StoreUnavailable):
    """COMMIT itself failed, so the work may be on disk or not. The caller reads it back before it acts."""


class PlatformError(BridgeError):
    """A query to the platform (delivery report, balance) got no usable answer. The SMS keep their states."""

    def __init__(self, message: str, *, reason: str = "", detail: str = "") -> None:
        """``reason``: a :class:`bridge.model.answers.SmsReason`, from which texts are made.

        ``detail``: the platform's own words, shortened and safe to show.
        """
        super().__init__(message)
        self.reason = reason
        self.detail = detail


class TemplateFailed(BridgeError):
    """A rule's template cannot be rendered.

    The default chat gets the subscriber's message with the text of this error.
    """
