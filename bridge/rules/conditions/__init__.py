"""The conditions of rules, one module for each: its YAML keys, their checks, the question, and the reasons it gives.

``base`` says what a condition is; ``when`` puts all of them together under ``when``. A new condition is a module with
its keys (:class:`~bridge.rules.conditions.base.Keys`) and its question
(:class:`~bridge.rules.conditions.base.Condition`), and the name of its keys among the bases of
:class:`~bridge.rules.conditions.when.AllConditions`.
"""
