"""Replaces ``${VAR}``, ``${VAR:-default}`` and ``${file:/run/secrets/x}`` in the values of a configuration.

Variables are replaced after the YAML is parsed. So a value from outside stays one value, whatever characters it has. No
message shows it. ``$${`` writes a plain ``${``. Variables in keys and in rules files are not replaced.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path as FilePath

from bridge.errors import Problem
from bridge.schema.document import Document, Location, Node, Value

MAX_SECRET_BYTES = 65_536
_TOKEN = re.compile(r"\$\$\{|\$\{(?P<inner>[^{}\n]*)\}|\$\{")
_NAME = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?")


class _Unresolved(Exception):
    """A variable has no value. The text of the exception tells people why."""


def interpolate(document: Document, environ: Mapping[str, str], folder: FilePath) -> Document:
    """The document with its variables replaced.

    :param folder: relative paths in ``${file:…}`` start here.
    """
    if document.root is None:
        return document
    interpolator = _Interpolator(document, environ, folder)
    data = interpolator.value(document.root, ())
    return Document(
        file=document.file,
        data=data if isinstance(data, dict) else {},
        problems=[*document.problems, *interpolator.problems],
        root=document.root,
        lines=document.lines,
        faulty=document.faulty | interpolator.faulty,
        interpolated=document.interpolated | interpolator.interpolated,
    )


class _Interpolator:
    def __init__(self, document: Document, environ: Mapping[str, str], folder: FilePath) -> None:
        self.problems: list[Problem] = []
        self.faulty: set[tuple[str | int, ...]] = set()
        self.interpolated: set[tuple[str | int, ...]] = set()
        self._document = document
        self._environ = environ
        self._folder = folder

    def value(self, node: Node, path: tuple[str | int, ...]) -> Value:
        """The value of a node with variables replaced. Recursion is safe: the reader limits depth and size."""
        if isinstance(node.value, dict):
            return {str(key): self.value(child, (*path, key)) for key, child in node.children.items()}
        if isinstance(node.value, list):
            return [self.value(child, (*path, key)) for key, child in node.children.items()]
        if node.value is None or "${" not in node.value:
            return node.value
        return self._fill(node.value, path)

    def _fill(self, text: str, path: tuple[str | int, ...]) -> str:
        pieces: list[str] = []
        end = 0
        location = self._document.where(path)
        for token in _TOKEN.finditer(text):
            pieces.append(text[end : token.start()])
            end = token.end()
            location = self._document.find(location, token[0])
            if token[0] == "$${":
                pieces.append("${")
            else:
                pieces.append(self._resolved(token["inner"], path, location))
            location = (location[0], location[1] + len(token[0]))
        return "".join([*pieces, text[end:]])

    def _resolved(self, inner: str | None, path: tuple[str | int, ...], location: Location) -> str:
        self.interpolated.add(path)
        try:
            return self._resolve(inner)
        except _Unresolved as unresolved:
            self.faulty.add(path)
            problem = self._document.problem(path, str(unresolved))
            self.problems.append(dataclasses.replace(problem, line=location[0], column=location[1]))
            return ""

    def _resolve(self, inner: str | None) -> str:
        if inner is None:
            raise _Unresolved("`${` is not closed on its line, or holds braces; a plain `${` is written `$${`")
        if inner.startswith("file:"):
            return self._secret_file(inner.removeprefix("file:"))
        matched = _NAME.fullmatch(inner)
        if matched is None:
            raise _Unresolved("expected ${NAME}, ${NAME:-default} or ${file:/path}; a plain `${` is written `$${`")
        name, default = matched["name"], matched["default"]
        found = self._environ.get(name)
        if found is None and default is None:
            raise _Unresolved(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return found or default or ""

    def _secret_file(self, name: str) -> str:
        path = self._folder / name
        try:
            with path.open("rb") as stream:
                raw = stream.read(MAX_SECRET_BYTES + 1)
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise _Unresolved(f"{path} is not UTF-8") from None
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "not a usable path"
            raise _Unresolved(f"{path} cannot be read: {reason}") from None
        if len(raw) > MAX_SECRET_BYTES:
            raise _Unresolved(f"{path} is larger than {MAX_SECRET_BYTES} bytes")
        return text.removesuffix("\n").removesuffix("\r")
