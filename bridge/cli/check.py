"""``sms-bridge check``: reports every mistake in the configuration and the rules at once."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

import click

from bridge.cli.common import EXIT_FOUND, config_option, print_json
from bridge.config import find, load
from bridge.errors import ConfigError, Problem
from bridge.schema import display_path, plural


@click.command()
@config_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(config: str | None, form: str) -> None:
    """Read configuration and rules and report everything that is wrong, each with file, line and column.

    Runs the tests in the rule files, too. Sends nothing. Rules are checked when the configuration is right.

    Exit code 0: all well (warnings may be printed). 1: mistakes.
    """
    mistakes, warnings, summary = examine(config)
    if form == "json":
        print_json({"mistakes": [asdict(each) for each in mistakes], "warnings": [asdict(each) for each in warnings]})
    else:
        for problem in mistakes:
            click.echo(str(problem))
        for problem in warnings:
            click.echo(f"{problem} (warning)")
        click.echo(summary, err=True)
    sys.exit(EXIT_FOUND if mistakes else 0)


def examine(config: str | None) -> tuple[list[Problem], list[Problem], str]:
    """The mistakes, the warnings, and a sentence about what was read."""
    from bridge.app.rulebook import canned_of, rules_of

    try:
        settings = load(find(config, os.environ), os.environ)
    except ConfigError as error:
        summary = f"{plural(len(error.problems), 'mistake')}; the rules are checked when the configuration is right"
        return list(error.problems), [], summary
    mistakes: list[Problem] = []
    rules = None
    try:
        canned_of(settings)
    except ConfigError as error:
        mistakes += error.problems
    try:
        rules = rules_of(settings)
    except ConfigError as error:
        mistakes += error.problems
    if rules is None or mistakes:
        return mistakes, list(settings.warnings), plural(len(mistakes), "mistake")
    warnings = [*settings.warnings, *rules.warnings]
    count = plural(len(rules.rules), "rule")
    return [], warnings, f"{display_path(settings.file)}: fine, {count}, version {rules.version}"
