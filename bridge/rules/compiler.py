"""Compiles an entry of a rules file into a :class:`~bridge.rules.rule.Rule`, or finds its problems.

The checks here need more than one key of the rule. They find all problems of a rule, not only the first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from bridge.errors import Problem
from bridge.model.base import Language
from bridge.model.decision import OptOutEffect
from bridge.rules.actions import Actions, ContactAction, ForwardAction, ReplyAction, ReplyText
from bridge.rules.conditions import when
from bridge.rules.conditions.base import Condition, Scope, all_within
from bridge.rules.conditions.expression import ArgsFit, TextFits
from bridge.rules.conditions.limit import WithinLimit, as_limit
from bridge.rules.context import RuleContext
from bridge.rules.defaults import BELONGS_TO
from bridge.rules.rule import Rule
from bridge.rules.schema import ActionEntry, DefaultsEntry, RuleEntry
from bridge.rules.template_checks import BadTemplate
from bridge.rules.templates import Template, check_names, compile_template
from bridge.rules.values import CONTEXT
from bridge.schema import Document, path_text, validate
from bridge.text import folding

Path = tuple[str | int, ...]

_ACTIONS = ("reply", "forward", "opt_out", "opt_in", "tag", "untag", "set_")
_TEXTS = ("reply", "note", "before", "after", "set")
_EXPRESSIONS = ("text", "args")
_GROUP = re.compile(r"\(\?P?<(\w+)>")
_NESTS = ("when", "any", "all", "not", "on_error")


@dataclass(kw_only=True, slots=True)
class Compiler:
    """Compiles the rules of one file and collects their problems."""

    document: Document
    context: RuleContext
    own_values: frozenset[str] = frozenset()
    """Names of the values that rules of any file ``set`` on a contact."""
    problems: list[Problem] = field(default_factory=list)

    def rule(self, position: int) -> Rule | None:
        """The rule at ``position``; None if it has problems."""
        path: Path = ("rules", position)
        before = len(self.problems)
        entry, found = validate(RuleEntry, self.document, path=path, context={CONTEXT: self.context})
        self.problems.extend(found)
        if entry is None:
            # Read it again without the configuration: an unknown name must not hide mistakes between several keys.
            entry, _ = validate(RuleEntry, self.document, path=path)
        blank = self._check_blanks(path, {problem.path for problem in found})
        self._check_variables(path)
        if entry is not None and not blank:
            self._check_together(entry, path)
        if entry is None or len(self.problems) > before:
            return None
        return self._compiled(entry, path)

    def defaults(self) -> None:
        """Check the keys that all rules of the file inherit. Checks that need a whole rule are made for each rule."""
        path: Path = ("defaults",)
        _, found = validate(DefaultsEntry, self.document, path=path, context={CONTEXT: self.context})
        self.problems.extend(found)
        self._check_blanks(path, {problem.path for problem in found})

    def _compiled(self, entry: RuleEntry, path: Path) -> Rule:
        conditions = tuple(self._conditions(entry))
        return Rule(
            name=entry.name,
            file=self.document.file,
            line=self.document.problem(path, "").line,
            enabled=entry.enabled,
            prefix=folding.folded_words(entry.when.prefix or ""),
            conditions=conditions,
            actions=_actions(entry, on_error=entry.on_error),
            continues=entry.continue_,
            campaign=entry.campaign(self.context.timezone),
            before=_only_reply(entry, entry.before),
            after=_only_reply(entry, entry.after),
            groups=_groups(conditions),
            limit=next((one for one in conditions if isinstance(one, WithinLimit)), None),
        )

    def _conditions(self, entry: RuleEntry) -> Iterator[Condition]:
        scope = Scope(rule=entry.name, context=self.context, changes_opt_out=entry.opt_out or entry.opt_in)
        yield from entry.when.conditions(scope)
        campaign = entry.campaign(self.context.timezone)
        if campaign is not None:
            yield entry.condition(campaign)

    # ------------------------------------------------------------ checks

    def _keys(self, path: Path) -> Iterator[Path]:
        """The path of every key of a rule, of its ``on_error``, and of its conditions at any depth."""
        value = self.document.get(path)
        if isinstance(value, list):
            for at in range(len(value)):
                yield from self._keys((*path, at))
        for key in value if isinstance(value, dict) else ():
            yield (*path, key)
            if key in _NESTS:
                yield from self._keys((*path, key))

    def _check_blanks(self, path: Path, reported: Collection[str]) -> bool:
        """Report each key without a value. An empty value is an oversight, not a request for the default.

        :returns: whether a key was reported.
        """
        before = len(self.problems)
        for at in self._keys(path):
            if at in self.document.faulty:
                continue
            value = self.document.get(at)
            if (value is None or (at[-1] in _NESTS and value == {})) and path_text(at) not in reported:
                self._report(at, "is empty; give it a value or leave the key out", key=True)
            if at[-1] in {"any", "all"} and isinstance(value, list):
                for number, part in enumerate(value):
                    if part == {}:
                        self._report((*at, number), "is empty; it would hold for every SMS")
        return len(self.problems) > before

    def _check_variables(self, path: Path) -> None:
        """Check the variables of all texts: named groups and contact values. Works even if other keys are wrong."""
        keys = list(self._keys(path))
        expressions = [self.document.get(at) for at in keys if at[-1] in _EXPRESSIONS]
        groups = {name for text in expressions if isinstance(text, str) for name in _GROUP.findall(text)}
        for at, text in (found for key in keys if key[-1] in _TEXTS for found in self._strings(key)):
            try:
                template = compile_template(text)
            except BadTemplate:
                continue  # the schema reports it
            try:
                check_names(template, groups=groups, own=self.own_values)
            except BadTemplate as error:
                self._report(at, str(error))

    def _check_together(self, entry: RuleEntry, path: Path) -> None:
        when.check(entry.when, (*path, "when"), lambda at, message: self._report(tuple(at), message, key=True))
        self._check_actions(entry, path)
        if entry.drop and entry.continue_:
            self._report((*path, "drop"), "means that nothing more happens; leave out `continue` or it", key=True)
        if entry.on_error is not None:
            self._check_actions(entry.on_error, (*path, "on_error"))
        if entry.ends_before_it_starts:
            self._report((*path, "until_date"), "is before `from_date`")

    def _check_actions(self, entry: ActionEntry, path: Path) -> None:
        given = entry.model_fields_set
        actions = [key.rstrip("_") for key in _ACTIONS if getattr(entry, key)]
        if not actions and not entry.drop:
            self._report(path, "the rule does nothing; give it `reply` or `forward`, or say `drop: true`")
        if entry.drop and actions:
            self._report((*path, "drop"), "means that nothing happens; leave out the other actions or it", key=True)
        if entry.opt_out and entry.opt_in:
            self._report((*path, "opt_in"), "contradicts `opt_out`; a rule does one of them", key=True)
        for tag in set(entry.tag) & set(entry.untag):
            self._report((*path, "untag"), f"takes off the tag `{tag}` that `tag` puts on", key=True)
        if len(set(entry.forward)) < len(entry.forward):
            self._report((*path, "forward"), "names a chat twice")
        for key, about in BELONGS_TO.items():
            if key in given and about not in given:
                self._report((*path, key), f"has no meaning without `{about}`", key=True)

    def _strings(self, path: Path) -> list[tuple[Path, str]]:
        """A text, or the texts of a list or mapping, each with its path. The schema reports all other values."""
        value = self.document.get(path)
        if isinstance(value, list):
            return [((*path, at), item.strip()) for at, item in enumerate(value) if isinstance(item, str)]
        if isinstance(value, dict):
            return [((*path, key), item.strip()) for key, item in value.items() if isinstance(item, str)]
        return [(path, value.strip())] if isinstance(value, str) else []

    def _report(self, path: Path, message: str, *, key: bool = False) -> None:
        self.problems.append(self.document.problem(path, message, key=key))


def _groups(conditions: Collection[Condition]) -> tuple[str, ...]:
    expressions = (one for one in all_within(conditions) if isinstance(one, TextFits | ArgsFit))
    return tuple(dict.fromkeys(name for one in expressions for name in one.pattern.groups))


def _actions(entry: ActionEntry, *, on_error: ActionEntry | None = None) -> Actions:
    contact = forward = None
    if entry.opt_out or entry.opt_in or entry.tag or entry.untag or entry.set_:
        opt = OptOutEffect.OUT if entry.opt_out else OptOutEffect.IN if entry.opt_in else None
        contact = ContactAction(opt=opt, tag=entry.tag, untag=entry.untag, values=entry.set_ or {})
    if entry.forward:
        forward = ForwardAction(chats=entry.forward, note=entry.note, silent=entry.silent)
    return _with_variables(
        Actions(
            contact=contact,
            reply=_reply(entry, entry.reply),
            forward=forward,
            drop=entry.drop,
            on_error=None if on_error is None else _actions(on_error),
        )
    )


def _with_variables(actions: Actions) -> Actions:
    """The actions with ``need_variables`` set, so that a decision does not search all texts each time."""
    needed = any(template.compiled is not None for template in actions.templates())
    return replace(actions, need_variables=True) if needed else actions


_Texts = Template | tuple[Template, ...] | dict[Language, Template]


def _only_reply(entry: ActionEntry, texts: _Texts | None) -> Actions | None:
    """The actions before or after a campaign: a reply with the ``sender_name``, ``ttl`` and ``once`` of the rule."""
    return None if texts is None else _with_variables(Actions(reply=_reply(entry, texts)))


def _reply(entry: ActionEntry, texts: _Texts | None) -> ReplyAction | None:
    if texts is None:
        return None
    if isinstance(texts, Template):
        text = ReplyText(choices=(texts,))
    else:
        text = ReplyText(choices=texts) if isinstance(texts, tuple) else ReplyText(by_language=dict(texts.items()))
    return ReplyAction(text=text, sender_name=entry.sender_name, ttl=entry.ttl, once=as_limit(entry.once))
