"""``sms-bridge sandbox``: the whole bridge between a simulated platform and a simulated Telegram, without accounts."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from rich.console import Console
from rich.text import Text

from bridge.cli.common import EXIT_CONFIG, EXIT_FOUND, EXIT_INTERRUPTED, fail, fail_with_problems, plain, settings_of
from bridge.config import Settings
from bridge.errors import BridgeError, ConfigError
from bridge.model.base import Ms

if TYPE_CHECKING:
    from bridge.app.service import Bridge
    from bridge.sandbox.prompt import Prompt
    from bridge.sandbox.transcript import TranscriptLine

EXAMPLE = "config.example.yaml"
POLL: tuple[Ms, ...] = (1_000, 2_000, 30_000)
"""Pauses between delivery polls; short, so that a person sees the delivery."""

COLOURS = {
    "SMS in": "bold green",
    "SMS out": "bold cyan",
    "platform": "green",
    "status": "magenta",
    "Telegram": "blue",
    "operator": "bold blue",
    "bridge": "yellow",
    "sandbox": "dim",
}


@click.command()
@click.option("-c", "--config", default=None, metavar="FILE", help=f"Default: ./{EXAMPLE}.")
@click.option(
    "--script", type=click.File(encoding="utf-8", errors="replace"), help="Play the commands of this UTF-8 file."
)
@click.option("--port", default=None, type=click.IntRange(0, 65535), help="Port of the callbacks; 0: any free one.")
def sandbox(config: str | None, script: TextIO | None, port: int | None) -> None:
    """Try everything at a prompt: text as a subscriber, answer as an operator, watch each step.

    Uses the rules and chats of the configuration. Account and bot are replaced by simulated ones and the store by one
    in a temporary folder, so nothing leaves this machine.
    """
    settings = settings_of(config or EXAMPLE, exit_code=EXIT_CONFIG, quiet=True)
    try:
        code = asyncio.run(play(settings, script, port))
    except ConfigError as error:
        fail_with_problems(error, EXIT_CONFIG)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


async def play(settings: Settings, script: TextIO | None, port: int | None) -> int:
    """Run the sandbox. Returns the exit code: 1 if a script's wait timed out or one of its commands is wrong."""
    from bridge.app.running import running
    from bridge.sandbox.clock import SandboxClock
    from bridge.sandbox.operators import SandboxChat
    from bridge.sandbox.prompt import Prompt
    from bridge.telemetry import output

    out = Console(highlight=False)
    output.configure(settings.logging.model_copy(update={"level": "error"}), [])
    chats = [
        SandboxChat(name=name, id=chat.id, forum=chat.mode == "topics")
        for name, chat in settings.telegram.chats.items()
    ]
    clock = SandboxClock()
    zone = next(iter(settings.accounts.values())).callback.timezone
    prompt = Prompt(clock=clock, zone=zone, chats=chats, tell=lambda line: show(out, line))
    await prompt.start()
    try:
        with tempfile.TemporaryDirectory(prefix="sms-bridge-") as folder:
            async with running(simulated(settings, prompt, Path(folder), port), clock) as bridge:
                prompt.callback_url = url_with_secret(bridge)
                reporter = asyncio.create_task(report_rules(bridge, prompt))
                welcome(out, bridge, prompt)
                try:
                    return await (follow(out, prompt, script) if script is not None else read_prompt(prompt))
                finally:
                    reporter.cancel()
    except BridgeError as error:
        hint = ""
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            hint = "\nTake any free port instead: sms-bridge sandbox --port 0"
        fail(f"{error}{hint}")
    finally:
        await prompt.stop()


def simulated(settings: Settings, prompt: Prompt, folder: Path, port: int | None) -> Settings:
    """The settings, with every connection to the outside replaced by a simulated one."""
    from pydantic import SecretStr

    accounts = {
        name: account.model_copy(
            update={
                "url": prompt.platform.url,
                "script": "/sendsms.php",
                "login": "demo",
                "password": SecretStr("demo"),
                "status": account.status.model_copy(update={"poll": POLL}),
            }
        )
        for name, account in settings.accounts.items()
    }
    connection = {"api_url": prompt.telegram.url, "proxy": "", "updates": "polling"}
    telegram = settings.telegram.model_copy(update={"token": SecretStr(prompt.telegram.token), **connection})
    server = settings.server if port is None else settings.server.model_copy(update={"port": port})
    return settings.model_copy(
        update={
            "accounts": accounts,
            "telegram": telegram,
            "server": server,
            "web": settings.web.model_copy(update={"port": 0}),
            "storage": settings.storage.model_copy(update={"url": f"sqlite:///{folder}/sandbox.db"}),
        }
    )


