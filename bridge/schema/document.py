"""A YAML file after reading: its data, and the location of every key and value, for messages about mistakes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bridge.errors import Problem

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"
"""The data of a file. Every scalar is the text as it was written; None is an empty value, ``~`` or ``null``."""
Path: TypeAlias = Sequence[str | int]
"""Keys and list indices from the top of the file; indices count from 0."""
Location: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(slots=True, eq=False)
class Node:
    """A value and its location. An alias shares the node of its anchor."""

    value: Value = field(repr=False)
    location: Location
    children: dict[str | int, Node] = field(default_factory=dict, repr=False)
    keys: dict[str | int, Location] = field(default_factory=dict, repr=False)
    """The locations of the keys of a mapping, or of the items of a list."""
    plain_end: Location | None = None
    """The end of a text without quotes; None for all other values."""
    size: int = 1
    """Number of values in the node, itself included, with aliases expanded."""
    anchored: bool = False
    """The node has an anchor, so aliases may repeat it."""


@dataclass(slots=True, eq=False)
class Document:
    """One file. If the file is not YAML, ``data`` is empty and ``problems`` tells why."""

    file: str
    data: dict[str, Value] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    root: Node | None = field(default=None, repr=False)
    lines: Sequence[str] = field(default=(), repr=False)
    faulty: set[tuple[str | int, ...]] = field(default_factory=set, repr=False)
    """Paths of values that :attr:`problems` already reports, so that later checks pass over them."""
    interpolated: set[tuple[str | int, ...]] = field(default_factory=set, repr=False)
    """Paths of values that came from the environment or the file of a secret. No message may show them."""

    def get(self, path: Path) -> Value:
        """The value at ``path``; None also if the path does not exist."""
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
        """The node at ``path``. Its value is as written, before interpolation."""
        node = self.root
        for step in path:
            node = node.children.get(step) if node is not None else None
        return node

    def where(self, path: Path, key: bool = False) -> Location:
        """The location of the value at ``path``, or of its key.

        If there is no such value: the location of the key of the nearest parent that exists.
        """
        node = self.root
        if node is None:
            return (1, 1)
        at_key, at_value = node.location, node.location
        for step in path:
            below = node.children.get(step)
            if below is None:
                return at_key
            at_key, at_value = node.keys[step], below.location
            node = below
        return at_key if key else at_value

    def comment_after(self, path: Path) -> Location | None:
        """The location of a comment after a text without quotes, which may be meant as text; None: no comment."""
        node = self.node(path)
        if node is None or node.plain_end is None or not node.value:
            return None
        line, column = node.plain_end
        rest_of_line = "".join(self.lines[line - 1 : line])[column - 1 :]
        found = re.match(r"\s+#", rest_of_line)
        return (line, column + found.end() - 1) if found else None

    def problem(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """A problem at ``path``.

        :param key: the key is wrong, not its value.
        """
        line, column = self.where(path, key)
        return Problem(file=self.file, line=line, column=column, path=path_text(path), message=message)

    def find(self, start: Location, token: str) -> Location:
        """The location of the first ``token`` in the source at or after ``start``; ``start`` if there is none."""
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
