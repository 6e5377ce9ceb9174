"""The log: one stream, one format, and nothing in it that must stay secret.

Our own lines carry event names, ids and masked numbers by discipline. The libraries have none: URLs with
passwords stand in the texts of their exceptions, whole requests in their debug lines. So redaction sits at
the only way out, the handler of the root logger, and covers messages, arguments, fields and tracebacks alike.

Nothing here decides what is logged. The module knows no settings: whoever configures hands in the secret
values.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

REDACTED: Final = "[redacted]"
SAMPLE_LIMIT: Final = 10
SAMPLE_WINDOW: Final = 60.0
"""Seconds."""
SAMPLE_TEMPLATES: Final = 1_000
"""How many templates are counted apart; a library that makes up new ones must not eat the memory."""

_OWN = "bridge"
_QUIET = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "aiohttp.access": logging.WARNING}
"""httpx logs the URL with the bot token at INFO; aiohttp's access log has SMS texts and the callback's secret."""

_SIGNS = re.compile(r"[:=%]")
"""Without one of these no pattern below can match; most strings of a log have none."""
# All run in linear time: strangers choose what is logged.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9]{1,20}(?::|%3[Aa])[A-Za-z0-9_-]{30,}"), REDACTED),
    (re.compile(r"(://)[^/\s@'\"]+@"), rf"\1{REDACTED}@"),
    (re.compile(r"\b(pwd|password|key|token|secret)=[^&\s'\"]+", re.IGNORECASE), rf"\1={REDACTED}"),
    # A text may hold raw spaces and quotes (yarl leaves the apostrophe), so it ends at the next parameter or line.
    (re.compile(r"\b(text)=[^&\r\n]+", re.IGNORECASE), rf"\1={REDACTED}"),
)
_NUMBER = re.compile(r"(?<![0-9•])([0-9]{4})[0-9]{2,7}([0-9]{4})(?![0-9•])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]")
_DEPTH = 8


class LogChoice(Protocol):
    """What is asked of the settings."""

    @property
    def format(self) -> str: ...
    @property
    def level(self) -> str: ...


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

    def value(self, value: object, *, numbers: bool = False, depth: int = 0) -> object:
        """Any value of a log line. What is no plain data is turned to text here, before a renderer calls its repr."""
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
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


def _spellings(secret: str) -> set[str]:
    """As it is, as JSON and Python write it, and as the parts of a URL."""
    found = {secret, json.dumps(secret)[1:-1], ascii(secret)[1:-1]}
    for encoding in ("utf-8", "cp1251"):
        encoded = secret.encode(encoding, "replace")
        found |= {quote(encoded, safe=""), quote(encoded, safe="/"), quote_plus(encoded), repr(encoded)[2:-1]}
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


@dataclass(slots=True)
class _Window:
    since: float
    passed: int = 0
    held: int = 0


@dataclass(slots=True)
class Sampler:
    """Lets ``limit`` lines of one logger and template through in a window and counts the rest.

    For lines of libraries: 82,670 tracebacks of one failing ``accept`` filled a log. Our own lines each name
    a message and are never held back. Not safe for threads by itself: the handler asks it under its lock.
    """

    limit: int = SAMPLE_LIMIT
    window: float = SAMPLE_WINDOW
    clock: Callable[[], float] = time.monotonic
    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)
    _next_end: float = 0.0

    def admits(self, record: logging.LogRecord) -> bool:
        if is_own(record):
            return True
        key = _template(record)
        if key not in self._windows and len(self._windows) >= SAMPLE_TEMPLATES:
            key = (record.name, "(others)")
        window = self._windows.setdefault(key, _Window(since=self.clock()))
        if window.passed >= self.limit:
            window.held += 1
            return False
        window.passed += 1
        return True

    def ended(self) -> list[tuple[str, str, int]]:
        """Close the windows that are over. Of those that held lines back: logger, template, how many."""
        now = self.clock()
        if now < self._next_end:
            return []
        over = [key for key, window in self._windows.items() if now - window.since >= self.window]
        closed = [(key, self._windows.pop(key).held) for key in over]
        oldest = min((window.since for window in self._windows.values()), default=now)
        self._next_end = oldest + self.window
        return [(*key, held) for key, held in closed if held]


def is_own(record: logging.LogRecord) -> bool:
    """Written by this program: through structlog, or by a logger of the package."""
    return hasattr(record, "_logger") or record.name == _OWN or record.name.startswith(f"{_OWN}.")


def _template(record: logging.LogRecord) -> tuple[str, str]:
    """The message before its arguments; numbers out, because some libraries format ids into it themselves."""
    first = str(record.msg).split("\n", 1)[0][:200]
    return record.name, re.sub(r"0x[0-9a-fA-F]+|[0-9]+", "#", first)


class RedactingHandler(logging.StreamHandler[TextIO]):
    """The way out. Also says what the sampler held back, and never prints a record that could not be formatted."""

    def __init__(self, stream: TextIO, sampler: Sampler) -> None:
        super().__init__(stream)
        self._sampler = sampler

    def emit(self, record: logging.LogRecord) -> None:
        for name, template, held in self._sampler.ended():
            note = {"event": "log_lines_held_back", "origin": name, "template": template, "count": held}
            super().emit(_record_of(note))
        if self._sampler.admits(record):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """The standard one prints message and arguments as they are, past every redaction."""
        kind = sys.exc_info()[0]
        name = kind.__name__ if kind is not None else "error"
        try:
            self.stream.write(f"log_line_lost logger={record.name!r} level={record.levelname} error={name}\n")
            self.flush()
        except (OSError, ValueError):
            # The stream itself is gone (a closed pipe): there is nowhere left to say it.
            return


def _record_of(event: EventDict) -> logging.LogRecord:
    """A record as structlog makes it, for lines the handler itself has to say."""
    record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, event, (), None)
    record.__dict__.update(_logger=None, _name="warning")
    return record


def plain_traceback(exc_info: ExcInfo) -> str:
    """Class, text and frames; never the values of local variables, which a rich traceback shows."""
    return "".join(traceback.format_exception(*exc_info)).rstrip("\n")


def redacting(redactor: Redactor) -> Processor:
    """A processor that must stand right before the renderer, after exceptions became text."""

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        record = event.get("_record")
        foreign = not event.get("_from_structlog") and not (record is not None and is_own(record))
        cleaned: EventDict = {}
        for name, value in event.items():
            if name in {"_record", "_from_structlog", "timestamp", "level"}:
                cleaned[name] = value
            else:
                # A traceback quotes whatever a library wrote, whoever logs it.
                numbers = foreign or name in {"exception", "stack"}
                cleaned[name if name.isidentifier() else redactor.text(name)] = redactor.value(value, numbers=numbers)
        return cleaned

    return redact


_CHAIN: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
"""Always this same list: loggers are cached with it, and all that a configuration changes is in the handler."""


def _formatter(choice: LogChoice, redactor: Redactor, *, colors: bool) -> logging.Formatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if choice.format == "json"
        else structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.ExceptionRenderer(plain_traceback),
            redacting(redactor),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            renderer,
        ],
    )


def configure(
    settings: LogChoice,
    secrets: Collection[str],
    *,
    stream: TextIO | None = None,
    sampler: Sampler | None = None,
) -> None:
    """Send every log line of the process to ``stream`` (stderr), redacted. May be called again with other
    settings.

    ``level`` below INFO holds for our own lines only: at DEBUG the libraries write whole requests and SQL
    parameters.
    """
    target = sys.stderr if stream is None else stream
    handler = RedactingHandler(target, sampler or Sampler())
    handler.setFormatter(_formatter(settings, Redactor(secrets), colors=target.isatty()))
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, RedactingHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.INFO))
    logging.getLogger(_OWN).setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))
    structlog.configure(
        processors=_CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
