"""What the commands share: finding the configuration, showing errors, printing tables and JSON, opening the store."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click
from rich.console import Console

from bridge.config import Settings, find, load
from bridge.errors import BridgeError, ConfigError
from bridge.model.base import Json, Ms
from bridge.schema import display_path, plural
from bridge.telemetry import output

if TYPE_CHECKING:
    from bridge.rules import RuleSet
    from bridge.store.opening import Queries

EXIT_FOUND = 1
"""``check`` found mistakes, or a command could not be carried out."""
EXIT_INTERRUPTED = 130
"""A person pressed Ctrl-C."""
EXIT_CONFIG = 78
"""The service cannot start with this configuration (EX_CONFIG), so systemd must not restart it."""

PIPED_WIDTH = 200
"""Columns of a table that is written into a file or read by another program."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of writing: a terminal would execute them."""

T = TypeVar("T")

config_option = click.option(
    "-c",
    "--config",
    "config",
    metavar="FILE",
    help="Configuration file. Default: $SMS_BRIDGE_CONFIG, ./config.yaml, /etc/sms-bridge/config.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def wall_clock() -> Ms:
    """The time by the machine's clock, in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def console() -> Console:
    """The console for a person. Where the output is no terminal, it is :data:`PIPED_WIDTH` columns wide."""
    return Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)


def plain(text: str) -> str:
    """The text on one line, without line breaks and control characters. For texts that other people wrote."""
    return _CONTROL.sub("·", " ⏎ ".join(text.splitlines()))


def settings_of(config: str | None, *, exit_code: int = EXIT_FOUND, quiet: bool = False) -> Settings:
    """Load the configuration. If it has mistakes, print each with file, line and column on stderr, and exit."""
    try:
        path = find(config, os.environ)
        if not quiet:
            click.echo(f"configuration: {path}", err=True)
        settings = load(path, os.environ)
    except ConfigError as error:
        fail_with_problems(error, exit_code)
    # Commands run code of the service, which writes a log. The log goes to stderr; stdout is for the answer.
    output.configure(settings.logging.model_copy(update={"level": "warning"}), settings.secrets())
    sys.excepthook = output.log_uncaught
    return settings


def fail_with_problems(error: ConfigError, exit_code: int) -> NoReturn:
    for problem in error.problems:
        click.echo(str(problem), err=True)
    click.echo(plural(len(error.problems), "mistake"), err=True)
    sys.exit(exit_code)


def rules_or_exit(settings: Settings) -> RuleSet:
    """The rules of the configuration; prints their mistakes and ends the command if they have any."""
    from bridge.app.rulebook import rules_of

    try:
        return rules_of(settings)
    except ConfigError as error:
        fail_with_problems(error, EXIT_FOUND)


def fail(message: str, exit_code: int = EXIT_FOUND) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(exit_code)


def run_async(work: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run a command. An error of ours becomes one line on stderr and exit code 1."""
    import asyncio

    try:
        return asyncio.run(work())
    except BridgeError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def print_json(value: Json) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def local_time(at: Ms | None) -> str:
    """A time as text, in the time zone of this machine; a dash for None."""
    if at is None:
        return "—"
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def parse_time(written: str, zone: tzinfo) -> Ms:
    """The time of ``2026-03-01`` or ``2026-03-01 22:15`` in the time zone ``zone``, unless the text names another.

    :raises click.BadParameter: the text is neither.
    """
    try:
        at = datetime.fromisoformat(written.strip())
    except ValueError:
        raise click.BadParameter(f"{written!r} is no date; write 2026-03-01 or 2026-03-01 22:15") from None
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def ago(at: Ms | None, now: Ms) -> str:
    """The time since ``at``, in one unit, such as ``5m ago``; a dash for None."""
    if at is None:
        return "—"
    seconds = max(now - at, 0) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar if stderr is a terminal. The context gives the function that reports done and total."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def step(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield step


def read_store(settings: Settings, read: Callable[[Queries], Awaitable[T]]) -> T:
    """Return what ``read`` reads from the store. Ends the command if there is no store yet."""
    need_store(settings)

    async def work() -> T:
        async with read_only_store(settings) as store:
            return await read(store)

    return run_async(work)


@asynccontextmanager
async def read_only_store(settings: Settings) -> AsyncIterator[Queries]:
    """The store, opened for reading only, beside a running service or without one."""
    from bridge.store import open_queries

    store = await open_queries(settings.storage.url)
    try:
        yield store
    finally:
        await store.close()


def has_store(settings: Settings) -> bool:
    """False if the SQLite file does not exist, so no service has run yet. Always True for a database server."""
    return settings.storage.is_postgresql or settings.storage.sqlite_path.exists()


def need_store(settings: Settings) -> None:
    """End the command if there is no store yet."""
    if not has_store(settings):
        path = display_path(settings.storage.sqlite_path)
        fail(f"there is no store at {path} yet: start the service once with `sms-bridge run`")


def sqlite_path_of(settings: Settings) -> Path:
    """The SQLite file, which may not exist yet. Ends the command if the store is on a database server."""
    if settings.storage.is_postgresql:
        fail("this is for SQLite alone; for PostgreSQL see docs/scaling.md (pg_dump, pg_restore)")
    return settings.storage.sqlite_path
