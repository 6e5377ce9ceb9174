"""What is allowed and probably not meant: rules that never get their turn, look-alike keywords, dear texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bridge.errors import Problem
from bridge.rules.index import Keyword, Prefix, Rule
from bridge.rules.templates import SINGLE_BRACES
from bridge.schema import plural
from bridge.text import parts

_MANY_PARTS = 3
_ENCODINGS = {"gsm7": "GSM-7", "ucs2": "UCS-2"}


def lint(rules: Sequence[Rule], directory: str) -> tuple[Problem, ...]:
    """Warnings about a set of rules that has no errors, in the order of the files."""
    enabled = [rule for rule in rules if rule.enabled]
    found = [*_never_reached(enabled), *_overlapping(enabled), *_dear(enabled), *_single_braces(enabled)]
    if not any(_takes_everything(rule) for rule in enabled):
        message = "no rule matches every message; what no rule wants goes to the default chat"
        found.append(Problem(file=directory, line=1, column=1, path="", message=message))
    return tuple(found)


def _warning(rule: Rule, message: str) -> Problem:
    return Problem(file=rule.file, line=rule.line, column=1, path=rule.name, message=message)


def _takes_everything(rule: Rule) -> bool:
    return not (rule.prefix or rule.keywords or rule.conditions)


def _ends(rule: Rule) -> bool:
    """Whether no later rule sees a message that has this rule's prefix and keyword."""
    return not rule.conditions and not rule.goes_on


def _never_reached(rules: Sequence[Rule]) -> Iterator[Problem]:
    """A rule whose every message is taken by an earlier one."""
    everything: Rule | None = None
    prefixes: dict[Prefix, Rule] = {}
    keywords: dict[tuple[Prefix, str], Rule] = {}
    for rule in rules:
        taker = everything or prefixes.get(rule.prefix)
        if taker is None and rule.keywords:
            takers = [keywords.get((rule.prefix, keyword.folded)) for keyword in rule.keywords]
            taker = takers[-1] if all(takers) else None
        if taker is not None:
            yield _warning(rule, f"can never match: `{taker.name}` ({taker.file}:{taker.line}) takes it all")
        elif _ends(rule):
            if rule.keywords:
                for keyword in rule.keywords:
                    keywords.setdefault((rule.prefix, keyword.folded), rule)
            elif rule.prefix:
                prefixes[rule.prefix] = rule
            else:
                everything = rule


def _overlapping(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Keywords of two rules that fold to the same.

    Written alike, they may be meant: the first has more conditions, the second takes the rest. Written differently
    (РОТ and POT) they never are.
    """
    seen: defaultdict[tuple[Prefix, str], list[tuple[Rule, Keyword]]] = defaultdict(list)
    for rule in rules:
        for keyword in rule.keywords:
            for other, first in seen[rule.prefix, keyword.folded][:1]:
                same_writing = keyword.written.upper() == first.written.upper()
                if other is rule or (same_writing and not _takes_part_of(other, rule)):
                    continue
                yield _warning(
                    rule,
                    f"the keyword `{keyword.written}` is the same as `{first.written}` of `{other.name}` "
                    f"({other.file}:{other.line}), which comes first",
                )
            seen[rule.prefix, keyword.folded].append((rule, keyword))


def _takes_part_of(earlier: Rule, later: Rule) -> bool:
    """Whether an alias of ``later`` is dead while the rule as a whole is not."""
    return _ends(earlier) and {k.folded for k in later.keywords} > {k.folded for k in earlier.keywords}


def _single_braces(rules: Sequence[Rule]) -> Iterator[Problem]:
    """``{ args }`` where ``{{ args }}`` is meant."""
    for rule in rules:
        reply, forward = rule.actions.reply, rule.actions.forward
        for text in (reply.text if reply else None, forward.note if forward else None):
            if text is not None and (found := SINGLE_BRACES.search(text.fixed)) is not None:
                yield _warning(rule, f"`{found[0]}` stays as it stands; for the value write `{{{found[0]}}}`")


def _dear(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Replies of many parts, and a few signs that make a cheap text dear. Only the fixed text is counted."""
    for rule in rules:
        if rule.actions.reply is None:
            continue
        cost = parts.split(rule.actions.reply.text.fixed)
        if cost.count > _MANY_PARTS:
            yield _warning(rule, f"the reply takes {plural(cost.count, 'part')} ({_ENCODINGS[cost.encoding]})")
        if cost.forcing and not any(char.isalpha() for char in cost.forcing):
            signs = " ".join(cost.forcing)
            yield _warning(rule, f"without {signs} the reply would be GSM-7 and hold 160 characters a part, not 70")
