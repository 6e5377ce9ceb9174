"""From an entry of a rules file to a :class:`~bridge.rules.index.Rule`, or to the problems it has.

Every check here needs more than one key, or the configuration. Nothing stops at the first mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bridge.errors import Problem
from bridge.rules.actions import Actions, ForwardAction, ReplyAction
from bridge.rules.conditions import Account, Condition, Contains, From, Only, To
from bridge.rules.context import RuleContext
from bridge.rules.index import Keyword, Prefix, Rule
from bridge.rules.numbers import BadNumber, compile_numbers
from bridge.rules.schema import RuleEntry, WhenEntry
from bridge.schema import Document, near, path_text, validate
from bridge.text import folding

Path = tuple[str | int, ...]

_NEEDS = {"sender_name": "reply", "ttl": "reply", "note": "forward", "silent": "forward"}
"""Keys that only say something about an action beside them."""


@dataclass(kw_only=True, slots=True)
class Compiler:
    """Compiles the rules of one file and collects what is wrong with them."""

    document: Document
    context: RuleContext
    problems: list[Problem] = field(default_factory=list)

    def rule(self, position: int) -> Rule | None:
        """The rule at ``position``; None if it has problems."""
        path: Path = ("rules", position)
        before = len(self.problems)
        entry, found = validate(RuleEntry, self.document, path=path)
        self.problems.extend(found)
        self._check_blanks(path, {problem.path for problem in found})
        self._check_references(path)
        if entry is not None:
            self._check_together(entry, path)
        if entry is None or len(self.problems) > before:
            return None
        return Rule(
            name=entry.name,
            file=self.document.file,
            line=self.document.problem(path, "").line,
            enabled=entry.enabled,
            prefix=_folded(entry.when.prefix or ""),
            keywords=tuple(Keyword(folded=_folded(word)[0], written=word) for word in entry.when.keyword),
            conditions=tuple(self._conditions(entry.when)),
            actions=_actions(entry),
            goes_on=entry.continue_,
        )

    def _conditions(self, when: WhenEntry) -> Iterator[Condition]:
        if when.only:
            yield Only()
        if when.contains:
            yield Contains(tuple(_folded(phrase) for phrase in when.contains))
        if when.from_:
            yield From(compile_numbers(when.from_, self.context))
        if when.to:
            yield To(compile_numbers(when.to, self.context))
        if when.account:
            yield Account(frozenset(when.account))

    # ------------------------------------------------------------ checks

    def _check_blanks(self, path: Path, reported: Collection[str]) -> None:
        """A key without a value is a value somebody forgot, not a wish for the default."""
        for place in (path, (*path, "when")):
            entry = self.document.get(place)
            for key, value in entry.items() if isinstance(entry, dict) else ():
                blank = value is None or (key == "when" and value == {})
                if blank and path_text((*place, key)) not in reported:
                    self._report((*place, key), "is empty; give it a value or leave the key out", key=True)

    def _check_references(self, path: Path) -> None:
        """Names and numbers, whether or not the rest of the rule is right."""
        for at, chat in self._strings((*path, "forward")):
            self._check_known(at, chat, self.context.chats, "chat")
        if self.context.accounts is not None:
            for at, account in self._strings((*path, "when", "account")):
                self._check_known(at, account, self.context.accounts, "account")
        for key in ("from", "to"):
            for at, number in self._strings((*path, "when", key)):
                try:
                    compile_numbers([number], self.context)
                except BadNumber as error:
                    self._report(at, str(error))

    def _check_known(self, path: Path, name: str, known: frozenset[str], what: str) -> None:
        if name in known:
            return
        hint = f"; several are a list: [{name}]" if "," in name else near(name, known)
        if not hint:
            hint = f"; known: {', '.join(sorted(known))}" if known else f", since the configuration has no {what}s"
        self._report(path, f"there is no {what} `{name}`{hint}")

    def _check_together(self, entry: RuleEntry, path: Path) -> None:
        given = entry.model_fields_set
        acts = entry.reply is not None or bool(entry.forward)
        if not acts and not entry.drop:
            self._report(path, "the rule does nothing; give it `reply` or `forward`, or say `drop: true`")
        if entry.drop and (acts or entry.continue_):
            self._report((*path, "drop"), "means that nothing happens; leave out the other actions or it", key=True)
        if len(set(entry.forward)) < len(entry.forward):
            self._report((*path, "forward"), "names a chat twice")
        if entry.when.only and not entry.when.keyword:
            self._report((*path, "when", "only"), "needs a `keyword` beside it", key=True)
        for key, needed in _NEEDS.items():
            if key in given and needed not in given:
                self._report((*path, key), f"has no meaning without `{needed}`", key=True)

    def _strings(self, path: Path) -> list[tuple[Path, str]]:
        """A string or a list of them, each with its own place; what is no string is reported elsewhere."""
        value = self.document.get(path)
        if isinstance(value, list):
            return [((*path, at), item.strip()) for at, item in enumerate(value) if isinstance(item, str)]
        return [(path, value.strip())] if isinstance(value, str) else []

    def _report(self, path: Path, message: str, *, key: bool = False) -> None:
        self.problems.append(self.document.problem(path, message, key=key))


def _actions(entry: RuleEntry) -> Actions:
    reply = forward = None
    if entry.reply is not None:
        reply = ReplyAction(text=entry.reply, sender_name=entry.sender_name, ttl=entry.ttl)
    if entry.forward:
        forward = ForwardAction(chats=entry.forward, note=entry.note, silent=entry.silent)
    return Actions(reply=reply, forward=forward, drop=entry.drop)


def _folded(text: str) -> Prefix:
    return tuple(word.folded for word in folding.analyse(text).words)
