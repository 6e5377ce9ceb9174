"""``python -m tests.vocabulary``: finds words in names and log events that the project has replaced by others.

The words and what to say instead stand in ``pyproject.toml`` under ``[tool.sms-bridge.vocabulary]``. A replaced word
that is a part of a good one (``holder``) does not count: names are split at underscores and capitals. It must not look
at texts: a sentence may use any word.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOOKED_AT = ("bridge", "tests")
PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


@dataclass(frozen=True, slots=True)
class Found:
    file: Path
    line: int
    name: str
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}: instead of {self.word!r} say {self.instead}"


def replaced(pyproject: Path) -> dict[str, str]:
    """Each word, lower case, with what to say instead."""
    return dict(tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["sms-bridge"]["vocabulary"])


def find(root: Path, words: Mapping[str, str]) -> Iterator[Found]:
    for folder in LOOKED_AT:
        for file in sorted((root / folder).rglob("*.py")):
            shown = file.relative_to(root)
            for line, name in [(1, file.stem), *names(ast.parse(file.read_text(encoding="utf-8")))]:
                for word in dict.fromkeys(part.lower() for part in PARTS.findall(name)):
                    if word in words:
                        yield Found(shown, line, name, word, words[word])


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names that the module gives, and its log events. Names that it imports are other modules' to give."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[ast.Constant(value=str(event)), *_]
            ) if level in LEVELS:
                yield node.lineno, event


def main() -> None:
    found = [str(each) for each in find(ROOT, replaced(ROOT / "pyproject.toml"))]
    sys.exit("\n".join(found) or None)


if __name__ == "__main__":
    main()
