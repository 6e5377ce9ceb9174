"""``defaults:`` of a file: keys that each of its rules inherits, before anything is checked.

The keys are copied in the document, not in the typed values, so that a mistake is reported where it was written. Some
keys are only about another key (``ttl`` is about ``reply``): rules inherit them if they have the other key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bridge.schema import Document, parse_flag
from bridge.schema.document import Node

BELONGS_TO: Final[Mapping[str, str]] = {
    "sender_name": "reply",
    "ttl": "reply",
    "once": "reply",
    "note": "forward",
    "silent": "forward",
    "before": "from_date",
    "after": "until_date",
}
"""Keys of a rule that are only about another key."""
_BELONGS_TO_KEYWORD: Final = dict.fromkeys(("only", "glued", "typo", "layout", "args"), "keyword")
_KEPT_BESIDE_DROP: Final = frozenset({"when", "enabled", "from_date", "until_date"})
"""The only defaults that a rule with ``drop`` inherits."""


def inherit(document: Document) -> Document:
    """The document with the defaults copied into each of its rules. Mappings behind aliases are copied, not changed."""
    root = document.root
    if root is None or (defaults := root.children.get("defaults")) is None or not isinstance(defaults.value, dict):
        return document
    rules = root.children.get("rules")
    if rules is None or not isinstance(rules.value, list):
        return document
    merged = {at: _rule(rule, defaults) for at, rule in rules.children.items()}
    new_rules = replace(rules, value=[rule.value for rule in merged.values()], children=merged)
    new_root = _with(root, {"rules": new_rules}, {})
    data = new_root.value if isinstance(new_root.value, dict) else {}
    return replace(document, root=new_root, data=data)


def _rule(rule: Node, defaults: Node) -> Node:
    if not isinstance(rule.value, dict):
        return rule
    offered = dict(defaults.children)
    if _drops(rule):
        offered = {key: child for key, child in offered.items() if key in _KEPT_BESIDE_DROP}
    default_when = offered.get("when")
    if default_when is not None and isinstance(default_when.value, dict):
        own_when = rule.children.get("when", Node({}, default_when.location))
        if isinstance(own_when.value, dict):
            offered["when"] = _inherited(own_when, default_when.children, default_when, _BELONGS_TO_KEYWORD)
        if offered["when"].value == {}:
            del offered["when"]
        elif "when" in rule.children:
            rule = _with(rule, {"when": offered["when"]}, {})
    return _inherited(rule, offered, defaults, BELONGS_TO)


def _inherited(own: Node, offered: Mapping[str | int, Node], source: Node, about: Mapping[str, str]) -> Node:
    """``own`` with the offered keys that it lacks, except keys about another key that it does not have."""
    new = {key: child for key, child in offered.items() if key not in own.children}
    there = own.children.keys() | new.keys()
    new = {key: child for key, child in new.items() if about.get(str(key), str(key)) in there}
    return _with(own, new, {key: source.keys[key] for key in new})


def _with(node: Node, children: Mapping[str | int, Node], keys: Mapping[str | int, tuple[int, int]]) -> Node:
    both = {**node.children, **children}
    value = {str(key): child.value for key, child in both.items()}
    return replace(node, value=value, children=both, keys={**node.keys, **keys})


def _drops(rule: Node) -> bool:
    drop = rule.children.get("drop")
    try:
        return drop is not None and parse_flag(drop.value)
    except ValueError:
        return False
