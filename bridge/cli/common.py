"""What every command shares: which configuration, how errors look, how tables and JSON are printed."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click
from rich.console import Console

from bridge.config import Settings, find, load
from bridge.errors import BridgeError, ConfigError
from bridge.model.base import Json, Ms
from bridge.schema import plural, shown
from bridge.telemetry import output

if TYPE_CHECKING:
    from bridge.store.opening import Queries

EXIT_FOUND = 1
"""``check`` found mistakes; an order could not be carried out."""
EXIT_CONFIG = 78
"""A service cannot start with this configuration (EX_CONFIG): systemd must not restart it."""

PIPED_WIDTH = 200
"""Columns of a table that goes into a file or another program."""

_OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing: a terminal would do as they say."""

T = TypeVar("T")

config_option = click.option(
    "-c",
    "--config",
    "config",
    metavar="FILE",
    help="Configuration file. Default: $SMS_BRIDGE_CONFIG, ./config.yaml, /etc/sms-bridge/config.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def console() -> Console:
    """For a person. Where no terminal is at the other end, lines are as long as they need to be."""
    return Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)


def plain(text: str) -> str:
    """A text from outside on one line of a terminal: no line breaks, nothing that the terminal would obey."""
    return _OBEYED.sub("·", " ⏎ ".join(text.splitlines()))


def settings_of(config: str | None, *, exit_code: int = EXIT_FOUND, quiet: bool = False) -> Settings:
    """Load the configuration or end with its mistakes, each with file, line and column, on stderr."""
    try:
        path = find(config, os.environ)
        if not quiet:
            click.echo(f"configuration: {path}", err=True)
        settings = load(path, os.environ)
    except ConfigError as error:
        fail_with_problems(error, exit_code)
    # Commands share the service's code and with it its log; stdout is for the answer alone.
    output.configure(settings.logging.model_copy(update={"level": "warning"}), settings.secrets())
    sys.excepthook = output.uncaught
    return settings


def fail_with_problems(error: ConfigError, exit_code: int) -> NoReturn:
    for problem in error.problems:
        click.echo(str(problem), err=True)
    click.echo(plural(len(error.problems), "mistake"), err=True)
    sys.exit(exit_code)


def fail(message: str, exit_code: int = EXIT_FOUND) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(exit_code)


def run_async(work: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run one command to its end; our own errors become one line on stderr and exit code 1, Ctrl-C is 130."""
    import asyncio

    try:
        return asyncio.run(work())
    except BridgeError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def print_json(value: Json) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def when(at: Ms | None) -> str:
    """A point in time for people, in the machine's own time zone."""
    if at is None:
        return "—"
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def moment(written: str, zone: tzinfo) -> Ms:
    """``2026-03-01`` or ``2026-03-01 22:15`` in this time zone. :raises click.BadParameter: neither."""
    try:
        at = datetime.fromisoformat(written.strip())
    except ValueError:
        raise click.BadParameter(f"{written!r} is no date; write 2026-03-01 or 2026-03-01 22:15") from None
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def ago(at: Ms | None, now: Ms) -> str:
    """How long ago, in one unit."""
    if at is None:
        return "—"
    seconds = max(now - at, 0) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for a person at a terminal; silence in a script's log."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def step(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield step


@asynccontextmanager
async def looking_into(settings: Settings) -> AsyncIterator[Queries]:
    """The store, opened for reading only: beside a running service or without one."""
    from bridge.store import open_queries

    store = await open_queries(settings.storage.url)
    try:
        yield store
    finally:
        await store.close()


def has_store(settings: Settings) -> bool:
    """False where no service has ever run. Of a server nothing is known before it is asked."""
    return settings.storage.shared or settings.storage.sqlite_path.exists()


def need_store(settings: Settings) -> None:
    """Ends the command where there is no store yet."""
    if not has_store(settings):
        place = shown(settings.storage.sqlite_path)
        fail(f"there is no store at {place} yet: start the service once with `sms-bridge run`")


def database_of(settings: Settings) -> Path:
    """The SQLite file; ends the command where there is none, or none yet."""
    if settings.storage.shared:
        fail("this is for SQLite alone; for PostgreSQL see docs/scaling.md (pg_dump, pg_restore)")
    need_store(settings)
    return settings.storage.sqlite_path
