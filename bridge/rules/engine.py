"""Deciding what the rules say about a message: a pure function of the rules, the message and the time of receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import lru_cache

from bridge.errors import Problem, TemplateFailed
from bridge.frozen import frozen
from bridge.model import MINUTE, Decision, Fired, Ms
from bridge.rules.conditions import View
from bridge.rules.context import RuleContext, RuleMessage
from bridge.rules.index import Index, Rule, without_prefix
from bridge.rules.templates import ContactView, Variables
from bridge.text import folding, phones
from bridge.text.folding import Folded


@frozen
class RuleSet:
    """All rules of a directory, checked and indexed. Never changes: a reload makes a new one."""

    rules: tuple[Rule, ...]
    version: str
    """Changes with every byte of the files."""
    warnings: tuple[Problem, ...]
    """What is suspicious and yet allowed."""
    index: Index
    context: RuleContext

    def decide(self, message: RuleMessage, now: Ms) -> Decision:
        """What the rules want done. Never raises, whatever the message holds.

        The first rule that matches wins; after one with ``continue`` the search goes on. A rule whose text
        cannot be made wants nothing, says so in ``error``, and ends the search.
        """
        fired: list[Fired] = []
        for rule, view in self._matches(message):
            fired.append(self._fire(rule, view, now))
            if fired[-1].error is not None or not rule.goes_on:
                break
        return Decision(fired=tuple(fired), rules_version=self.version)

    def _matches(self, message: RuleMessage) -> Iterator[tuple[Rule, View]]:
        whole = folding.analyse(message.text)
        prefix = self.index.prefix_of(message.prefix, whole)
        named = bool(message.prefix.strip())
        behind = without_prefix(prefix, whole, named=named) if prefix else whole
        receiver = phones.normalise(message.receiver, self.context.region)
        plain = _view(message, whole, receiver)
        prefixed = _view(message, behind, receiver) if prefix else plain
        for position in self.index.candidates(prefix, whole.word(0), behind.word(0)):
            rule = self.rules[position]
            view = prefixed if rule.prefix else plain
            if all(condition.holds(view) for condition in rule.conditions):
                yield rule, view

    def _fire(self, rule: Rule, view: View, now: Ms) -> Fired:
        actions = rule.actions
        variables = _variables(rule, view, self._date(view.message.date, now)) if actions.needs_variables else {}
        try:
            return Fired(
                rule=rule.name,
                file=rule.file,
                line=rule.line,
                replies=(actions.reply.wish(variables),) if actions.reply else (),
                forwards=actions.forward.wish(variables) if actions.forward else (),
                drop=actions.drop,
            )
        except TemplateFailed as error:
            return Fired(rule=rule.name, file=rule.file, line=rule.line, error=str(error))

    def _date(self, date: Ms | None, now: Ms) -> str:
        return _written((now if date is None else date) // MINUTE, self.context.timezone)


@lru_cache(maxsize=256)
def _written(minute: int, zone: tzinfo) -> str:
    """Kept for a while: the messages of a minute share it."""
    try:
        at = datetime.fromtimestamp(minute * MINUTE / 1000, zone)
    except (OverflowError, ValueError, OSError):  # the platform's date, whatever it was, is no year of ours
        return ""
    return f"{at:%Y-%m-%d %H:%M}"


def _view(message: RuleMessage, seen: Folded, receiver: str) -> View:
    words = tuple(word.folded for word in seen.words)
    return View(message=message, seen=seen, words=words, receiver=receiver)


def _variables(rule: Rule, view: View, date: str) -> Variables:
    eaten = 1 if rule.keywords else 0
    message, seen = view.message, view.seen
    return {
        "text": message.text,
        "args": seen.after(eaten),
        "words": tuple(seen.original[word.start : word.end] for word in seen.words[eaten:]),
        "sender": message.sender,
        "receiver": message.receiver,
        "prefix": message.prefix,
        "date": date,
        "account": message.account,
        "contact": ContactView(name=message.contact_name),
    }
