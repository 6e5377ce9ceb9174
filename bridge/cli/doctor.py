"""``sms-bridge doctor``: checks everything around the bridge and says what to do about each finding."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from rich.text import Text

from bridge.cli.common import EXIT_FOUND, config_option, console, json_option, plain, print_json, run_async
from bridge.config import Settings, find, load
from bridge.errors import ConfigError
from bridge.model.base import LANGUAGES, Language
from bridge.telegram.setup.findings import Finding, Level
from bridge.telegram.texts import say
from bridge.telemetry import output

MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("•", "yellow"), Level.FAULT: ("✗", "bold red")}


@click.command()
@config_option
@json_option
@click.option("--language", type=click.Choice(LANGUAGES), help="Default: `telegram.language` of the configuration.")
def doctor(config: str | None, as_json: bool, language: Language | None) -> None:
    """Check everything that the bridge depends on: configuration, store, platform, Telegram, the callback.

    Sends no SMS, changes nothing and prints no secret. May run beside the service; while the service is stopped it also
    finds other programs that poll the same bot.

    Exit code 0: no faults (there may be warnings). 1: there are faults.
    """
    try:
        settings = load(find(config, os.environ), os.environ)
    except ConfigError as error:
        from bridge.cli.doctor_checks import problems

        show(problems(error), as_json, language or "ru")
    output.configure(settings.logging.model_copy(update={"level": "error"}), settings.secrets())
    show(run_async(lambda: examine(settings)), as_json, language or settings.telegram.language)


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which a person would repair them."""
    from bridge.cli import doctor_checks
    from bridge.pipeline.clock import SystemClock
    from bridge.telegram.setup import checks as telegram_checks

    found = [*doctor_checks.check_config(settings), *await doctor_checks.check_store(settings)]
    service, runs = await doctor_checks.check_service(settings)
    found.append(service)
    for name, account in settings.accounts.items():
        found += await doctor_checks.check_account(name, account, settings)
    found += await doctor_checks.check_webhook(settings)
    # While our own service polls, a poll of the doctor would disturb it.
    return [*found, *await telegram_checks.examine(settings, SystemClock(), may_poll=not runs)]


def show(found: Sequence[Finding], as_json: bool, language: Language) -> NoReturn:
    """Print the findings and exit."""
    worst = {each.level for each in found}
    if as_json:
        print_json(
            [
                {
                    "finding": each.what,
                    "level": each.level.value,
                    "sentence": each.sentence(language),
                    "params": dict(each.params),
                }
                for each in found
            ]
        )
    else:
        out = console()
        for each in found:
            mark, colour = MARKS[each.level]
            out.print(Text.assemble((mark, colour), " ", plain(each.sentence(language))), soft_wrap=True)
        click.echo(say(language, summary(worst)), err=True)
    sys.exit(EXIT_FOUND if Level.FAULT in worst else 0)


def summary(levels: set[Level]) -> str:
    if Level.FAULT in levels:
        return "doctor.summary_faults"
    return "doctor.summary_warnings" if Level.WARNING in levels else "doctor.summary_ok"
