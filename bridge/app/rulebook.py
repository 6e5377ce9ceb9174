"""Reads the rules and the canned replies from the configuration and the rule files."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config import Settings
from bridge.errors import ConfigError
from bridge.rules.canned import Canned, all_canned
from bridge.rules.context import RuleContext
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules
from bridge.rules.schedule import hours_by_name
from bridge.schema.reader import read_file


def rules_of(settings: Settings) -> RuleSet:
    """Load the rules. :raises ConfigError: with every mistake in every file."""
    return load_rules(settings.rules, rule_context(settings))


def rule_context(settings: Settings) -> RuleContext:
    """The part of the configuration that rules may refer to."""
    first = next(iter(settings.accounts.values()))
    return RuleContext(
        chats=frozenset(settings.telegram.chats),
        lists=settings.lists,
        region=settings.region,
        accounts=frozenset(settings.accounts),
        timezone=first.callback.timezone,
        hours=hours_by_name(settings.hours),
        language=settings.telegram.language,
    )


def canned_of(settings: Settings) -> Mapping[str, Canned]:
    """Load the canned replies of the configuration. :raises ConfigError: with every text that cannot be used."""
    good, bad = all_canned(settings.replies)
    if bad:
        document = read_file(settings.file)
        raise ConfigError([document.problem(("replies", name), message) for name, message in bad.items()])
    return good
