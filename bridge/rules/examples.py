"""``tests:`` of the rules files: a message and what must come of it. A set whose tests fail is not loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bridge.errors import Problem
from bridge.frozen import frozen
from bridge.model import Decision, Ms
from bridge.rules.context import RuleMessage
from bridge.rules.engine import RuleSet
from bridge.rules.schema import ExampleEntry, ExpectEntry
from bridge.schema import Document, plural, validate
from bridge.text import parts, phones

_NOON: Final[Ms] = 1_767_607_200_000
"""2026-01-05 10:00 UTC, a Monday: the time of a test that names none."""


@frozen
class Example:
    entry: ExampleEntry
    place: Problem
    """Where it stands; its message is not used."""


@frozen
class Difference:
    """One thing that did not come out as the test expects."""

    message: str
    """As a sentence."""
    expected: str
    actual: str


@frozen
class Outcome:
    """What a test came to."""

    example: Example
    decision: Decision
    differences: tuple[Difference, ...]
    """Empty: it passed."""


def read_examples(document: Document, count: int) -> tuple[list[Example], list[Problem]]:
    """The tests of one file, and what is wrong with their form."""
    examples: list[Example] = []
    problems: list[Problem] = []
    for at in range(count):
        path = ("tests", at)
        entry, found = validate(ExampleEntry, document, path=path)
        problems.extend(found)
        if entry is None:
            continue
        if not entry.expect.model_fields_set:
            problems.append(document.problem((*path, "expect"), "says nothing; name `rule`, `reply` or `forward`"))
        examples.append(Example(entry=entry, place=document.problem((*path, "expect"), "", key=True)))
    return examples, problems


def check_examples(ruleset: RuleSet, examples: Sequence[Example]) -> list[Problem]:
    """Run them; a problem for each that did not come out as expected."""
    return [
        replace(example.place, message=f"the test `{example.entry.name}` fails: {difference.message}")
        for example in examples
        for difference in run_example(ruleset, example).differences
    ]


def run_example(ruleset: RuleSet, example: Example) -> Outcome:
    decision = ruleset.decide(_message(example.entry, ruleset.context.region), _NOON)
    differences = tuple(_differences(example.entry.expect, decision))
    return Outcome(example=example, decision=decision, differences=differences)


def _message(entry: ExampleEntry, region: str) -> RuleMessage:
    sms = entry.sms
    return RuleMessage(
        text=sms.text,
        sender=sms.from_,
        subscriber=phones.normalise(sms.from_, region),
        receiver=sms.to,
        prefix=sms.prefix,
        account=sms.account,
    )


def _differences(expect: ExpectEntry, decision: Decision) -> Iterator[Difference]:
    rules = [fired.rule for fired in decision.fired]
    replies = [reply.text for fired in decision.fired for reply in fired.replies]
    chats = {forward.chat for fired in decision.fired for forward in fired.forwards}
    for fired in decision.fired:
        if fired.error:
            message = f"the text of `{fired.rule}` cannot be made: {fired.error}"
            yield _difference(message, f"a text of `{fired.rule}`", fired.error)
    if expect.rule is not None and expect.rule not in rules:
        yield _difference(f"the rule is {_listed(rules)}, not `{expect.rule}`", f"rule {expect.rule}", _listed(rules))
    if expect.reply is not None and expect.reply.strip() not in replies:
        yield _difference(f"the reply is {_listed(replies)}", f"reply {expect.reply.strip()}", _listed(replies))
    for phrase in expect.reply_contains:
        if not any(phrase in reply for reply in replies):
            message = f"`{phrase}` is not in the reply {_listed(replies)}"
            yield _difference(message, f"reply with {phrase}", _listed(replies))
    if expect.no_reply and replies:
        yield _difference(f"there is a reply: {_listed(replies)}", "no reply", _listed(replies))
    if expect.forward and set(expect.forward) != chats:
        shown = _listed(sorted(chats))
        yield _difference(f"it is forwarded to {shown}", f"forward to {', '.join(sorted(expect.forward))}", shown)
    count = sum(parts.split(reply).count for reply in replies)
    if expect.parts is not None and expect.parts != count:
        taken = plural(count, "part")
        yield _difference(f"the reply takes {taken}, not {expect.parts}", plural(expect.parts, "part"), taken)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "none"


def _difference(message: str, expected: str, actual: str) -> Difference:
    return Difference(message=message, expected=expected, actual=actual)
