"""The log: one stream, one format, and nothing in it that must stay secret.

Our own lines carry event names, ids and masked numbers by discipline. The libraries have none: URLs with
passwords stand in the texts of their exceptions, whole requests in their debug lines. So redaction sits at
the only way out, the handler of the root logger, and covers messages, arguments, fields and tracebacks alike.

Nothing here decides what is logged. The module knows no settings: whoever configures hands in the secret
values.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from types import TracebackType
from typing import Final, Protocol, TextIO, cast
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

_PLAIN = frozenset({str, int, type(None)})
_PATIENT = frozenset({"debug", "info"})
"""What may wait for the end of the event loop's turn."""
_LOGGER = logging.getLogger(__name__)

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
    """Written by this program, though not through structlog."""
    return record.name == _OWN or record.name.startswith(f"{_OWN}.")


def _template(record: logging.LogRecord) -> tuple[str, str]:
    """The message before its arguments; numbers out, because some libraries format ids into it themselves."""
    first = str(record.msg).split("\n", 1)[0][:200]
    return record.name, re.sub(r"0x[0-9a-fA-F]+|[0-9]+", "#", first)


class RedactingHandler(logging.StreamHandler[TextIO]):
    """The way out. Also says what the sampler held back, and never prints a record that could not be formatted.

    Lines of libraries come as records. Our own come rendered (:meth:`write_own`): a record for each of them would cost
    more than the rest of the line. Within an event loop those below WARNING leave together at the end of its turn, in
    one write; a kill can take the lines of one turn along.
    """

    def __init__(self, stream: TextIO, sampler: Sampler, render: Render) -> None:
        super().__init__(stream)
        self._sampler = sampler
        self._render = render
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._say_what_was_held_back()
        if self._sampler.admits(record):
            self.flush()
            super().emit(record)

    def write_own(self, logger: logging.Logger, method: str, event: EventDict) -> None:
        """A line of this program: redacted, rendered, written."""
        with self.lock or nullcontext():
            try:
                self._say_what_was_held_back()
                self._waiting.append(f"{self._render(logger, method, event)}\n")
            except Exception as error:
                self._lost(logger.name, method.upper(), type(error).__name__)
                return
            loop = asyncio._get_running_loop() if method in _PATIENT else None
            if loop is None:
                self.flush()
            elif len(self._waiting) == 1:
                loop.call_soon(self.flush)

    def flush(self) -> None:
        with self.lock or nullcontext():
            if self._waiting:
                lines, self._waiting = "".join(self._waiting), []
                try:
                    self.stream.write(lines)
                except (OSError, ValueError):
                    return  # the stream is gone (a closed pipe): there is nowhere left to say it
        with suppress(OSError, ValueError):
            super().flush()

    def _say_what_was_held_back(self) -> None:
        for name, template, held in self._sampler.ended():
            note: EventDict = {"event": "log_lines_held_back", "origin": name, "template": template, "count": held}
            self._waiting.append(f"{self._render(_LOGGER, 'warning', note)}\n")

    def handleError(self, record: logging.LogRecord) -> None:
        """The standard one prints message and arguments as they are, past every redaction."""
        kind = sys.exc_info()[0]
        self._lost(record.name, record.levelname, kind.__name__ if kind is not None else "error")

    def _lost(self, logger: str, level: str, error: str) -> None:
        self._waiting.append(f"log_line_lost logger={logger!r} level={level} error={error}\n")
        self.flush()


