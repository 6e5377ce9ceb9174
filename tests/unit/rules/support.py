"""Rules from a text, and messages with only what a test is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ConfigError, Problem
from bridge.model.decision import FiredRule
from bridge.rules import RuleContext, RuleMessage, RuleSet, load_rules

CONTEXT = RuleContext(
    chats=frozenset({"support", "sales", "night"}),
    lists={"vip": ("+7 900 111-22-33", "7908*"), "banks": ("SberBank", "900")},
    region="RU",
    accounts=frozenset({"main", "second"}),
)
NOW = 1_772_000_000_000


def load(
    directory: Path,
    text: str,
    context: RuleContext = CONTEXT,
    *,
    file: str = "10-rules.yaml",
) -> RuleSet:
    (directory / file).write_text(text, "utf-8")
    return load_rules(directory, context)


def refuse(directory: Path, text: str, context: RuleContext = CONTEXT) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(directory, text, context)
    return caught.value.problems


def message(text: str = "", **other: str) -> RuleMessage:
    sender = other.pop("sender", "79083730330")
    date = other.pop("date", None)
    return RuleMessage(
        text=text,
        sender=sender,
        subscriber=other.pop("subscriber", sender),
        date=None if date is None else int(date),
        **other,
    )


def fired(rules: RuleSet, text: str = "", **other: str) -> tuple[FiredRule, ...]:
    return rules.decide(message(text, **other), NOW).fired


def winner(rules: RuleSet, text: str = "", **other: str) -> str | None:
    names = [one.rule for one in fired(rules, text, **other)]
    return names[-1] if names else None


def reply(rules: RuleSet, text: str = "", **other: str) -> str | None:
    texts = [answer.text for one in fired(rules, text, **other) for answer in one.replies]
    return texts[-1] if texts else None
