"""Warnings about rules that are allowed but probably not meant: rules that never match, keywords of two rules, costly
texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from bridge.errors import Problem
from bridge.rules.conditions.base import Condition
from bridge.rules.conditions.expression import TextFits
from bridge.rules.conditions.keyword import BeginsWithKeyword
from bridge.rules.keywords import Keyword, Spelling
from bridge.rules.rule import Prefix, Rule
from bridge.rules.templates import SINGLE_BRACES, Template
from bridge.schema import plural
from bridge.text import folding, parts
from bridge.text.typos import one_edit_apart, other_layout, without_one_letter

_MANY_PARTS = 3
_ENCODINGS = {"gsm7": "GSM-7", "ucs2": "UCS-2"}
_CURLY: Final = frozenset("“”„‟‘’‚")
_COMPARED: Final = 50
"""Most earlier rules with the same keyword that a rule is compared with. Thousands of them are a table, no mistake."""

Start = tuple[Prefix, Spelling | None, str]
"""The beginning of the texts that a rule may match: a prefix, and a keyword in one spelling. No spelling: any text."""


def lint(rules: Sequence[Rule], directory: str) -> tuple[Problem, ...]:
    """Warnings about a set of rules that has no errors, in the order of the files."""
    enabled = [rule for rule in rules if rule.enabled]
    found = [*_never_reached(enabled), *_overlapping(enabled), *_near_misses(enabled)]
    for rule in enabled:
        found += [*_always_fitting(rule), *_costly(rule), *_single_braces(rule), *_curly_quotes(rule)]
    if not any(_takes_everything(rule) for rule in enabled):
        message = "no rule matches every message; what no rule wants goes to the default chat"
        found.append(Problem(file=directory, line=1, column=1, path="", message=message))
    return tuple(found)


def _warning(rule: Rule, message: str) -> Problem:
    return Problem(file=rule.file, line=rule.line, column=1, path=rule.name, message=message)


def _further_conditions(rule: Rule) -> list[Condition]:
    """The conditions that must hold as well as prefix and keyword."""
    return [one for one in rule.conditions if not (isinstance(one, BeginsWithKeyword) or one.always_holds)]


def _takes_everything(rule: Rule) -> bool:
    return not (rule.prefix or rule.keywords or _further_conditions(rule))


def _ends_the_search(rule: Rule) -> bool:
    """Whether later rules never see a message that has this rule's prefix and keyword."""
    return not rule.continues and not _further_conditions(rule)


def _starts(rule: Rule) -> list[Start]:
    if rule.keyword is None:
        return [(rule.prefix, None, "")]
    return [(rule.prefix, spelling, word) for spelling, words in rule.keyword.spellings.items() for word in words]