class OwnLogger(structlog.BoundLoggerBase):
    """What ``structlog.get_logger()`` gives this program: past the level, straight to the handler.

    The standard logger behind it says the name and the level; a record, a search for the caller's frame and a second
    chain of processors are left out.
    """

    def debug(self, event: str, **fields: object) -> None:
        self._log(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._log(logging.INFO, "info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._log(logging.WARNING, "warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._log(logging.ERROR, "error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        self._log(logging.ERROR, "error", event, {"exc_info": True, **fields})

    def _log(self, level: int, method: str, event: str, fields: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        try:
            self._process_event(method, event, fields)
        except structlog.DropEvent:
            return  # somebody captures lines instead of writing them


def plain_traceback(exc_info: ExcInfo) -> str:
    """Class, text and frames; never the values of local variables, which a rich traceback shows."""
    return "".join(traceback.format_exception(*exc_info)).rstrip("\n")


def frames(error: BaseException | None) -> str:
    """A traceback of classes and places alone: an exception that nobody foresaw may quote what was in work."""
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if error.__traceback__ is not None:
            lines += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        lines.append(f"{type(error).__module__}.{type(error).__name__}\n")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines).rstrip("\n")


def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For ``sys.excepthook``: what ends the process is told through the log; Python's own way is past all redaction."""
    if issubclass(kind, Exception):
        structlog.get_logger(_OWN).error("uncaught", error_class=kind.__name__, trace=frames(error))
    else:
        sys.__excepthook__(kind, error, trace)


def redacted(redactor: Redactor, event: EventDict, *, foreign: bool) -> EventDict:
    """Every field of a line, after exceptions became text."""
    cleaned: EventDict = {}
    for name, value in event.items():
        # A traceback quotes whatever a library wrote, whoever logs it.
        numbers = foreign or name in {"exception", "stack"}
        cleaned[name if name.isidentifier() else redactor.text(name)] = redactor.value(value, numbers=numbers)
    return cleaned


def plain_json(line: Mapping[str, str | int | None]) -> str:
    """What ``json.dumps`` makes of strings, numbers and None, without the encoder that it builds for each call."""
    members = [
        f'"{name}": {"null" if value is None else encode_basestring(value) if type(value) is str else value}'
        for name, value in line.items()
    ]
    return f"{{{', '.join(members)}}}"


class Render:
    """From an event to a line, in the one order that is safe: exceptions to text, redaction, rendering."""

    def __init__(self, choice: LogChoice, redactor: Redactor, *, colors: bool) -> None:
        self._redactor = redactor
        self._json = choice.format == "json"
        self._console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        self._second = 0
        self._to_the_second = ""

    def __call__(self, logger: logging.Logger, method: str, event: EventDict, *, foreign: bool = False) -> str:
        if "exc_info" in event or "stack_info" in event:
            for processor in _TRACEBACKS:
                event = cast("EventDict", processor(logger, method, event))
        head = {"timestamp": self._timestamp(), "level": method, "logger": logger.name}
        if self._json and not foreign and _PLAIN.issuperset(map(type, event.values())):
            whole = plain_json({**head, **event})
            if self._redactor.finds_nothing(whole, event):
                return whole
        line = {**head, **redacted(self._redactor, event, foreign=foreign)}
        return json.dumps(line, ensure_ascii=False) if self._json else str(self._console(logger, method, line))

    def _timestamp(self) -> str:
        """ISO 8601 in UTC, to the microsecond; what the lines of a second share is made once."""
        second, fraction = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._to_the_second = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._to_the_second}.{fraction // 1_000:06}Z"


class RecordFormatter(logging.Formatter):
    """Lines of libraries, through the same door."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        event: EventDict = {"event": record.getMessage()}
        if record.exc_info and not is_own(record):
            event["exception"] = frames(record.exc_info[1])
        elif record.exc_info:
            event["exc_info"] = record.exc_info
        if record.stack_info:
            event["stack"] = record.stack_info
        logger = logging.getLogger(record.name)
        return self._render(logger, record.levelname.lower(), event, foreign=not is_own(record))


_TRACEBACKS: tuple[Processor, ...] = (
    structlog.processors.StackInfoRenderer(),
    structlog.processors.ExceptionRenderer(plain_traceback),
)


def _to_handler(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """The whole chain of our own lines."""
    if _handler is not None:
        _handler.write_own(logger, method, event)
    return ""


_handler: RedactingHandler | None = None
_CHAIN: list[Processor] = [_to_handler]
"""Always this same list: loggers are cached with it, and all that a configuration changes is in the handler."""


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
    global _handler
    target = sys.stderr if stream is None else stream
    render = Render(settings, Redactor(secrets), colors=target.isatty())
    handler = RedactingHandler(target, sampler or Sampler(), render)
    handler.setFormatter(RecordFormatter(render))
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, RedactingHandler)]:
        old.flush()
        root.removeHandler(old)
    root.addHandler(handler)
    _handler = handler
    root.setLevel(max(level, logging.INFO))
    logging.getLogger(_OWN).setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))
    structlog.configure(
        processors=_CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=OwnLogger,
        cache_logger_on_first_use=True,
    )
