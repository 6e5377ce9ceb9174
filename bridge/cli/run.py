"""``sms-bridge run``: runs the service."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

import click

from bridge.cli.common import EXIT_CONFIG, EXIT_INTERRUPTED, config_option, fail, fail_with_problems, settings_of
from bridge.cli.systemd import feed_watchdog, notify
from bridge.config import Settings
from bridge.errors import BridgeError, ConfigError


@click.command()
@config_option
@click.option(
    "--roles",
    metavar="ROLE,…",
    default="",
    help="What this process is for: intake, router, sender, telegram, status. Default: all. Needs PostgreSQL.",
)
def run(config: str | None, roles: str) -> None:
    """Take callbacks, route, send, and talk to Telegram, until SIGTERM or Ctrl-C.

    Changed rule files are loaded automatically, and on SIGHUP.

    Exit code 78: the configuration or a rule file cannot be used. 1: something else prevents the start, such as a
    port in use or another run on the same store. 130: Ctrl-C.
    """
    settings = settings_of(config, exit_code=EXIT_CONFIG)
    wanted = roles_of(roles, settings)
    from bridge.telemetry import output

    output.configure(settings.logging, settings.secrets())
    for warning in settings.warnings:
        click.echo(f"{warning} (warning)", err=True)
    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            code = runner.run(serve(settings, wanted))
    except ConfigError as error:
        fail_with_problems(error, EXIT_CONFIG)
    except (BridgeError, OSError) as error:
        fail(f"cannot start: {error}")
    sys.exit(code)


def roles_of(text: str, settings: Settings) -> frozenset[str]:
    """The roles that ``--roles`` names; all if it is empty.

    :raises click.BadParameter: a role is unknown, or the store belongs to one process, which has all roles.
    """
    from bridge.pipeline.cluster import ROLES

    wanted = frozenset(filter(None, (word.strip() for word in text.split(",")))) or frozenset(ROLES)
    if unknown := sorted(wanted.difference(ROLES)):
        raise click.BadParameter(f"no such role: {', '.join(unknown)}; there are {', '.join(ROLES)}")
    if wanted != frozenset(ROLES) and not settings.storage.is_postgresql:
        raise click.BadParameter(
            "an SQLite store belongs to one process, which does everything; several need storage.url: postgresql://…"
        )
    return wanted


async def serve(settings: Settings, roles: frozenset[str]) -> int:
    """Run until a signal stops the service. Returns the exit code."""
    from bridge.app.running import running
    from bridge.pipeline.cluster import INTAKE

    stop = asyncio.Event()
    caught: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):

        def ask_to_stop(number: signal.Signals = number) -> None:
            caught.append(number)
            stop.set()

        loop.add_signal_handler(number, ask_to_stop)
    async with running(settings, roles=roles) as bridge:
        loop.add_signal_handler(signal.SIGHUP, bridge.reloader.request)
        # The start makes some 120,000 objects that stay. Each full collection would visit them and block the loop for
        # 90 ms; after ``gc.freeze`` it takes less than 1 ms (December 2026).
        gc.collect()
        gc.freeze()
        if INTAKE in roles:
            click.echo(f"callbacks: {bridge.callback_url}", err=True)
        else:
            click.echo(f"running: {', '.join(sorted(roles))}", err=True)
        notify("READY=1")
        watchdog = asyncio.create_task(feed_watchdog())
        await stop.wait()
        notify("STOPPING=1")
        watchdog.cancel()
    return EXIT_INTERRUPTED if caught and caught[0] is signal.SIGINT else 0


def fast_loop() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop's event loop if it is installed (extra ``speed``), else None."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
