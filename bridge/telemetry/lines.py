"""Makes a line of an event: exceptions become text, then secrets are redacted, then the line is rendered.

Only in this order no secret of an exception reaches the line.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Protocol, cast

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from bridge.telemetry.redaction import Redactor
from bridge.telemetry.sampling import is_own

_PLAIN = frozenset({str, int, type(None)})


class LogSettings(Protocol):
    """The settings of the log."""

    @property
    def format(self) -> str: ...
    @property
    def level(self) -> str: ...


def plain_traceback(exc_info: ExcInfo) -> str:
    """A traceback with class, text and frames, but without the values of local variables, which rich's would show."""
    return "".join(traceback.format_exception(*exc_info)).rstrip("\n")


def safe_traceback(error: BaseException | None) -> str:
    """A traceback of classes and frames only. It leaves out the texts of exceptions, because they may quote an SMS."""
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if error.__traceback__ is not None:
            lines += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        lines.append(f"{type(error).__module__}.{type(error).__name__}\n")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines).rstrip("\n")


def redact_fields(redactor: Redactor, event: EventDict, *, foreign: bool) -> EventDict:
    """Redact every field of a line whose exceptions are text already. ``foreign``: a library wrote the line."""
    cleaned: EventDict = {}
    for name, value in event.items():
        # A traceback may quote the texts of libraries, also in our own lines.
        numbers = foreign or name in {"exception", "stack"}
        cleaned[name if name.isidentifier() else redactor.text(name)] = redactor.value(value, numbers=numbers)
    return cleaned


def plain_json(line: Mapping[str, str | int | None]) -> str:
    """The same as ``json.dumps`` for strings, numbers and None. Faster: ``json.dumps`` builds an encoder for each
    call."""
    members = [
        f'"{name}": {"null" if value is None else encode_basestring(value) if type(value) is str else value}'
        for name, value in line.items()
    ]
    return f"{{{', '.join(members)}}}"


class LineRenderer:
    """Makes a line of an event. The docstring of the module has the order of the steps."""

    def __init__(self, settings: LogSettings, redactor: Redactor, *, colors: bool) -> None:
        self._redactor = redactor
        self._json = settings.format == "json"
        self._console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        self._second = 0
        self._second_as_text = ""

    def __call__(self, logger: logging.Logger, method: str, event: EventDict, *, foreign: bool = False) -> str:
        if "exc_info" in event or "stack_info" in event:
            for processor in _TRACEBACKS:
                event = cast("EventDict", processor(logger, method, event))
        head = {"timestamp": self._timestamp(), "level": method, "logger": logger.name}
        if self._json and not foreign and _PLAIN.issuperset(map(type, event.values())):
            whole = plain_json({**head, **event})
            if self._redactor.is_clean(whole, event):
                return whole
        line = {**head, **redact_fields(self._redactor, event, foreign=foreign)}
        return json.dumps(line, ensure_ascii=False) if self._json else str(self._console(logger, method, line))

    def _timestamp(self) -> str:
        """The time in ISO 8601, UTC, with microseconds. The part up to the second is cached."""
        second, fraction = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._second_as_text = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._second_as_text}.{fraction // 1_000:06}Z"


class RecordFormatter(logging.Formatter):
    """Renders and redacts the lines of libraries."""

    def __init__(self, render: LineRenderer) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        event: EventDict = {"event": record.getMessage()}
        if record.exc_info and not is_own(record):
            event["exception"] = safe_traceback(record.exc_info[1])
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
