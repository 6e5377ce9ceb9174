"""The rule language: files of YAML in, decisions out. Pure: no clock, no chance, no network, no log."""

from bridge.rules.context import RuleContext, RuleMessage
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules

__all__ = ["RuleContext", "RuleMessage", "RuleSet", "load_rules"]
