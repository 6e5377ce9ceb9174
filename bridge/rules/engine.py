"""Deciding what the rules say about a message: a pure function of the rules, the message and the time of receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import lru_cache

from bridge.errors import Problem, TemplateFailed
from bridge.model.base import MINUTE, Ms
from bridge.model.contact import RuleCounter
from bridge.model.decision import ContactEffect, Decision, FiredRule, OptOutEffect, Reply
from bridge.rules.actions import Actions, Opt
from bridge.rules.conditions import Found, View, met_by
from bridge.rules.context import Counting, RuleContext, RuleMessage
from bridge.rules.index import Index, Prefix, Rule, hear, without_prefix
from bridge.rules.schedule import Phase
from bridge.rules.templates import ContactView, Variables
from bridge.text import folding, phones
from bridge.text.folding import Folded
from bridge.value import value_object

_ASKS = {Opt.OUT: OptOutEffect.ASK_OUT, Opt.IN: OptOutEffect.ASK_IN}


@value_object
class Views:
    """A message as the rules see it: those without a prefix, and those with the one that holds."""

    prefix: Prefix
    whole: View
    behind: View

    def of(self, rule: Rule) -> View:
        return self.behind if rule.prefix else self.whole


@value_object
class RuleSet:
    """All rules of a directory, checked and indexed. Never changes: a reload makes a new one."""

    rules: tuple[Rule, ...]
    version: str
    """Changes with every byte of the files."""
    warnings: tuple[Problem, ...]
    """What is suspicious and yet allowed."""
    index: Index
    context: RuleContext
    counting: Counting = Counting()
    """What :attr:`RuleMessage.uses` must hold for a decision."""

    def decide(self, message: RuleMessage, now: Ms) -> Decision:
        """What the rules want done. Never raises, whatever the message holds.

        The first rule that matches wins; after one with ``continue`` the search goes on. A rule whose text
        cannot be made wants nothing, says so in ``error``, and ends the search.

        :param now: the time of receipt.
        """
        fired: list[FiredRule] = []
        for rule, view, found in self._matches(self.views(message, now)):
            fired.append(_fire(rule, view, found, self.context))
            if fired[-1].error is not None or not rule.goes_on:
                break
        return Decision(fired=tuple(fired), rules_version=self.version)

    def views(self, message: RuleMessage, now: Ms) -> Views:
        """What there is to see for the rules; the same for all of them but for the prefix."""
        whole = folding.analyse(message.text)
        prefix = self.index.prefix_of(message.prefix, whole)
        named = bool(message.prefix.strip())
        receiver = phones.normalise(message.receiver, self.context.region)
        plain = self._view(message, whole, receiver, now)
        if not prefix:
            return Views(prefix=prefix, whole=plain, behind=plain)
        behind = without_prefix(prefix, whole, named=named)
        return Views(prefix=prefix, whole=plain, behind=self._view(message, behind, receiver, now))

    def _view(self, message: RuleMessage, seen: Folded, receiver: str, now: Ms) -> View:
        words = tuple(word.folded for word in seen.words)
        hits = hear(self.index.vocabulary, seen)
        return View(message=message, seen=seen, words=words, hits=hits, receiver=receiver, now=now)

    def _matches(self, views: Views) -> Iterator[tuple[Rule, View, Found]]:
        for position in self.index.candidates(views.prefix, views.whole, views.behind):
            rule = self.rules[position]
            view = views.of(rule)
            found = met_by(rule.conditions, view)
            if found is not None:
                yield rule, view, found


def _fire(rule: Rule, view: View, found: Found, context: RuleContext) -> FiredRule:
    phase = Phase.DURING if rule.campaign is None else rule.campaign.phase(view.now)
    actions = rule.actions_in(phase)
    counted = (RuleCounter.MATCH,) if rule.per_sender or rule.total else ()
    try:
        return _perform(actions, rule, view, found, context, counted=counted)
    except TemplateFailed as error:
        failed = str(error)
    if actions.instead is not None:
        try:
            return _perform(actions.instead, rule, view, found, context, counted=counted, recovered=failed)
        except TemplateFailed as error:
            failed = str(error)
    return FiredRule(rule=rule.name, file=rule.file, line=rule.line, error=failed, counted=counted)


def _perform(
    actions: Actions,
    rule: Rule,
    view: View,
    found: Found,
    context: RuleContext,
    *,
    counted: tuple[RuleCounter, ...],
    recovered: str | None = None,
) -> FiredRule:
    """:raises TemplateFailed: one of the texts cannot be made; then nothing of the rule is done."""
    message = view.message
    variables = _variables(rule, view, found, context) if actions.needs_variables else {}
    contact = actions.contact.wish(variables) if actions.contact is not None else None
    forwards = actions.forward.wish(variables) if actions.forward is not None else ()
    if actions.contact is not None and actions.contact.opt is not None and _says_more(view, found):
        # "Стоп, спасибо": to end it or not is a person's guess, not ours. Nothing else of the rule is done.
        asks = ContactEffect(opt=_ASKS[actions.contact.opt])
        return FiredRule(
            rule=rule.name, file=rule.file, line=rule.line, forwards=forwards, contact=asks, counted=counted
        )
    replies: tuple[Reply, ...] = ()
    spent = _is_spent(actions, rule, view)
    if actions.reply is not None and not spent:
        languages = (message.contact.language, context.language)
        template = actions.reply.text.chosen(id=message.id, languages=languages)
        confirms = contact is not None and contact.opt is OptOutEffect.OUT
        replies = (actions.reply.wish(template, variables, confirms=confirms),)
        counted += actions.counted
    return FiredRule(
        rule=rule.name,
        file=rule.file,
        line=rule.line,
        replies=replies,
        forwards=forwards,
        drop=actions.drop,
        contact=contact,
        counted=counted,
        spent=spent,
        recovered=recovered,
    )


def _says_more(view: View, found: Found) -> bool:
    """Whether something follows the keyword. Without a keyword there is nothing to compare with."""
    return found.hit is not None and bool(found.hit.rest(view.seen))


def _is_spent(actions: Actions, rule: Rule, view: View) -> bool:
    if actions.reply is None or actions.reply.once is None:
        return False
    count, per = actions.reply.once
    return view.message.uses.of_sender(rule.name, RuleCounter.REPLY, view.now - per) >= count


def _variables(rule: Rule, view: View, found: Found, context: RuleContext) -> Variables:
    message = view.message
    date = (view.now if message.date is None else message.date) // MINUTE
    return {
        **dict.fromkeys(rule.groups, ""),
        **found.groups,
        "text": message.text,
        "args": found.args(view),
        "words": found.words(view),
        "sender": message.sender,
        "receiver": message.receiver,
        "prefix": message.prefix,
        "date": _written(date, context.timezone),
        "account": message.account,
        "contact": ContactView(name=message.contact_name, tags=message.contact.tags, own=message.contact.values),
    }


@lru_cache(maxsize=256)
def _written(minute: int, zone: tzinfo) -> str:
    """Kept for a while: the messages of a minute share it."""
    try:
        at = datetime.fromtimestamp(minute * MINUTE / 1000, zone)
    except (OverflowError, ValueError, OSError):  # the platform's date, whatever it was, is no year of ours
        return ""
    return f"{at:%Y-%m-%d %H:%M}"
