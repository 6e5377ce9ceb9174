"""What is allowed and probably not meant: rules that never get their turn, keywords that meet, dear texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from bridge.errors import Problem
from bridge.rules.conditions import Account, Condition, From, Keywords, Text, To
from bridge.rules.index import Prefix, Rule
from bridge.rules.keywords import Keyword, Spelling
from bridge.rules.templates import SINGLE_BRACES, Template
from bridge.schema import plural
from bridge.text import folding, parts
from bridge.text.typos import one_edit_apart, other_layout, shortened

_MANY_PARTS = 3
_ENCODINGS = {"gsm7": "GSM-7", "ucs2": "UCS-2"}
_CURLY: Final = frozenset("“”„‟‘’‚")
_COMPARED: Final = 50
"""With how many earlier rules of one keyword a rule is compared: thousands of them are a table, not a slip."""

Heard = tuple[Prefix, Spelling | None, str]
"""What a rule is found by: a prefix, and a keyword in one spelling; no spelling: the rule needs no keyword."""


def lint(rules: Sequence[Rule], directory: str) -> tuple[Problem, ...]:
    """Warnings about a set of rules that has no errors, in the order of the files."""
    enabled = [rule for rule in rules if rule.enabled]
    found = [*_never_reached(enabled), *_overlapping(enabled), *_near_misses(enabled)]
    for rule in enabled:
        found += [*_always_fitting(rule), *_dear(rule), *_single_braces(rule), *_curly_quotes(rule)]
    if not any(_takes_everything(rule) for rule in enabled):
        message = "no rule matches every message; what no rule wants goes to the default chat"
        found.append(Problem(file=directory, line=1, column=1, path="", message=message))
    return tuple(found)


def _warning(rule: Rule, message: str) -> Problem:
    return Problem(file=rule.file, line=rule.line, column=1, path=rule.name, message=message)


def _demands(rule: Rule) -> list[Condition]:
    """What must hold beside prefix and keyword."""
    return [one for one in rule.conditions if not (isinstance(one, Keywords) or _is_no_demand(one))]


def _is_no_demand(condition: Condition) -> bool:
    return isinstance(condition, Text) and condition.pattern.always_fits()


def _takes_everything(rule: Rule) -> bool:
    return not (rule.prefix or rule.keywords or _demands(rule))


def _ends(rule: Rule) -> bool:
    """Whether no later rule sees a message that has this rule's prefix and keyword."""
    return not rule.goes_on and not _demands(rule)


def _found_by(rule: Rule) -> list[Heard]:
    keywords = next((one for one in rule.conditions if isinstance(one, Keywords)), None)
    if keywords is None:
        return [(rule.prefix, None, "")]
    return [(rule.prefix, spelling, word) for spelling, words in keywords.spellings.items() for word in words]


def _never_reached(rules: Sequence[Rule]) -> Iterator[Problem]:
    """A rule whose every message is taken by earlier ones, which ask for the same or less."""
    takers: defaultdict[Heard, list[tuple[Rule, list[Condition]]]] = defaultdict(list)
    for rule in rules:
        demands = _demands(rule)
        keys = _found_by(rule)
        unkeyed = takers[(), None, ""] + (takers[rule.prefix, None, ""] if rule.prefix else [])
        taken_by = [
            next((taker for taker, asks in unkeyed + takers[key] if all(one in demands for one in asks)), None)
            for key in keys
        ]
        if (last := taken_by[-1]) is not None and all(taken_by):
            yield _warning(rule, f"can never match: `{last.name}` ({last.file}:{last.line}) takes it all")
        elif not rule.goes_on:
            for key in keys:
                if len(takers[key]) < _COMPARED:
                    takers[key].append((rule, demands))


def _overlapping(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Keywords of two rules that fold to the same.

    Written alike, they may be meant: the first has more conditions, the second takes the rest. Written differently
    (РОТ and POT) they never are.
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
    """Whether one message can be for both, as far as numbers and accounts tell."""
    for kind in (Account, To, From):
        ours, theirs = (next((c for c in rule.conditions if isinstance(c, kind)), None) for rule in (one, other))
        if isinstance(ours, Account) and isinstance(theirs, Account):
            if ours.names.isdisjoint(theirs.names):
                return False
        elif isinstance(ours, To | From) and isinstance(theirs, To | From) and ours.numbers.disjoint(theirs.numbers):
            return False
    return True


def _takes_part_of(earlier: Rule, later: Rule) -> bool:
    """Whether an alias of ``later`` is dead while the rule as a whole is not."""
    return _ends(earlier) and {k.folded for k in later.keywords} > {k.folded for k in earlier.keywords}


def _near_misses(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Slips that two rules forgive, and a keyword that is another's in the wrong layout."""
    typos: defaultdict[tuple[Prefix, str], list[tuple[Rule, str]]] = defaultdict(list)
    layouts: dict[tuple[Prefix, str], tuple[Rule, Keyword]] = {}
    for rule in rules:
        for word in sorted(word for spelling, word in rule.heard if spelling is Spelling.TYPO):
            near = [pair for short in shortened(word) for pair in typos[rule.prefix, short][:_COMPARED]]
            for other, known in near:
                if other is not rule and one_edit_apart(word, known):
                    yield _warning(
                        rule, f"`{word}` is one letter away from `{known}` of {_named(other)}; both forgive a typo"
                    )
                    break
            for short in dict.fromkeys(shortened(word)):
                typos[rule.prefix, short].append((rule, word))
        for keyword in rule.keywords:
            if (Spelling.LAYOUT, keyword.folded) in rule.heard:
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
        if isinstance(condition, Text) and _is_no_demand(condition):
            yield _warning(rule, f"the expression `{condition.pattern.source}` fits every text; leave it out")


def _replies(rule: Rule) -> Iterator[Template]:
    """Every text that the rule may send."""
    for actions in (rule.actions, rule.actions.instead, rule.before, rule.after):
        if actions is not None and actions.reply is not None:
            yield from actions.reply.text.all()


def _single_braces(rule: Rule) -> Iterator[Problem]:
    """``{ args }`` where ``{{ args }}`` is meant."""
    before_and_after = [] if rule.before is None else list(rule.before.templates())
    before_and_after += [] if rule.after is None else list(rule.after.templates())
    for text in (*rule.actions.templates(), *before_and_after):
        if (found := SINGLE_BRACES.search(text.fixed)) is not None:
            yield _warning(rule, f"`{found[0]}` stays as it stands; for the value write `{{{found[0]}}}`")


def _curly_quotes(rule: Rule) -> Iterator[Problem]:
    """A text that an editor has put in quotes that are none in YAML."""
    for text in _replies(rule):
        written = text.source.strip()
        first, inside, last = written[:1], written[1:-1], written[-1:]
        if inside and first in _CURLY and last in _CURLY and _CURLY.isdisjoint(inside):
            yield _warning(
                rule, f"the quotes {first} {last} around the reply are sent with it; those of YAML are \" or '"
            )


def _dear(rule: Rule) -> Iterator[Problem]:
    """Replies of many parts, and a few signs that make a cheap text dear. Only the fixed text is counted."""
    for text in _replies(rule):
        cost = parts.split(text.fixed)
        if cost.count > _MANY_PARTS:
            yield _warning(rule, f"the reply takes {plural(cost.count, 'part')} ({_ENCODINGS[cost.encoding]})")
        if cost.forcing and not any(char.isalpha() for char in cost.forcing):
            signs = " ".join(cost.forcing)
            yield _warning(rule, f"without {signs} the reply would be GSM-7 and hold 160 characters a part, not 70")
