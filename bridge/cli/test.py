"""``sms-bridge test``: the ``tests:`` of the rule files, one line each, and what differs where one fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bridge.cli.common import (
    EXIT_FOUND,
    config_option,
    console,
    fail,
    fail_with_problems,
    json_option,
    plain,
    print_json,
    settings_of,
)
from bridge.errors import ConfigError
from bridge.model import Json
from bridge.rules.examples import Outcome, run_example
from bridge.rules.loader import read_rules
from bridge.schema import plural


@click.command()
@click.option("-k", "pattern", metavar="WORDS", default="", help="Only tests whose name or file holds WORDS.")
@config_option
@json_option
def test(pattern: str, config: str | None, as_json: bool) -> None:
    """Run the tests that stand in the rule files under `tests:`.

    Sends nothing and reads no store. A service loads no rules whose tests fail.

    Exit code 0: all passed. 1: one failed, a file has mistakes, or there is no such test.
    """
    outcomes = run(config, pattern)
    failed = [outcome for outcome in outcomes if outcome.differences]
    if as_json:
        rows: list[Json] = [row(outcome) for outcome in outcomes]
        print_json({"passed": len(outcomes) - len(failed), "failed": len(failed), "tests": rows})
    else:
        show(console(), outcomes)
    sys.exit(EXIT_FOUND if failed else 0)


def run(config: str | None, pattern: str) -> list[Outcome]:
    settings = settings_of(config, quiet=True)
    from bridge.app import rule_context

    try:
        rules, examples = read_rules(settings.rules, rule_context(settings))
    except ConfigError as error:
        fail_with_problems(error, EXIT_FOUND)
    wanted = pattern.casefold()
    chosen = [example for example in examples if wanted in f"{example.place.file} {example.entry.name}".casefold()]
    if examples and not chosen:
        fail(f"no name of {plural(len(examples), 'test')} and no file holds “{pattern}”")
    return [run_example(rules, example) for example in chosen]


def show(out: Console, outcomes: Sequence[Outcome]) -> None:
    file = ""
    for outcome in outcomes:
        place = outcome.example.place
        if place.file != file:
            file = place.file
            out.print(Text(file, style="bold"), soft_wrap=True)
        name = plain(outcome.example.entry.name)
        if outcome.differences:
            out.print(Text.assemble(("  ✗ ", "red"), name, (f"  {place.file}:{place.line}", "dim")), soft_wrap=True)
            show_failure(out, outcome)
        else:
            out.print(Text.assemble(("  ✓ ", "green"), name), soft_wrap=True)
    failed = sum(1 for outcome in outcomes if outcome.differences)
    if not outcomes:
        out.print("the rule files hold no tests; docs/rules.md shows how to write one", soft_wrap=True)
        return
    words = plural(len(outcomes), "test")
    out.print(Text(f"{words}, {failed} failed", "bold red") if failed else Text(f"{words}, all passed", "green"))


def show_failure(out: Console, outcome: Outcome) -> None:
    """Expected beside actual, and the rules that acted with their places."""
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("expected", overflow="fold")
    table.add_column("actual", overflow="fold")
    for difference in outcome.differences:
        table.add_row(Text(plain(difference.expected), "green"), Text(plain(difference.actual), "red"))
    out.print(Padding(table, (0, 0, 0, 6), expand=False))
    for fired in outcome.decision.fired:
        out.print(Text(f"      by rule {fired.rule}  {fired.file}:{fired.line}", style="dim"), soft_wrap=True)
    if not outcome.decision.fired:
        out.print(Text("      no rule matched", style="dim"))


def row(outcome: Outcome) -> Json:
    place = outcome.example.place
    return {
        "name": outcome.example.entry.name,
        "file": place.file,
        "line": place.line,
        "passed": not outcome.differences,
        "differences": [
            {"message": each.message, "expected": each.expected, "actual": each.actual} for each in outcome.differences
        ],
        "rules": [{"name": fired.rule, "file": fired.file, "line": fired.line} for fired in outcome.decision.fired],
    }
