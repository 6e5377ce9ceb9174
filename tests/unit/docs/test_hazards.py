"""The list of traps names tests that exist, for every rule."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
LIST = (ROOT / "docs" / "hazards.md").read_text("utf-8")
_RULE = re.compile(r"^(\d+)\. ", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def names_in(path: Path) -> set[str]:
    module = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_named_test_exists() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in _TEST.findall(LIST)
        if not (ROOT / path).is_file() or name not in names_in(ROOT / path)
    ]
    assert missing == []
    assert LIST.count("::test_") == len(_TEST.findall(LIST)), "a name that is not written as `path::test`"


def test_every_rule_names_a_test_or_says_what_is_not_built() -> None:
    parts = _RULE.split(LIST)[1:]
    rules = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    assert list(rules) == list(range(1, 32))
    assert [number for number, text in rules.items() if not _TEST.search(text) and "not built yet" not in text] == []
