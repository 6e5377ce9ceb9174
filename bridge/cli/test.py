"""``sms-bridge test``: runs the ``tests:`` of the rule files and prints what differs in those that fail."""

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
from bridge.errors import ConfigError, Problem
from bridge.model.base import Json
from bridge.rules.examples import Example, StepResult, run_example
from bridge.rules.loader import read_rules
from bridge.schema import plural
from bridge.value import value_object


@click.command()
@click.option("-k", "pattern", metavar="WORDS", default="", help="Only tests whose name or file holds WORDS.")
@config_option
@json_option
def test(pattern: str, config: str | None, as_json: bool) -> None:
    """Run the tests that stand in the rule files under `tests:`.

    Sends nothing and reads no store. A service does not load rules whose tests fail.

    Exit code 0: all passed. 1: one failed, a file has mistakes, or there is no such test.
    """
    tests = run(config, pattern)
    failed = sum(each.failed for each in tests)
    if as_json:
        rows: list[Json] = [row(each) for each in tests]
        print_json({"passed": len(tests) - failed, "failed": failed, "tests": rows})
    else:
        show(console(), tests)
    sys.exit(EXIT_FOUND if failed else 0)


@value_object
class ExampleResult:
    """A test, and the result of each of its messages."""

    example: Example
    results: tuple[StepResult, ...]

    @property
    def failed(self) -> bool:
        return any(result.differences for result in self.results)

    @property
    def location(self) -> Problem:
        """The location of the first message that failed, or of the first message."""
        return next((result for result in self.results if result.differences), self.results[0]).step.location


def run(config: str | None, pattern: str) -> list[ExampleResult]:
    settings = settings_of(config, quiet=True)
    from bridge.app.rulebook import rule_context

    try:
        rules, examples = read_rules(settings.rules, rule_context(settings))
    except ConfigError as error:
        fail_with_problems(error, EXIT_FOUND)
    wanted = pattern.casefold()
    chosen = [each for each in examples if wanted in f"{each.steps[0].location.file} {each.name}".casefold()]
    if examples and not chosen:
        fail(f"no name of {plural(len(examples), 'test')} and no file holds “{pattern}”")
    return [ExampleResult(example=each, results=tuple(run_example(rules, each))) for each in chosen]


def show(out: Console, tests: Sequence[ExampleResult]) -> None:
    file = ""
    for each in tests:
        location, name = each.location, plain(each.example.name)
        if location.file != file:
            file = location.file
            out.print(Text(file, style="bold"), soft_wrap=True)
        if each.failed:
            where = (f"  {location.file}:{location.line}", "dim")
            out.print(Text.assemble(("  ✗ ", "red"), name, where), soft_wrap=True)
            for number, result in enumerate(each.results, start=1):
                if result.differences:
                    show_failure(out, result, number if len(each.results) > 1 else None)
        else:
            out.print(Text.assemble(("  ✓ ", "green"), name), soft_wrap=True)
    if not tests:
        out.print("the rule files hold no tests; docs/rules.md shows how to write one", soft_wrap=True)
        return
    failed = sum(each.failed for each in tests)
    words = plural(len(tests), "test")
    out.print(Text(f"{words}, {failed} failed", "bold red") if failed else Text(f"{words}, all passed", "green"))


def show_failure(out: Console, result: StepResult, number: int | None) -> None:
    """Print expected and actual results side by side, and the rules that fired."""
    if number is not None:
        out.print(Text(f"      step {number}: {plain(result.step.sms.text)}"), soft_wrap=True)
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("expected", overflow="fold")
    table.add_column("actual", overflow="fold")
    for difference in result.differences:
        table.add_row(Text(plain(difference.expected), "green"), Text(plain(difference.actual), "red"))
    out.print(Padding(table, (0, 0, 0, 6), expand=False))
    for fired in result.decision.fired:
        out.print(Text(f"      by rule {fired.rule}  {fired.file}:{fired.line}", style="dim"), soft_wrap=True)
    if not result.decision.fired:
        out.print(Text("      no rule matched", style="dim"))


def row(each: ExampleResult) -> Json:
    return {
        "name": each.example.name,
        "file": each.location.file,
        "line": each.location.line,
        "passed": not each.failed,
        "steps": [step_row(result) for result in each.results],
    }


def step_row(result: StepResult) -> Json:
    return {
        "line": result.step.location.line,
        "differences": [
            {"message": each.message, "expected": each.expected, "actual": each.actual} for each in result.differences
        ],
        "rules": [{"name": fired.rule, "file": fired.file, "line": fired.line} for fired in result.decision.fired],
    }
