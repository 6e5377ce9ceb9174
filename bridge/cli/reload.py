"""``sms-bridge reload``: the running service loads its rules again and reports mistakes in them."""

from __future__ import annotations

import sys
from typing import cast

import click

from bridge.cli.common import EXIT_FOUND, config_option, fail, json_option, print_json, run_async, settings_of
from bridge.cli.service import call
from bridge.errors import Problem
from bridge.model.base import Json
from bridge.schema import display_path, plural


@click.command()
@config_option
@json_option
def reload(config: str | None, as_json: bool) -> None:
    """Let the running service load the rule files as they are now.

    It also does so by itself, a second or two after a file was changed. config.yaml is read only at the start.

    Exit code 0: the new rules are in force. 1: they have mistakes and the old ones stay in force, or no service runs.
    """
    settings = settings_of(config, quiet=True)
    answer = run_async(lambda: call(settings, "POST", "/reload", own=True))
    if answer is None:
        running = "is running"
        if settings.storage.is_postgresql:
            running = f"with {display_path(settings.file)} is running here"
        fail(f"no service {running}; it reads the rules when it starts")
    mistakes = problems(answer["mistakes"])
    if as_json:
        print_json(answer)
    else:
        for problem in mistakes:
            click.echo(str(problem))
        for problem in problems(answer["warnings"]):
            click.echo(f"{problem} (warning)")
        if mistakes:
            click.echo(f"{plural(len(mistakes), 'mistake')}; version {answer['version']} stays in force", err=True)
        else:
            news = "" if answer["changed"] else ", as before"
            rules = plural(int(str(answer["rules"])), "rule")
            click.echo(f"{rules} in force, version {answer['version']}{news}", err=True)
    sys.exit(EXIT_FOUND if mistakes else 0)


def problems(rows: Json) -> list[Problem]:
    return [Problem(**row) for row in cast("list[dict[str, str | int]]", rows)]  # type: ignore[arg-type]
