"""The rule language: from YAML files to rules, and from a message to a decision.

Pure: no clock, no random numbers, no network, no log.
"""

from bridge.rules.context import RuleContext, RuleMessage
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules

__all__ = ["RuleContext", "RuleMessage", "RuleSet", "load_rules"]
