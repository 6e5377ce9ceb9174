"""From ``when`` to conditions. Keys that need each other, and names of the configuration, are checked here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bridge.rules.conditions import (
    Account,
    AllOf,
    AnyOf,
    Args,
    Condition,
    Contains,
    From,
    Keywords,
    NoneOf,
    Only,
    Text,
    To,
)
from bridge.rules.context import RuleContext
from bridge.rules.keywords import Spelling, forgives_typos, has_other_layout
from bridge.rules.number_patterns import compile_numbers
from bridge.rules.schema import ConditionEntry, ContactEntry, OutsideEntry, WhenEntry
from bridge.rules.senders import ContactIs, ConversationIs, WithinHours, WithinLimit
from bridge.rules.template_checks import RESERVED_NAMES
from bridge.schema import Path, Rate
from bridge.text import folding
from bridge.text.patterns import Pattern

DEEPEST: Final = 8
"""How many ``any``, ``all`` and ``not`` may stand within each other."""
_NEED_KEYWORD: Final = ("only", "glued", "typo", "layout", "args")

Report = Callable[[Path, str], None]
"""Takes the path of a key and what is wrong with it."""

COURTESY: Final = frozenset(
    folding.fold(word)
    for word in (
        *("спасибо", "пожалуйста", "пожалста", "плиз", "благодарю", "большое", "заранее", "вам", "просьба", "прошу"),
        *("please", "pls", "plz", "thanks", "thank", "thx", "you"),
    )
)
"""Words that make "Стоп" polite and do not change what it asks for."""


def folded_words(text: str) -> tuple[str, ...]:
    return tuple(word.folded for word in folding.analyse(text).words)


def entries(when: ConditionEntry, path: Path = ()) -> Iterator[tuple[ConditionEntry, tuple[str | int, ...]]]:
    """``when`` and everything within it, each with its path."""
    here = tuple(path)
    yield when, here
    for key, parts in (("any", when.any_), ("all", when.all_)):
        for at, part in enumerate(parts or ()):
            yield from entries(part, (*here, key, at))
    if when.not_ is not None:
        yield from entries(when.not_, (*here, "not"))


def check(when: WhenEntry, path: Path, report: Report) -> None:
    """What no single key can tell."""
    _check_depth(when, path, report)
    _check_keyword(when, path, report, has_keyword=False)
    for entry, at in entries(when, path):
        for key, pattern in (("text", entry.text), ("args", entry.args)):
            for name in pattern.groups if pattern is not None else ():
                if (problem := _group_problem(name)) is not None:
                    report((*at, key), problem)
        if entry.typo and entry.keyword and not any(forgives_typos(word) for word in entry.keyword):
            report((*at, "typo"), "needs a keyword of 5 letters or more: shorter ones are too like each other")
        if entry.layout and entry.keyword and not any(map(has_other_layout, entry.keyword)):
            report((*at, "layout"), "needs a keyword with letters")
    if when.limit is not None and when.limit.per_sender is None and when.limit.total is None:
        report((*path, "limit"), "says nothing; write `per_sender: 3 per hour` or `total: 100 per day`")


def _check_depth(when: ConditionEntry, path: Path, report: Report) -> None:
    for _, at in entries(when, path):
        if sum(isinstance(step, str) for step in at[len(path) :]) > DEEPEST:
            report(at, f"is nested more than {DEEPEST} levels deep; say it with fewer `any`, `all` and `not`")
            return


def _check_keyword(entry: ConditionEntry, path: Path, report: Report, *, has_keyword: bool) -> None:
    has_keyword = has_keyword or bool(entry.keyword)
    for key in _NEED_KEYWORD:
        if getattr(entry, key) and not (has_keyword if key in {"only", "args"} else entry.keyword):
            hint = "; for the whole text use `text`" if key == "args" else ""
            report((*path, key), f"needs a `keyword` beside it{hint}")
    for at, part in enumerate(entry.any_ or ()):
        _check_keyword(part, (*path, "any", at), report, has_keyword=has_keyword)
    known = has_keyword
    for at, part in enumerate(entry.all_ or ()):
        _check_keyword(part, (*path, "all", at), report, has_keyword=known)
        known = known or bool(part.keyword)
    if entry.not_ is not None:
        _check_keyword(entry.not_, (*path, "not"), report, has_keyword=has_keyword)


def _group_problem(name: str) -> str | None:
    if not name.isidentifier():
        return f"the group `{name}` cannot be a variable; begin its name with a letter"
    if name in RESERVED_NAMES:
        return f"the group `{name}` has the name of a variable that is there already; call it something else"
    return None


def compile_when(when: WhenEntry, name: str, context: RuleContext, *, polite: bool) -> tuple[Condition, ...]:
    """The conditions of the rule ``name``, which has no mistakes.

    :param polite: ``only`` lets courtesies stand beside the keyword; the rule then asks a person.
    """
    conditions = list(_conditions(when, context, polite=polite))
    if when.limit is not None:
        sender, total = when.limit.per_sender, when.limit.total
        conditions.append(WithinLimit(rule=name, per_sender=counted(sender), total=counted(total)))
    return tuple(conditions)


def counted(rate: Rate | None) -> tuple[int, int] | None:
    return None if rate is None else (rate.count, rate.per)


def _conditions(entry: ConditionEntry, context: RuleContext, *, polite: bool) -> Iterator[Condition]:
    """The cheap and telling ones first; those of the keyword before what they find is asked for."""
    if entry.keyword:
        yield Keywords(spellings=spellings(entry), written=entry.keyword)
    if entry.only:
        yield Only(besides=COURTESY if polite else frozenset())
    if entry.account:
        yield Account(names=frozenset(entry.account))
    if entry.from_:
        yield From(numbers=compile_numbers(entry.from_, context))
    if entry.to:
        yield To(numbers=compile_numbers(entry.to, context))
    if entry.contains:
        yield Contains(phrases=tuple(folded_words(phrase) for phrase in entry.contains), written=entry.contains)
    if entry.text is not None:
        yield Text(pattern=entry.text)
    if entry.args is not None:
        yield Args(pattern=entry.args)
    yield from _of_sender(entry, context)
    if entry.all_:
        yield AllOf(parts=tuple(_one(part, context, polite=polite) for part in entry.all_))
    if entry.any_:
        yield AnyOf(parts=tuple(_one(part, context, polite=polite) for part in entry.any_))
    if entry.not_ is not None:
        yield NoneOf(part=_one(entry.not_, context, polite=polite))


def _one(entry: ConditionEntry, context: RuleContext, *, polite: bool) -> Condition:
    parts = tuple(_conditions(entry, context, polite=polite))
    return parts[0] if len(parts) == 1 else AllOf(parts=parts)


def _of_sender(entry: ConditionEntry, context: RuleContext) -> Iterator[Condition]:
    if entry.hours is not None:
        outside = isinstance(entry.hours, OutsideEntry)
        names = entry.hours.outside if isinstance(entry.hours, OutsideEntry) else entry.hours
        yield WithinHours(windows={name: context.hours[name] for name in names}, outside=outside)
    if isinstance(entry.contact, ContactEntry):
        facts = entry.contact
        yield ContactIs(
            first_time=facts.first_time, opted_out=facts.opted_out, blocked=facts.blocked, tags=frozenset(facts.tag)
        )
    elif entry.contact is not None:
        fact = entry.contact
        yield ContactIs(
            first_time=True if fact == "first_time" else None,
            opted_out=True if fact == "opted_out" else None,
            blocked=True if fact == "blocked" else None,
        )
    if entry.conversation is not None:
        yield ConversationIs(is_open=entry.conversation == "open")


def spellings(entry: ConditionEntry) -> Mapping[Spelling, frozenset[str]]:
    """For each spelling that is forgiven: which of the keywords, folded."""
    words = {written: folded_words(written)[0] for written in entry.keyword}
    found = {Spelling.EXACT: frozenset(words.values())}
    if entry.glued:
        found[Spelling.GLUED] = frozenset(words.values())
    if entry.layout:
        found[Spelling.LAYOUT] = frozenset(word for written, word in words.items() if has_other_layout(written))
    if entry.typo:
        found[Spelling.TYPO] = frozenset(word for written, word in words.items() if forgives_typos(word))
    return found


def heard(when: WhenEntry) -> frozenset[tuple[Spelling, str]]:
    """Every keyword of the rule with every spelling that is forgiven, wherever it stands."""
    return frozenset(
        (spelling, word) for entry, _ in entries(when) for spelling, words in spellings(entry).items() for word in words
    )


def patterns(when: WhenEntry) -> tuple[Pattern, ...]:
    """Every ``text`` of the rule."""
    return tuple(entry.text for entry, _ in entries(when) if entry.text is not None)


def groups(when: WhenEntry) -> tuple[str, ...]:
    """Names that the rule's expressions may find something for."""
    found = [pattern for entry, _ in entries(when) for pattern in (entry.text, entry.args) if pattern is not None]
    return tuple(dict.fromkeys(name for pattern in found for name in pattern.groups))