def _never_reached(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Warnings about rules that never get a message: earlier rules with the same conditions or fewer take them all."""
    takers: defaultdict[Start, list[tuple[Rule, list[Condition]]]] = defaultdict(list)
    for rule in rules:
        conditions = _further_conditions(rule)
        starts = _starts(rule)
        for_any_text = takers[(), None, ""] + (takers[rule.prefix, None, ""] if rule.prefix else [])
        taken_by = [_taken_by(for_any_text + takers[start], conditions) for start in starts]
        if (last := taken_by[-1]) is not None and all(taken_by):
            yield _warning(rule, f"can never match: `{last.name}` ({last.file}:{last.line}) takes it all")
        elif not rule.continues:
            for start in starts:
                if len(takers[start]) < _COMPARED:
                    takers[start].append((rule, conditions))


def _taken_by(takers: Sequence[tuple[Rule, list[Condition]]], conditions: Sequence[Condition]) -> Rule | None:
    """The first rule whose conditions are all among these ``conditions``."""
    return next((rule for rule, asked in takers if all(one in conditions for one in asked)), None)


def _overlapping(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Warnings about keywords of two rules that are the same when folded.

    Two rules may have the same written keyword on purpose: the first has more conditions, the second takes the rest.
    Different writings of one keyword (Cyrillic РОТ, Latin POT) are always a mistake.
    """
    seen: defaultdict[tuple[Prefix, str], list[tuple[Rule, Keyword]]] = defaultdict(list)
    for rule in rules:
        for keyword in rule.keywords:
            earlier = seen[rule.prefix, keyword.folded][:_COMPARED]
            for other, first in [pair for pair in earlier if pair[0] is rule or _can_meet(pair[0], rule)][:1]:
                same_writing = keyword.written.upper() == first.written.upper()
                if other is rule or (same_writing and not _takes_part_of(other, rule)):
                    continue
                yield _warning(
                    rule,
                    f"the keyword `{keyword.written}` is the same as `{first.written}` of `{other.name}` "
                    f"({other.file}:{other.line}), which comes first",
                )
            seen[rule.prefix, keyword.folded].append((rule, keyword))


def _can_meet(one: Rule, other: Rule) -> bool:
    """Whether one message can match both rules. True unless two of their conditions exclude each other."""
    return not any(ours.excludes(theirs) for ours in one.conditions for theirs in other.conditions)


def _takes_part_of(earlier: Rule, later: Rule) -> bool:
    """Whether ``earlier`` takes some keywords of ``later``, which still matches by its other keywords."""
    return _ends_the_search(earlier) and {k.folded for k in later.keywords} > {k.folded for k in earlier.keywords}


def _near_misses(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Warnings about typos that two rules forgive, and about two keywords that are the same keys in two layouts."""
    typos: defaultdict[tuple[Prefix, str], list[tuple[Rule, str]]] = defaultdict(list)
    layouts: dict[tuple[Prefix, str], tuple[Rule, Keyword]] = {}
    for rule in rules:
        spellings = frozenset(rule.spellings())
        for word in sorted(word for spelling, word in spellings if spelling is Spelling.TYPO):
            near = [pair for short in without_one_letter(word) for pair in typos[rule.prefix, short][:_COMPARED]]
            for other, known in near:
                if other is not rule and one_edit_apart(word, known):
                    yield _warning(
                        rule, f"`{word}` is one letter away from `{known}` of {_named(other)}; both forgive a typo"
                    )
                    break
            for short in dict.fromkeys(without_one_letter(word)):
                typos[rule.prefix, short].append((rule, word))
        for keyword in rule.keywords:
            if (Spelling.LAYOUT, keyword.folded) in spellings:
                other_keys = folding.fold(other_layout(keyword.written))
                layouts.setdefault((rule.prefix, other_keys), (rule, keyword))
    for rule in rules:
        for keyword in rule.keywords:
            owner, meant = layouts.get((rule.prefix, keyword.folded), (rule, keyword))
            if owner is not rule:
                yield _warning(
                    rule,
                    f"the keyword `{keyword.written}` is `{meant.written}` of {_named(owner)} in the other layout; "
                    "who types it gets this rule",
                )


def _named(rule: Rule) -> str:
    return f"`{rule.name}` ({rule.file}:{rule.line})"


def _always_fitting(rule: Rule) -> Iterator[Problem]:
    for condition in rule.conditions:
        if isinstance(condition, TextFits) and condition.always_holds:
            yield _warning(rule, f"the expression `{condition.pattern.source}` fits every text; leave it out")


def _replies(rule: Rule) -> Iterator[Template]:
    """Every text that the rule may send."""
    for actions in rule.all_actions():
        if actions.reply is not None:
            yield from actions.reply.text.all()


def _single_braces(rule: Rule) -> Iterator[Problem]:
    """Warnings about ``{ args }`` where ``{{ args }}`` is meant."""
    for text in rule.templates():
        if (found := SINGLE_BRACES.search(text.fixed)) is not None:
            yield _warning(rule, f"`{found[0]}` stays as it stands; for the value write `{{{found[0]}}}`")


def _curly_quotes(rule: Rule) -> Iterator[Problem]:
    """Warnings about a text in typographic quotes. YAML does not treat them as quotes."""
    for text in _replies(rule):
        written = text.source.strip()
        first, inside, last = written[:1], written[1:-1], written[-1:]
        if inside and first in _CURLY and last in _CURLY and _CURLY.isdisjoint(inside):
            yield _warning(
                rule, f"the quotes {first} {last} around the reply are sent with it; those of YAML are \" or '"
            )


def _costly(rule: Rule) -> Iterator[Problem]:
    """Warnings about replies of many parts, and about replies that only a few signs keep out of GSM-7.

    Variables are left out: only the fixed part of a text counts.
    """
    for text in _replies(rule):
        cost = parts.split(text.fixed)
        if cost.count > _MANY_PARTS:
            yield _warning(rule, f"the reply takes {plural(cost.count, 'part')} ({_ENCODINGS[cost.encoding]})")
        if cost.ucs2_characters and not any(char.isalpha() for char in cost.ucs2_characters):
            signs = " ".join(cost.ucs2_characters)
            yield _warning(rule, f"without {signs} the reply would be GSM-7 and hold 160 characters a part, not 70")