def url_with_secret(bridge: Bridge) -> str:
    """The callback address with its secret, as it is registered with the platform."""
    account = next(iter(bridge.settings.accounts.values()))
    secret = account.callback.secret.get_secret_value()
    return f"{bridge.callback_url}?key={secret}" if secret else bridge.callback_url


def welcome(out: Console, bridge: Bridge, prompt: Prompt) -> None:
    separator = "&" if "?" in prompt.callback_url else "?"
    query = "smsid=1&sender=79083730330&receiver=1234&text=часы"
    out.print(f"[bold]sms-bridge sandbox[/bold]  callbacks: {bridge.callback_url}")
    out.print("Everything around the bridge is simulated. Be the platform from another terminal:", soft_wrap=True)
    out.print(f"  curl '{prompt.callback_url}{separator}{query}'", style="bold", markup=False, soft_wrap=True)
    out.print(
        "or play subscriber and operator here: [bold]sms часы[/bold]  [bold]sms где мой заказ?[/bold]  "
        "[bold]reply Выезжает[/bold]  [bold]help[/bold]  [bold]quit[/bold]",
        soft_wrap=True,
    )


def show(out: Console, line: TranscriptLine) -> None:
    # In one piece: above a prompt, a line whose end comes later is lost.
    out.print(Text.assemble((f"{line.source:>9}", COLOURS[line.source]), "  ", plain(line.text)), soft_wrap=True)


async def report_rules(bridge: Bridge, prompt: Prompt) -> None:
    """Print which rule matched each message, as stored."""
    from bridge.model.base import InboundId
    from bridge.model.inbound import InboundState
    from bridge.sandbox.transcript import Source

    next_id = 1
    while True:
        inbound = await bridge.store.get_inbound(InboundId(next_id))
        if inbound is None or inbound.state is InboundState.NEW:
            await asyncio.sleep(0.05)
            continue
        rule = next((rule for rule in bridge.rules.rules if rule.name == inbound.rule), None)
        where = f" ({rule.file}:{rule.line})" if rule is not None else ""
        what = f"rule {inbound.rule}{where}" if inbound.rule else "no rule matched"
        prompt.say(Source.BRIDGE, f"{what}: {inbound.outcome}")
        next_id += 1


async def follow(out: Console, prompt: Prompt, script: TextIO) -> int:
    """Play a script. Prints its commands and headings, but not its waits: they end with a line that is printed."""
    from bridge.sandbox.transcript import BadCommand, Quit

    for number, line in enumerate(script, 1):
        if line.strip() and not line.startswith(("wait ", "quit")):
            out.print(Text(plain(line.strip() if line.startswith("#") else f"> {line.strip()}"), "dim"), soft_wrap=True)
        try:
            await prompt.perform(line)
        except Quit:
            return 0
        except BadCommand as error:
            click.echo(f"line {number}: {error}", err=True)
            return EXIT_FOUND
    return 0


async def read_prompt(prompt: Prompt) -> int:
    """Read commands from a person, or from a pipe, until the end of input."""
    from bridge.sandbox.transcript import BadCommand, Quit, Source

    async for line in lines():
        try:
            await prompt.perform(line)
        except Quit:
            return 0
        except BadCommand as error:
            prompt.say(Source.SANDBOX, str(error))
    if not sys.stdin.isatty():
        await prompt.settle()
    return 0


async def lines() -> AsyncIterator[str]:
    """The lines that a person types, or those of a pipe, until the end of input."""
    if not sys.stdin.isatty():
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")
        while line := await asyncio.to_thread(sys.stdin.readline):
            yield line
        return
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.patch_stdout import patch_stdout
    except ImportError:
        async for line in plain_lines():
            yield line
        return
    session: PromptSession[str] = PromptSession()
    with patch_stdout(raw=True), contextlib.suppress(EOFError):
        while True:
            yield await session.prompt_async("> ")


async def plain_lines() -> AsyncIterator[str]:
    """The lines of a terminal if the extra ``prompt`` is missing. Without it, output appears inside the typed text."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        # Not sys.stdin: the interpreter closes it at the end of the program, which fails while a read waits.
        # RuntimeError: the loop is closed.
        with open(0, closefd=False, errors="replace") as keyboard, contextlib.suppress(RuntimeError):
            for line in keyboard:
                loop.call_soon_threadsafe(typed.put_nowait, line)
            loop.call_soon_threadsafe(typed.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    while line := await typed.get():
        yield line
