"""The conditions of rules, one module for each: its YAML keys, their checks, the question, and the reasons it gives.

``base`` defines what a condition is; ``when`` puts all of them together under ``when``. To add a condition, write a
module with its keys (a :class:`~bridge.rules.conditions.base.Keys`) and its question (a
:class:`~bridge.rules.conditions.base.Condition`), and add the class of its keys to the bases of
:class:`~bridge.rules.conditions.when.AllConditions`.
"""
