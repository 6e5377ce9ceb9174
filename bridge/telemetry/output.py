"""Writes the log: the handler of the root logger, the program's own logger, and their configuration."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Collection
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bridge.telemetry.lines import LineRenderer, LogSettings, RecordFormatter, safe_traceback
from bridge.telemetry.redaction import Redactor
from bridge.telemetry.sampling import OWN_LOGGER, Sampler

_LOWEST_LEVELS = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "aiohttp.access": logging.WARNING}
"""Lowest levels of libraries. At INFO httpx logs the URL with the bot token, and aiohttp's access log has SMS texts
and the callback's secret."""

_DEFERRED = frozenset({"debug", "info"})
"""Levels whose lines may wait for the end of the event loop's turn."""

_LOGGER = logging.getLogger(__name__)


class RedactingHandler(logging.StreamHandler[TextIO]):
    """Writes every line of the log, redacted. A record that cannot be formatted is reported without its content.

    Lines of libraries arrive as records. Our own lines go through :meth:`write_own`, because a record for each would
    cost more than the rest of the line. In an event loop, lines below WARNING are written together at the end of the
    loop's turn; a kill can lose the lines of one turn.
    """

    def __init__(self, stream: TextIO, sampler: Sampler, render: LineRenderer) -> None:
        super().__init__(stream)
        self._sampler = sampler
        self._render = render
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._report_held_back_lines()
        if self._sampler.admits(record):
            self.flush()
            super().emit(record)

    def write_own(self, logger: logging.Logger, method: str, event: EventDict) -> None:
        """Redact, render and write a line of this program."""
        with self.lock or nullcontext():
            flush_is_due = bool(self._waiting)
            try:
                self._report_held_back_lines()
                self._waiting.append(f"{self._render(logger, method, event)}\n")
            except Exception as error:
                self._lost(logger.name, method.upper(), type(error).__name__)
                return
            try:
                loop = asyncio.get_running_loop() if method in _DEFERRED else None
            except RuntimeError:
                loop = None
            if loop is None:
                self.flush()
            elif not flush_is_due:
                loop.call_soon(self.flush)

    def flush(self) -> None:
        with self.lock or nullcontext():
            if self._waiting:
                lines, self._waiting = "".join(self._waiting), []
                try:
                    self.stream.write(lines)
                except (OSError, ValueError):
                    return  # the stream is closed, so the error cannot be reported anywhere
        with suppress(OSError, ValueError):
            super().flush()

    def _report_held_back_lines(self) -> None:
        for name, template, held in self._sampler.ended():
            note: EventDict = {"event": "log_lines_held_back", "origin": name, "template": template, "count": held}
            self._waiting.append(f"{self._render(_LOGGER, 'warning', note)}\n")

    def handleError(self, record: logging.LogRecord) -> None:
        """Report a record that could not be formatted. The standard method would print message and arguments
        unredacted."""
        kind = sys.exc_info()[0]
        self._lost(record.name, record.levelname, kind.__name__ if kind is not None else "error")

    def _lost(self, logger: str, level: str, error: str) -> None:
        self._waiting.append(f"log_line_lost logger={logger!r} level={level} error={error}\n")
        self.flush()


class OwnLogger(structlog.BoundLoggerBase):
    """The logger that ``structlog.get_logger()`` returns. It checks the level and calls the handler directly.

    The standard logger behind it gives the name and the level. This saves a record, a search for the caller's frame and
    a second chain of processors.
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
            return  # the lines are being captured instead of written


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log the exception that ends the process. Used as ``sys.excepthook``; Python's own prints it unredacted."""
    if issubclass(kind, Exception):
        structlog.get_logger(OWN_LOGGER).error(
            "exception_uncaught", error_class=kind.__name__, trace=safe_traceback(error)
        )
    else:
        sys.__excepthook__(kind, error, trace)


def _to_handler(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """The only processor of our own lines."""
    if _handler is not None:
        _handler.write_own(logger, method, event)
    return ""


_handler: RedactingHandler | None = None

_CHAIN: list[Processor] = [_to_handler]
"""This list never changes, because loggers are cached with it. A new configuration changes only the handler."""


def configure(
    settings: LogSettings,
    secrets: Collection[str],
    *,
    stream: TextIO | None = None,
    sampler: Sampler | None = None,
) -> None:
    """Send every log line of the process to ``stream`` (stderr), redacted. May be called again.

    A ``level`` below INFO holds only for our own lines: at DEBUG libraries write whole requests and SQL parameters.
    """
    global _handler
    target = sys.stderr if stream is None else stream
    render = LineRenderer(settings, Redactor(secrets), colors=target.isatty())
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
    logging.getLogger(OWN_LOGGER).setLevel(level)
    for name, least in _LOWEST_LEVELS.items():
        logging.getLogger(name).setLevel(max(level, least))
    structlog.configure(
        processors=_CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=OwnLogger,
        cache_logger_on_first_use=True,
    )
