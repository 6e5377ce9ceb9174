"""``defaults:`` of a file: what each of its rules inherits, key by key, before anything is checked.

Done on the document and not on typed values, so that a mistake is shown where it was written. Keys that only say
something about another one (``ttl`` about ``reply``) are inherited where that one is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bridge.schema import Document, parse_flag
from bridge.schema.document import Node

ABOUT: Final[Mapping[str, str]] = {
    "sender_name": "reply",
    "ttl": "reply",
    "once": "reply",
    "note": "forward",
    "silent": "forward",
    "before": "from_date",
    "after": "until_date",
}
"""Keys of a rule that only say something about another one."""
_ABOUT_KEYWORD: Final = dict.fromkeys(("only", "glued", "typo", "layout", "args"), "keyword")
_KEPT_BESIDE_DROP: Final = frozenset({"when", "enabled", "from_date", "until_date"})


def inherit(document: Document) -> Document:
    """The same document with the defaults in each of its rules. Mappings of aliases are copied, never changed."""
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
    taken = dict(defaults.children)
    if _drops(rule):
        taken = {key: child for key, child in taken.items() if key in _KEPT_BESIDE_DROP}
    theirs = taken.get("when")
    if theirs is not None and isinstance(theirs.value, dict):
        own = rule.children.get("when", Node({}, theirs.place))
        if isinstance(own.value, dict):
            taken["when"] = _inherited(own, theirs.children, theirs, _ABOUT_KEYWORD)
        if taken["when"].value == {}:
            del taken["when"]
        elif "when" in rule.children:
            rule = _with(rule, {"when": taken["when"]}, {})
    return _inherited(rule, taken, defaults, ABOUT)


def _inherited(own: Node, taken: Mapping[str | int, Node], source: Node, about: Mapping[str, str]) -> Node:
    new = {key: child for key, child in taken.items() if key not in own.children}
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
