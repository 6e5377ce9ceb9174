"""A YAML file that was read: its data and the place of every value and key, so that a mistake can be pointed at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bridge.errors import Problem

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"
"""What a file holds. Every scalar is the text as it was written; None is an empty value, ``~`` or ``null``."""
Path: TypeAlias = Sequence[str | int]
"""The way from the top: keys, and indices from 0."""
Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it stands. Nodes of an aliased value are shared, with the place of the anchor."""

    value: Value = field(repr=False)
    place: Place
    children: dict[str | int, Node] = field(default_factory=dict, repr=False)
    keys: dict[str | int, Place] = field(default_factory=dict, repr=False)
    """Where the keys of a mapping stand; for a list, where its items do."""
    plain_end: Place | None = None
    """Where a text without quotes ends; None for all other values."""
    size: int = 1
    """How many values it has, itself included, aliases expanded."""
    anchored: bool = False
    """Aliases may repeat it."""


@dataclass(slots=True, eq=False)
class Document:
    """One file. ``data`` is empty where the file could not be read as YAML; ``problems`` then says why."""

    file: str
    data: dict[str, Value] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    root: Node | None = field(default=None, repr=False)
    lines: Sequence[str] = field(default=(), repr=False)
    faulty: set[tuple[str | int, ...]] = field(default_factory=set, repr=False)
    """Values that :attr:`problems` tells about already: nothing more is said of them."""
    filled: set[tuple[str | int, ...]] = field(default_factory=set, repr=False)
    """Values that came from the environment or a secret's file: no message may show them."""

    def get(self, path: Path) -> Value:
        """The value at ``path``; None also where there is none."""
        value: Value = self.data
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    def node(self, path: Path) -> Node | None:
        """The same as a node, with values as they were written."""
        node = self.root
        for step in path:
            node = node.children.get(step) if node is not None else None
        return node

    def where(self, path: Path, key: bool = False) -> Place:
        """The place of the value, or of its key. Where the path does not exist: of the nearest parent's key."""
        node = self.root
        if node is None:
            return (1, 1)
        at_key, at_value = node.place, node.place
        for step in path:
            below = node.children.get(step)
            if below is None:
                return at_key
            at_key, at_value = node.keys[step], below.place
            node = below
        return at_key if key else at_value

    def comment_behind(self, path: Path) -> Place | None:
        """Where a comment follows a text without quotes on its line: the text may have been meant to go on."""
        node = self.node(path)
        if node is None or node.plain_end is None or not node.value:
            return None
        line, column = node.plain_end
        behind = "".join(self.lines[line - 1 : line])[column - 1 :]
        found = re.match(r"\s+#", behind)
        return (line, column + found.end() - 1) if found else None

    def problem(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """A mistake at ``path``. ``key``: the key is wrong, not its value."""
        line, column = self.where(path, key)
        return Problem(file=self.file, line=line, column=column, path=path_text(path), message=message)

    def find(self, start: Place, token: str) -> Place:
        """Where ``token`` stands next in the source, from ``start`` on; ``start`` itself if it is not there as such."""
        line, column = start
        skip = column - 1
        for number in range(line, len(self.lines) + 1):
            index = self.lines[number - 1].find(token, skip)
            if index >= 0:
                return (number, index + 1)
            skip = 0
        return start


def path_text(path: Path) -> str:
    """``accounts.main.status.poll[0]``; list items count from 0, as in yq and jq. Keys that need quotes have them."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text
