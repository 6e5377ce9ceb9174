"""From an entry of a rules file to a :class:`~bridge.rules.index.Rule`, or to the problems it has.

Every check here needs more than one key, or the configuration. Nothing stops at the first mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bridge.errors import Problem
from bridge.rules import when as conditions
from bridge.rules.actions import Actions, ContactAction, ForwardAction, Opt, ReplyAction, ReplyText
from bridge.rules.conditions import Condition
from bridge.rules.context import RuleContext
from bridge.rules.defaults import ABOUT
from bridge.rules.index import Rule
from bridge.rules.keywords import Keyword
from bridge.rules.number_patterns import BadNumber, compile_numbers
from bridge.rules.schedule import Campaign, Phase
from bridge.rules.schema import ActionEntry, DefaultsEntry, Language, RuleEntry
from bridge.rules.senders import DuringCampaign
from bridge.rules.template_checks import BadTemplate
from bridge.rules.templates import Template, check_names, compile_template
from bridge.schema import Document, near, path_text, validate

Path = tuple[str | int, ...]

_ACTS = ("reply", "forward", "opt_out", "opt_in", "tag", "untag", "set_")
_TEXTS = ("reply", "note", "before", "after", "set")
_EXPRESSIONS = ("text", "args")
_GROUP = re.compile(r"\(\?P?<(\w+)>")
_NESTS = ("when", "any", "all", "not", "on_error")


@dataclass(kw_only=True, slots=True)
class Compiler:
    """Compiles the rules of one file and collects what is wrong with them."""

    document: Document
    context: RuleContext
    own_values: frozenset[str] = frozenset()
    """Names of what any rule of any file has ``set`` of a contact."""
    problems: list[Problem] = field(default_factory=list)

    def rule(self, position: int) -> Rule | None:
        """The rule at ``position``; None if it has problems."""
        path: Path = ("rules", position)
        before = len(self.problems)
        entry, found = validate(RuleEntry, self.document, path=path)
        self.problems.extend(found)
        blank = self._check_blanks(path, {problem.path for problem in found})
        self._check_references(path)
        self._check_variables(path)
        if entry is not None and not blank:
            self._check_together(entry, path)
        if entry is None or len(self.problems) > before:
            return None
        return self._made(entry, path)

    def defaults(self) -> None:
        """Check what all rules of the file inherit; what needs a whole rule is found in the rules."""
        path: Path = ("defaults",)
        _, found = validate(DefaultsEntry, self.document, path=path)
        self.problems.extend(found)
        self._check_blanks(path, {problem.path for problem in found})
        self._check_references(path)

    def _made(self, entry: RuleEntry, path: Path) -> Rule:
        campaign = _campaign(entry, self.context)
        instead = {key: _reply_only(entry, key) for key in ("before", "after")}
        limit = entry.when.limit
        return Rule(
            name=entry.name,
            file=self.document.file,
            line=self.document.problem(path, "").line,
            enabled=entry.enabled,
            prefix=conditions.folded_words(entry.when.prefix or ""),
            keywords=tuple(
                Keyword(folded=conditions.folded_words(word)[0], written=word) for word in entry.when.keyword
            ),
            heard=conditions.heard(entry.when),
            patterns=conditions.patterns(entry.when),
            conditions=self._conditions(entry, campaign),
            actions=_actions(entry, instead=entry.on_error),
            goes_on=entry.continue_,
            campaign=campaign,
            before=instead["before"],
            after=instead["after"],
            groups=conditions.groups(entry.when),
            per_sender=conditions.counted(limit.per_sender) if limit is not None else None,
            total=conditions.counted(limit.total) if limit is not None else None,
        )

    def _conditions(self, entry: RuleEntry, campaign: Campaign | None) -> tuple[Condition, ...]:
        polite = entry.opt_out or entry.opt_in
        made = conditions.compile_when(entry.when, entry.name, self.context, polite=polite)
        if campaign is None:
            return made
        phases = {Phase.DURING}
        phases |= {Phase.BEFORE} if entry.before is not None else set()
        phases |= {Phase.AFTER} if entry.after is not None else set()
        return (*made, DuringCampaign(campaign=campaign, phases=frozenset(phases)))

    # ------------------------------------------------------------ checks

    def _keys(self, path: Path) -> Iterator[Path]:
        """Every key of a rule, of its ``on_error``, and of its conditions at any depth."""
        value = self.document.get(path)
        if isinstance(value, list):
            for at in range(len(value)):
                yield from self._keys((*path, at))
        for key in value if isinstance(value, dict) else ():
            yield (*path, key)
            if key in _NESTS:
                yield from self._keys((*path, key))

    def _check_blanks(self, path: Path, reported: Collection[str]) -> bool:
        """A key without a value is a value somebody forgot, not a wish for the default. True: there is one."""
        before = len(self.problems)
        for at in self._keys(path):
            value = self.document.get(at)
            if (value is None or (at[-1] in _NESTS and value == {})) and path_text(at) not in reported:
                self._report(at, "is empty; give it a value or leave the key out", key=True)
            if at[-1] in {"any", "all"} and isinstance(value, list):
                for number, part in enumerate(value):
                    if part == {}:
                        self._report((*at, number), "is empty; it would hold for every SMS")
        return len(self.problems) > before

    def _check_references(self, path: Path) -> None:
        """Names and numbers, whether or not the rest of the rule is right."""
        for at in self._keys(path):
            key = at[-1]
            if key == "forward":
                self._check_each(at, self.context.chats, "chat")
            elif key == "account" and self.context.accounts is not None:
                self._check_each(at, self.context.accounts, "account")
            elif key == "hours":
                self._check_each(at, frozenset(self.context.hours), "window", "`hours`")
                for place, name in self._strings(at):
                    if (hours := self.context.hours.get(name)) is not None and hours.fault:
                        self._report(place, f"the window `{name}` cannot be used: {hours.fault}")
            elif key in {"from", "to"}:
                for place, number in self._strings(at):
                    try:
                        compile_numbers([number], self.context)
                    except BadNumber as error:
                        self._report(place, str(error))

    def _check_variables(self, path: Path) -> None:
        """Names in texts that only the rule as a whole can know, whether or not the rest of it is right."""
        keys = list(self._keys(path))
        expressions = [self.document.get(at) for at in keys if at[-1] in _EXPRESSIONS]
        groups = {name for text in expressions if isinstance(text, str) for name in _GROUP.findall(text)}
        for at, text in (found for key in keys if key[-1] in _TEXTS for found in self._strings(key)):
            try:
                template = compile_template(text)
            except BadTemplate:
                continue  # the schema has told what is wrong
            try:
                check_names(template, groups=groups, own=self.own_values)
            except BadTemplate as error:
                self._report(at, str(error))

    def _check_each(self, path: Path, known: frozenset[str], what: str, where: str = "") -> None:
        for at, name in self._strings(path):
            if name in known:
                continue
            hint = f"; several are a list: [{name}]" if "," in name else near(name, known)
            if not hint:
                there = f" under {where}" if where else ""
                none = f", since the configuration has no {what}s{there}"
                hint = f"; known: {', '.join(sorted(known))}" if known else none
            self._report(at, f"there is no {what} `{name}`{hint}")

    def _check_together(self, entry: RuleEntry, path: Path) -> None:
        conditions.check(entry.when, (*path, "when"), lambda at, message: self._report(tuple(at), message, key=True))
        self._check_actions(entry, path)
        if entry.drop and entry.continue_:
            self._report((*path, "drop"), "means that nothing happens; leave out the other actions or it", key=True)
        if entry.on_error is not None:
            self._check_actions(entry.on_error, (*path, "on_error"))
        if entry.from_date is not None and entry.until_date is not None and entry.from_date >= entry.until_date:
            self._report((*path, "until_date"), "is before `from_date`")

    def _check_actions(self, entry: ActionEntry, path: Path) -> None:
        given = entry.model_fields_set
        acts = [key.rstrip("_") for key in _ACTS if getattr(entry, key)]
        if not acts and not entry.drop:
            self._report(path, "the rule does nothing; give it `reply` or `forward`, or say `drop: true`")
        if entry.drop and acts:
            self._report((*path, "drop"), "means that nothing happens; leave out the other actions or it", key=True)
        if entry.opt_out and entry.opt_in:
            self._report((*path, "opt_in"), "contradicts `opt_out`; a rule does one of them", key=True)
        for tag in set(entry.tag) & set(entry.untag):
            self._report((*path, "untag"), f"takes off the tag `{tag}` that `tag` puts on", key=True)
        if len(set(entry.forward)) < len(entry.forward):
            self._report((*path, "forward"), "names a chat twice")
        for key, about in ABOUT.items():
            if key in given and about not in given:
                self._report((*path, key), f"has no meaning without `{about}`", key=True)

    def _strings(self, path: Path) -> list[tuple[Path, str]]:
        """A string, or those of a list or of keys, each with its own place; what is none is reported elsewhere."""
        value = self.document.get(path)
        if isinstance(value, list):
            return [((*path, at), item.strip()) for at, item in enumerate(value) if isinstance(item, str)]
        if isinstance(value, dict):
            return [((*path, key), item.strip()) for key, item in value.items() if isinstance(item, str)]
        return [(path, value.strip())] if isinstance(value, str) else []

    def _report(self, path: Path, message: str, *, key: bool = False) -> None:
        self.problems.append(self.document.problem(path, message, key=key))


def _campaign(entry: RuleEntry, context: RuleContext) -> Campaign | None:
    if entry.from_date is None and entry.until_date is None:
        return None
    start, end = (day and day.replace(tzinfo=context.timezone) for day in (entry.from_date, entry.until_date))
    return Campaign(start=start, end=end)


def _reply_only(entry: RuleEntry, key: str) -> Actions | None:
    """What is done before the first and after the last day: the reply for it, under the rule's own name and limits."""
    texts = entry.before if key == "before" else entry.after
    if texts is None:
        return None
    reply = ReplyAction(text=_texts(texts), sender_name=entry.sender_name, ttl=entry.ttl, once=_once(entry))
    return Actions(reply=reply)


def _actions(entry: ActionEntry, *, instead: ActionEntry | None = None) -> Actions:
    contact = reply = forward = None
    if entry.opt_out or entry.opt_in or entry.tag or entry.untag or entry.set_:
        opt = Opt.OUT if entry.opt_out else Opt.IN if entry.opt_in else None
        contact = ContactAction(opt=opt, tag=entry.tag, untag=entry.untag, values=entry.set_ or {})
    if entry.reply is not None:
        text = _texts(entry.reply)
        reply = ReplyAction(text=text, sender_name=entry.sender_name, ttl=entry.ttl, once=_once(entry))
    if entry.forward:
        forward = ForwardAction(chats=entry.forward, note=entry.note, silent=entry.silent)
    return Actions(
        contact=contact,
        reply=reply,
        forward=forward,
        drop=entry.drop,
        instead=None if instead is None else _actions(instead),
    )


def _once(entry: ActionEntry) -> tuple[int, int] | None:
    return conditions.counted(entry.once)


def _texts(value: Template | tuple[Template, ...] | dict[Language, Template]) -> ReplyText:
    if isinstance(value, Template):
        return ReplyText(choices=(value,))
    return ReplyText(choices=value) if isinstance(value, tuple) else ReplyText(by_language=dict(value.items()))
