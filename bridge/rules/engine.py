"""Decides about a message: a pure function of the rules, the message and the time of receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import lru_cache

from bridge.errors import Problem, TemplateFailed
from bridge.model.base import MINUTE, Ms
from bridge.model.contact import RuleCounter
from bridge.model.decision import ContactEffect, Decision, FiredRule, OptOutEffect, Reply
from bridge.rules.actions import Actions
from bridge.rules.conditions.base import Captures, View, met_by
from bridge.rules.context import Counting, RuleContext, RuleMessage
from bridge.rules.index import Index, without_prefix
from bridge.rules.rule import Prefix, Rule
from bridge.rules.schedule import Phase
from bridge.rules.templates import ContactView, Variables
from bridge.text import folding, phones
from bridge.text.folding import FoldedText
from bridge.value import value_object

_ASK_FIRST = {OptOutEffect.OUT: OptOutEffect.ASK_OUT, OptOutEffect.IN: OptOutEffect.ASK_IN}


@value_object
class Views:
    """Two views of a message: ``whole`` for rules without a prefix, ``after_prefix`` for rules with :attr:`prefix`."""

    prefix: Prefix
    whole: View
    after_prefix: View

    def of(self, rule: Rule) -> View:
        return self.after_prefix if rule.prefix else self.whole


@value_object
class Match:
    """A rule that matches a message."""

    rule: Rule
    view: View
    captures: Captures


@value_object
class RuleSet:
    """All rules of a directory, checked and indexed. Never changes: a reload makes a new one."""

    rules: tuple[Rule, ...]
    version: str
    """Changes with every byte of the files."""
    warnings: tuple[Problem, ...]
    """Findings about rules that are allowed but probably not meant."""
    index: Index
    context: RuleContext
    counting: Counting = Counting()
    """The counters that :attr:`RuleMessage.uses` must hold for a decision."""

    def decide(self, message: RuleMessage, now: Ms) -> Decision:
        """The effects that the rules want for a message. Never raises, whatever the message holds.

        The first rule that matches wins. After a rule with ``continue`` the search goes on. If a text of a rule cannot
        be made and ``on_error`` does not help, the rule has only an ``error``, no effects, and the search ends.

        :param now: the time of receipt.
        """
        fired: list[FiredRule] = []
        for match in self._matches(self.views(message, now)):
            fired.append(_carry_out(match, self.context))
            if fired[-1].error is not None or not match.rule.continues:
                break
        return Decision(fired=tuple(fired), rules_version=self.version)

    def views(self, message: RuleMessage, now: Ms) -> Views:
        """The message as the rules see it. The prefix of a rule alone decides which of the views it sees."""
        whole = folding.analyse(message.text)
        prefix = self.index.prefix_of(message.prefix, whole)
        named = bool(message.prefix.strip())
        receiver = phones.normalise(message.receiver, self.context.region)
        plain = self._view(message, whole, receiver, now)
        if not prefix:
            return Views(prefix=prefix, whole=plain, after_prefix=plain)
        after_prefix = without_prefix(prefix, whole, named=named)
        return Views(prefix=prefix, whole=plain, after_prefix=self._view(message, after_prefix, receiver, now))

    def _view(self, message: RuleMessage, folded: FoldedText, receiver: str, now: Ms) -> View:
        words = tuple(word.folded for word in folded.words)
        keywords = self.index.vocabulary.find(folded)
        return View(message=message, folded=folded, words=words, keywords=keywords, receiver=receiver, now=now)

    def _matches(self, views: Views) -> Iterator[Match]:
        for position in self.index.candidates(views.prefix, views.whole, views.after_prefix):
            rule = self.rules[position]
            view = views.of(rule)
            captures = met_by(rule.conditions, view)
            if captures is not None:
                yield Match(rule=rule, view=view, captures=captures)


def _carry_out(match: Match, context: RuleContext) -> FiredRule:
    rule = match.rule
    phase = Phase.DURING if rule.campaign is None else rule.campaign.phase(match.view.now)
    actions = rule.actions_in(phase)
    counted = () if rule.limit is None else (RuleCounter.MATCH,)
    try:
        return _perform(actions, match, context, counted=counted)
    except TemplateFailed as error:
        failed = str(error)
    if actions.on_error is not None:
        try:
            return _perform(actions.on_error, match, context, counted=counted, recovered=failed)
        except TemplateFailed as error:
            failed = str(error)
    return FiredRule(rule=rule.name, file=rule.file, line=rule.line, error=failed, counted=counted)


def _perform(
    actions: Actions,
    match: Match,
    context: RuleContext,
    *,
    counted: tuple[RuleCounter, ...],
    recovered: str | None = None,
) -> FiredRule:
    """Make the effects of the actions.

    :raises TemplateFailed: one of the texts cannot be made. Then the actions have no effects at all.
    """
    rule, message = match.rule, match.view.message
    variables = _variables(match, context) if actions.need_variables else {}
    contact = actions.contact.effect(variables) if actions.contact is not None else None
    forwards = actions.forward.effect(variables) if actions.forward is not None else ()
    if contact is not None and contact.opt is not None and _has_more_words(match):
        # "Стоп, спасибо": only a person can tell whether this opts out. The rule has no other effect.
        asks = ContactEffect(opt=_ASK_FIRST[contact.opt])
        return FiredRule(
            rule=rule.name, file=rule.file, line=rule.line, forwards=forwards, contact=asks, counted=counted
        )
    replies: tuple[Reply, ...] = ()
    spent = _is_spent(actions, match)
    if actions.reply is not None and not spent:
        languages = (message.contact.language, context.language)
        template = actions.reply.text.chosen(id=message.id, languages=languages)
        confirms = contact is not None and contact.opt is OptOutEffect.OUT
        replies = (actions.reply.effect(template, variables, confirms=confirms),)
        counted += actions.counters
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


def _has_more_words(match: Match) -> bool:
    """Whether words follow the keyword. False for a rule without a keyword."""
    keyword = match.captures.keyword
    return keyword is not None and bool(keyword.rest(match.view.folded))


def _is_spent(actions: Actions, match: Match) -> bool:
    """Whether the sender has had the reply as often as ``once`` allows."""
    if actions.reply is None or actions.reply.once is None:
        return False
    count, period = actions.reply.once
    since = match.view.now - period
    return match.view.message.uses.of_sender(match.rule.name, RuleCounter.REPLY, since) >= count


def _variables(match: Match, context: RuleContext) -> Variables:
    view, captures, message = match.view, match.captures, match.view.message
    date = (view.now if message.date is None else message.date) // MINUTE
    return {
        **dict.fromkeys(match.rule.groups, ""),
        **captures.groups,
        "text": message.text,
        "args": captures.args(view),
        "words": captures.words(view),
        "sender": message.sender,
        "receiver": message.receiver,
        "prefix": message.prefix,
        "date": _written(date, context.timezone),
        "account": message.account,
        "contact": ContactView(name=message.contact_name, tags=message.contact.tags, own=message.contact.values),
    }


@lru_cache(maxsize=256)
def _written(minute: int, zone: tzinfo) -> str:
    """A date as templates show it. Cached, because all messages of a minute have the same."""
    try:
        at = datetime.fromtimestamp(minute * MINUTE / 1000, zone)
    except (OverflowError, ValueError, OSError):  # the platform gave a date outside of the calendar
        return ""
    return f"{at:%Y-%m-%d %H:%M}"
