"""The way out: the handler of the root logger, the program's own logger, and their configuration."""

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

from bridge.telemetry.lines import LogChoice, RecordFormatter, Render, frames
from bridge.telemetry.redaction import Redactor
from bridge.telemetry.sampling import OWN, Sampler

_QUIET = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "aiohttp.access": logging.WARNING}
"""httpx logs the URL with the bot token at INFO; aiohttp's access log has SMS texts and the callback's secret."""

_PATIENT = frozenset({"debug", "info"})
"""What may wait for the end of the event loop's turn."""

_LOGGER = logging.getLogger(__name__)


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


def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For ``sys.excepthook``: what ends the process is told through the log; Python's own way is past all redaction."""
    if issubclass(kind, Exception):
        structlog.get_logger(OWN).error("uncaught", error_class=kind.__name__, trace=frames(error))
    else:
        sys.__excepthook__(kind, error, trace)


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
    logging.getLogger(OWN).setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))
    structlog.configure(
        processors=_CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=OwnLogger,
        cache_logger_on_first_use=True,
    )
