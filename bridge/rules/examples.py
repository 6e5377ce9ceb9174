"""``tests:`` of the rules files: messages and the decisions they must get. Rules whose tests fail are not loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Final

from bridge.errors import Problem
from bridge.model.base import Ms
from bridge.model.contact import ContactChange, RuleCounter
from bridge.model.decision import Decision
from bridge.rules.context import LANGUAGE_VALUE, ContactFacts, RuleMessage, Uses
from bridge.rules.engine import RuleSet
from bridge.rules.schema import ExampleEntry, ExpectEntry, SenderEntry, SmsEntry
from bridge.schema import Document, Path, plural, validate
from bridge.text import parts, phones
from bridge.value import value_object

DEFAULT_NOW: Final[Ms] = 1_767_607_200_000
"""2026-01-05 10:00 UTC, a Monday: the time of a test without ``at``."""


@value_object
class Step:
    """One message of an example."""

    sms: SmsEntry
    expect: ExpectEntry
    at: Ms
    location: Problem
    """The location of its ``expect``, as a problem with an empty message."""


@value_object
class Example:
    name: str
    sender: SenderEntry
    conversation_open: bool
    steps: tuple[Step, ...]


@value_object
class Difference:
    """One difference between what a test expects and the decision."""

    message: str
    """As a sentence."""
    expected: str
    actual: str


@value_object
class StepResult:
    """The result of one message of an example."""

    step: Step
    decision: Decision
    differences: tuple[Difference, ...]
    """Empty: the message got what the example expects."""


def read_examples(document: Document, count: int, timezone: tzinfo) -> tuple[list[Example], list[Problem]]:
    """The tests of one file, and the problems of their form.

    :param count: how many entries ``tests`` has.
    :param timezone: of the times in the tests.
    """
    examples: list[Example] = []
    problems: list[Problem] = []
    for at in range(count):
        path = ("tests", at)
        entry, found = validate(ExampleEntry, document, path=path)
        problems.extend(found)
        if entry is None:
            continue
        wrong = list(_contradictions(entry, document, path))
        problems.extend(wrong)
        if not wrong:
            steps = tuple(_steps(entry, document, path, timezone))
            is_open = entry.conversation == "open"
            examples.append(Example(name=entry.name, sender=entry.contact, conversation_open=is_open, steps=steps))
    return examples, problems


def _contradictions(entry: ExampleEntry, document: Document, path: Path) -> Iterator[Problem]:
    if entry.steps is not None:
        for key in ("sms", "expect"):
            if getattr(entry, key) is not None:
                yield document.problem((*path, key), "stands beside `steps`; put it into a step", key=True)
    else:
        for key, example in (("sms", "sms: {text: часы}"), ("expect", "expect: {rule: hours}")):
            if getattr(entry, key) is None:
                yield document.problem(path, f"missing `{key}`; for example `{example}`", key=True)
    expects = [((*path, "expect"), entry.expect)]
    expects += [((*path, "steps", at, "expect"), step.expect) for at, step in enumerate(entry.steps or ())]
    for at, expect in expects:
        if expect is not None and not expect.model_fields_set:
            yield document.problem(at, "says nothing; name `rule`, `reply` or `forward`")


def _steps(entry: ExampleEntry, document: Document, path: Path, timezone: tzinfo) -> Iterator[Step]:
    """The steps. One without a time has the time of the step before it."""
    now = DEFAULT_NOW if entry.at is None else _ms(entry.at, timezone)
    if entry.sms is not None and entry.expect is not None:
        location = document.problem((*path, "expect"), "", key=True)
        yield Step(sms=entry.sms, expect=entry.expect, at=now, location=location)
    for at, step in enumerate(entry.steps or ()):
        now = now if step.at is None else _ms(step.at, timezone)
        location = document.problem((*path, "steps", at, "expect"), "", key=True)
        yield Step(sms=step.sms, expect=step.expect, at=now, location=location)


def _ms(at: datetime, timezone: tzinfo) -> Ms:
    return int(at.replace(tzinfo=timezone).timestamp() * 1000)


def check_examples(ruleset: RuleSet, examples: Sequence[Example]) -> list[Problem]:
    """Run the examples. Each difference becomes a problem."""
    problems: list[Problem] = []
    for example in examples:
        for number, result in enumerate(run_example(ruleset, example), start=1):
            which = f", step {number}," if len(example.steps) > 1 else ""
            for difference in result.differences:
                said = f"the test `{example.name}`{which} fails: {difference.message}"
                problems.append(replace(result.step.location, message=said))
    return problems


def run_example(ruleset: RuleSet, example: Example) -> list[StepResult]:
    """Decide about the messages of an example, one after the other."""
    sender = _Sender(example)
    results: list[StepResult] = []
    for number, step in enumerate(example.steps):
        message = sender.message(step, ruleset.context.region, number)
        decision = ruleset.decide(message, step.at)
        sender.remember(message.subscriber, decision, step.at)
        differences = tuple(_differences(step.expect, decision, sender.facts(message.subscriber)))
        results.append(StepResult(step=step, decision=decision, differences=differences))
    return results


class _Sender:
    """Keeps the changes that the steps of an example make to their senders, as the store does in the service."""

    def __init__(self, example: Example) -> None:
        entry = example.sender
        self._name = entry.name
        self._is_open = example.conversation_open
        self._given = ContactFacts(
            tags=entry.tags,
            language=entry.language or "",
            first_time=entry.first_time,
            opted_out=entry.opted_out,
            blocked=entry.blocked,
        )
        self._facts: dict[str, ContactFacts] = {}
        self._uses: dict[str, dict[tuple[str, RuleCounter], tuple[Ms, ...]]] = {}

    def facts(self, subscriber: str) -> ContactFacts:
        return self._facts.get(subscriber, self._given)

    def message(self, step: Step, region: str, number: int) -> RuleMessage:
        sms = step.sms
        subscriber = phones.normalise(sms.from_, region)
        return RuleMessage(
            id=number,
            text=sms.text,
            sender=sms.from_,
            subscriber=subscriber,
            receiver=sms.to,
            prefix=sms.prefix,
            account=sms.account,
            contact_name=self._name,
            contact=self.facts(subscriber),
            conversation_open=self._is_open,
            uses=Uses(by_sender=self._uses.get(subscriber, {}), totals=self._totals()),
        )

    def _totals(self) -> Mapping[str, int]:
        """The number of matches of each rule. An example is short, so every period includes all of them."""
        totals: dict[str, int] = {}
        for used in self._uses.values():
            for (rule, counter), times in used.items():
                totals[rule] = totals.get(rule, 0) + (len(times) if counter is RuleCounter.MATCH else 0)
        return totals

    def remember(self, subscriber: str, decision: Decision, now: Ms) -> None:
        facts = self.facts(subscriber)
        change = ContactChange(opted_out=facts.opted_out, tags=facts.tags, values=facts.values)
        used = self._uses.setdefault(subscriber, {})
        for fired in decision.fired:
            for counter in fired.counted:
                used[fired.rule, counter] = (*used.get((fired.rule, counter), ()), now)
            change = change if fired.contact is None else fired.contact.applied_to(change)
        self._facts[subscriber] = ContactFacts(
            tags=change.tags,
            values=change.values,
            language=change.values.get(LANGUAGE_VALUE, facts.language),
            first_time=False,
            opted_out=change.opted_out,
            blocked=facts.blocked,
        )


def _differences(expect: ExpectEntry, decision: Decision, after: ContactFacts) -> Iterator[Difference]:
    """Each difference between the decision and what the step expects.

    :param after: what is known of the sender after the step.
    """
    rules = _listed([fired.rule for fired in decision.fired])
    texts = [reply.text for fired in decision.fired for reply in fired.replies]
    replies = _listed(texts)
    chats = {forward.chat for fired in decision.fired for forward in fired.forwards}
    for fired in decision.fired:
        if fired.error is not None:
            message = f"the text of `{fired.rule}` cannot be made: {fired.error}"
            yield _difference(message, f"a text of `{fired.rule}`", fired.error)
    if expect.rule is not None and expect.rule not in [fired.rule for fired in decision.fired]:
        yield _difference(f"the rule is {rules}, not `{expect.rule}`", f"rule `{expect.rule}`", f"rule {rules}")
    if expect.reply is not None and (wanted := expect.reply.strip()) not in texts:
        yield _difference(f"the reply is {replies}", f"reply `{wanted}`", f"reply {replies}")
    for phrase in expect.reply_contains:
        if not any(phrase in text for text in texts):
            message = f"`{phrase}` is not in the reply {replies}"
            yield _difference(message, f"reply with `{phrase}`", f"reply {replies}")
    if expect.no_reply and texts:
        yield _difference(f"there is a reply: {replies}", "no reply", f"reply {replies}")
    if expect.forward and set(expect.forward) != chats:
        shown = _listed(sorted(chats))
        yield _difference(
            f"it is forwarded to {shown}", f"forward to {_listed(sorted(expect.forward))}", f"forward to {shown}"
        )
    if expect.tags and set(expect.tags) != set(after.tags):
        shown = _listed(sorted(after.tags))
        yield _difference(f"the sender has the tags {shown}", f"tags {_listed(sorted(expect.tags))}", f"tags {shown}")
    count = sum(parts.split(text).count for text in texts)
    if expect.parts is not None and expect.parts != count:
        taken = plural(count, "part")
        yield _difference(f"the reply takes {taken}, not {expect.parts}", plural(expect.parts, "part"), taken)


def _difference(message: str, expected: str, actual: str) -> Difference:
    return Difference(message=message, expected=expected, actual=actual)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "none"
