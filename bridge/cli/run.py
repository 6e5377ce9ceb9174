"""``sms-bridge run``: the service."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

import click

from bridge.cli.common import EXIT_CONFIG, config_option, fail, fail_with_problems, settings_of
from bridge.cli.systemd import feed_watchdog, notify
from bridge.config import Settings
from bridge.errors import BridgeError, ConfigError


@click.command()
@config_option
def run(config: str | None) -> None:
    """Take callbacks, route, send, talk to Telegram, until SIGTERM or Ctrl-C.

    Changed rule files are loaded by themselves, and on SIGHUP.

    Exit code 78: the configuration or a rule file cannot be used. 1: something else prevents the start, such as a
    port in use or another run on the same store. 130: Ctrl-C.
    """
    settings = settings_of(config, exit_code=EXIT_CONFIG)
    import bridge.telemetry as telemetry

    telemetry.configure(settings.logging, settings.secrets())
    for warning in settings.warnings:
        click.echo(f"{warning} (warning)", err=True)
    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            code = runner.run(serve(settings))
    except ConfigError as error:
        fail_with_problems(error, EXIT_CONFIG)
    except (BridgeError, OSError) as error:
        fail(f"cannot start: {error}")
    sys.exit(code)


async def serve(settings: Settings) -> int:
    """Run until a signal asks to stop; returns the exit code."""
    from bridge.app import running

    stop = asyncio.Event()
    caught: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):

        def ask_to_stop(number: signal.Signals = number) -> None:
            caught.append(number)
            stop.set()

        loop.add_signal_handler(number, ask_to_stop)
    async with running(settings) as bridge:
        loop.add_signal_handler(signal.SIGHUP, bridge.reloader.ask)
        # What a start makes stays for good; looking through all of it again held up the loop for 60 ms now and then.
        gc.collect()
        gc.freeze()
        click.echo(f"callbacks: {bridge.callback_url}", err=True)
        notify("READY=1")
        watchdog = asyncio.create_task(feed_watchdog())
        await stop.wait()
        notify("STOPPING=1")
        watchdog.cancel()
    return 130 if caught and caught[0] is signal.SIGINT else 0


def fast_loop() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (extra ``speed``)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
