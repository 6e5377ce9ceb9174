"""The command line. Heavy modules are imported only by the commands that need them."""

from __future__ import annotations

import importlib

import click

from bridge import __version__

COMMANDS = {
    "run": "bridge.cli.run:run",
    "check": "bridge.cli.check:check",
    "test": "bridge.cli.test:test",
    "explain": "bridge.cli.explain:explain",
    "replay": "bridge.cli.replay:replay",
    "reload": "bridge.cli.reload:reload",
    "init": "bridge.cli.init:init",
    "schema": "bridge.cli.schema:schema",
    "doctor": "bridge.cli.doctor:doctor",
    "sandbox": "bridge.cli.sandbox:sandbox",
    "send": "bridge.cli.send:send",
    "balance": "bridge.cli.balance:balance",
    "status": "bridge.cli.status:status",
    "queue": "bridge.cli.queue:queue",
    "history": "bridge.cli.history:history",
    "backup": "bridge.cli.backup:backup",
    "restore": "bridge.cli.backup:restore",
    "store": "bridge.cli.store:store",
}


class LazyGroup(click.Group):
    """Imports a command when it is called, so that ``--help`` and ``check`` load neither aiohttp nor telegram."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, name = target.split(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sms-bridge")
def main() -> None:
    """Answers SMS by YAML rules and lets a team answer the rest from Telegram.

    Try it without any account: sms-bridge sandbox
    """
