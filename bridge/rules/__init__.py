"""The rule language: reads YAML files into rules, and decides by them about messages.

Pure: no clock, no random numbers, no network, no log.
"""

from bridge.rules.context import RuleContext, RuleMessage
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules

__all__ = ["RuleContext", "RuleMessage", "RuleSet", "load_rules"]
