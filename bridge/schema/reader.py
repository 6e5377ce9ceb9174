"""Reads YAML text into a :class:`~bridge.schema.document.Document`.

Every scalar stays text, as it is written: ``+79001234567``, ``no``, ``18:00`` and ``0755`` are not converted.
Duplicate keys, custom tags, further documents and alias bombs are problems, each with its location.

The tree is built from PyYAML's events, one by one. PyYAML's ``compose()`` calls itself for each level, in C and without
a limit: a file of 100,000 brackets (100 kB) ends the process with a segmentation fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import yaml

from bridge.errors import Problem
from bridge.schema.document import Document, Location, Node, Value, path_text

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_ALIASED = 10_000
"""Most values that the aliases of a file may add to it, all together."""

_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_STANDARD = "tag:yaml.org,2002:"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DISCARD = "\0"
"""Replaces a key whose value is read and discarded. No key of a file can contain a NUL."""
_MERGE = "\0<<"

_CLOSING = ('"', "'", "]", "}")

_SYNTAX = (
    (
        "mapping values are not allowed",
        "a `:` in an unexpected place; put a text with `: ` in quotes, or mend the indentation",
    ),
    ("found unexpected end of stream", "the quotes that open here are never closed"),
    (
        "found unknown escape character",
        r"an unknown escape in double quotes; write `\\` for a backslash, or use single quotes",
    ),
    ("did not find expected ',' or", "a list or braces that are not closed, or a comma that is missing"),
    ("did not find expected '-'", "expected another `- ` item here, or the same indentation as above"),
    ("did not find expected key", "does not fit in here; compare the indentation with the lines above"),
    ("could not find expected ':'", "expected `key: value`; a `:` is missing"),
    ("did not find expected node content", "expected a value here; put special characters in quotes"),
    ("found a tab character", "a tab; YAML is indented by spaces"),
    (
        "block sequence entries are not allowed",
        "a `- ` in an unexpected place; put a text that begins with it in quotes, or begin the list on the next line",
    ),
    (
        "did not find expected alphabetic or numeric character",
        "a value cannot begin with `*` or `&`; put it in quotes",
    ),
    (
        "found undefined tag handle",
        "tags (`!…`) are not supported; put a text that begins with `!` in quotes",
    ),
)


class _Stop(Exception):
    """Reading cannot continue. The problem is recorded already."""


@dataclass(slots=True, eq=False)
class _OpenCollection:
    """A mapping or list whose end has not been read yet."""

    node: Node
    anchor: str | None
    is_key: bool
    braces: bool
    key: str | None = None
    key_location: Location = (1, 1)
    repeated: bool = False
    """The mapping already has the key."""
    merged: list[Node] = field(default_factory=list)


def read_file(path: FilePath) -> Document:
    """Read and parse a file. Never raises: a file that is missing or not UTF-8 is a document with a problem."""
    text = read_text(path, str(path))
    return Document(file=str(path), problems=[text]) if isinstance(text, Problem) else read_yaml(text, str(path))


def read_text(path: FilePath, name: str) -> str | Problem:
    """The text of a file, or the problem with it. Never raises.

    :param name: the file in messages.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a usable path"
        return _at(name, (1, 1), f"cannot be read: {reason}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _at(name, (1, 1), "is in UTF-16; save the file as UTF-8")
    if len(raw) > MAX_BYTES:
        return _at(name, (1, 1), f"is larger than {MAX_BYTES // 1_000_000} MB; split it into several files")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        line = before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
        location = (line, len(before[line_start:].decode("utf-8", "replace")) + 1)
        return _at(name, location, "not UTF-8 (Windows-1251, perhaps); save the file as UTF-8")


def read_yaml(text: str, file: str) -> Document:
    """Parse one YAML text whose top is a mapping. Never raises: mistakes are in ``problems`` of the document."""
    text = text.removeprefix("\ufeff")
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return _failed(file, (1, 1), f"is larger than {MAX_BYTES // 1_000_000} MB; split it into several files")
    if (bad := _UNPRINTABLE.search(text)) is not None:
        before = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text[: bad.start()])
        code = f"U+{ord(bad[0]):04X}"
        return _failed(file, (len(before), len(before[-1]) + 1), f"a control character ({code}); delete it")
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        builder.report_syntax_error(error, text)
    except yaml.YAMLError:
        builder.report((1, 1), "not valid YAML")
    except _Stop:
        pass  # recorded where it was raised
    document = Document(file=file, problems=builder.problems, lines=text.splitlines(), faulty=builder.faulty)
    if builder.root is not None:
        document.root = builder.root
        value = builder.root.value
        if isinstance(value, dict):
            document.data = value
        elif value is not None:
            document.problems.append(document.problem((), "expected keys with values at the top, as in `key: value`"))
    return document


def _failed(file: str, location: Location, message: str) -> Document:
    return Document(file=file, problems=[_at(file, location, message)])


def _at(file: str, location: Location, message: str) -> Problem:
    return Problem(file=file, line=location[0], column=location[1], path="", message=message)


def _location(event: yaml.Event) -> Location:
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


class _Builder:
    """Builds the tree from events. Keeps open collections on a stack, so that a deep file needs no recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.faulty: set[tuple[str | int, ...]] = set()
        self.root: Node | None = None
        self._stack: list[_OpenCollection] = []
        self._anchors: dict[str, Node] = {}
        self._aliased = 0
        self._documents = 0

    def feed(self, event: yaml.Event) -> None:
        """Add an event to the tree. Comments, the start of the stream and the ends of documents need nothing."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop(_location(event), "a second document (`---`); one file holds one")

    def report_syntax_error(self, error: yaml.MarkedYAMLError, text: str) -> None:
        """Record a syntax error in our words. PyYAML's message may quote the file, so any quotation is cut off."""
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        said = error.problem or ""
        message = next((words for start, words in _SYNTAX if said.startswith(start)), "")
        source = "".join(text.splitlines()[line - 1 : line])
        if said.startswith("found unexpected end of stream") and error.context_mark is not None:
            line, column = error.context_mark.line + 1, error.context_mark.column + 1
        elif "cannot start any token" in said:
            found = source[column - 1 : column]
            tab = "a tab; YAML is indented by spaces"
            message = tab if found == "\t" else f"a value cannot begin with `{found}`; put it in quotes"
        elif said.startswith("did not find expected key") and (end := source[: column - 1].rstrip()[-1:]) in _CLOSING:
            message = f"something behind the closing `{end}`; put the whole text in quotes, and inside them write «»"
        elif "${" in source[:column] and "flow mapping" in (error.context or ""):
            message = "inside braces a `${…}` must be in quotes"
        self._stack.clear()  # a path means nothing if the structure is broken
        self.report((line, column), message or re.sub(r"['\"].*", "", f"not valid YAML: {said}").strip())

    def report(self, location: Location, message: str, key: str | None = None) -> None:
        """Record a problem of the value that is being read, or of one of its keys."""
        path = path_text([*self._path(), *([] if key is None else [key])])
        self.problems.append(Problem(file=self.file, line=location[0], column=location[1], path=path, message=message))

    def _path(self) -> list[str | int]:
        """The path of the value that is being read."""
        path: list[str | int] = []
        for collection in self._stack:
            if isinstance(collection.node.value, list):
                path.append(len(collection.node.value))
            elif collection.key is not None and collection.key not in {_DISCARD, _MERGE}:
                path.append(collection.key)
        return path

    def _stop(self, location: Location, message: str) -> None:
        self.report(location, message)
        raise _Stop

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node.value, dict) and self._stack[-1].key is None

    def _check_tag(self, event: yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        kind = {yaml.ScalarEvent: "str", yaml.MappingStartEvent: "map"}.get(type(event), "seq")
        if event.tag is not None and event.tag != _STANDARD + kind:
            self.report(_location(event), "tags (`!…`) are not supported; put a text that begins with `!` in quotes")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        if (bad := _UNPRINTABLE.search(event.value)) is not None:
            self.report(_location(event), f"an escape for a control character (U+{ord(bad[0]):04X}); delete it")
        plain = event.implicit[0]
        text: str | None = None if plain and event.value in _NULLS else event.value
        if self._expects_key():
            self._key(event, text, plain)
            return
        node = Node(text, _location(event))
        if plain and event.end_mark is not None:
            node.plain_end = (event.end_mark.line + 1, event.end_mark.column + 1)
        if event.anchor is not None:
            node.anchored = True
            self._anchors[event.anchor] = node
        self._add(node)

    def _key(self, event: yaml.ScalarEvent, text: str | None, plain: bool) -> None:
        top, location = self._stack[-1], _location(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = Node(text, location)
        key = event.value
        if plain and key in {"", "~"}:
            self.report(location, "a key is missing before the `:`")
            key = _DISCARD
        elif plain and key == "<<":
            key = _MERGE
        elif (first := top.node.keys.get(key)) is not None:
            self.report(location, f"duplicate key `{key}`; it stands in line {first[0]} already", key)
            top.repeated = True
        else:
            top.node.keys[key] = location
        top.key, top.key_location = key, location

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._check_tag(event)
        location = _location(event)
        if len(self._stack) >= MAX_DEPTH:
            self._stop(location, f"nested more than {MAX_DEPTH} levels deep")
        is_key = self._expects_key()
        braces = bool(event.flow_style) and isinstance(event, yaml.MappingStartEvent)
        if is_key:
            self.faulty.add(tuple(self._path()))
            outer = self._stack[-1]
            template = braces and outer.braces and outer.node.location == (location[0], location[1] - 1)
            self.report(
                outer.node.location if template else location,
                "a text that begins with `{{` must be in quotes" if template else "a key must be a single word or text",
            )
        value: Value = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_OpenCollection(Node(value, location), event.anchor, is_key, braces))

    def _end(self) -> None:
        done = self._stack.pop()
        for merged in done.merged:
            for key, child in merged.children.items():
                if key not in done.node.children:
                    self._attach(done.node, key, child, merged.keys[key])
        if done.is_key:
            self._stack[-1].key = _DISCARD
            return
        if done.anchor is not None:
            done.node.anchored = True
            self._anchors[done.anchor] = done.node
        self._add(done.node)

    def _alias(self, event: yaml.AliasEvent) -> None:
        location = _location(event)
        node = self._anchors.get(event.anchor or "")
        if node is None:
            self.report(
                location,
                "an alias `*…` without an anchor `&…` before it; put a text that begins with `*` in quotes",
            )
            node = Node(None, location)
            self.faulty.add(tuple(self._path()))
        if self._expects_key():
            self.report(location, "an alias cannot be a key")
            self._stack[-1].key = _DISCARD
            return
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            self._stop(location, f"aliases repeat more than {MAX_ALIASED} values; write them out")
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if isinstance(top.node.value, list):
            self._attach(top.node, len(top.node.value), node, node.location)
            return
        key, top.key = top.key, None
        repeated, top.repeated = top.repeated, False
        if key == _MERGE:
            self._merge(top, node)
        elif repeated and key is not None:
            self._add_repeated(top.node.children.get(key), node)
        elif key is not None and key != _DISCARD:
            self._attach(top.node, key, node, top.key_location)

    def _add_repeated(self, first: Node | None, second: Node) -> None:
        """Add the value of a repeated key to the first value of the key, so that the mistakes in both are found."""
        if first is None or first.anchored:
            return  # the new value may contain the first one by an alias; adding it would make a circle
        for key, child in second.children.items():
            if isinstance(first.value, list) and isinstance(second.value, list):
                self._attach(first, len(first.value), child, second.keys[key])
            elif isinstance(first.value, dict) and isinstance(second.value, dict) and key not in first.children:
                self._attach(first, key, child, second.keys[key])

    def _merge(self, top: _OpenCollection, node: Node) -> None:
        sources = list(node.children.values()) if isinstance(node.value, list) else [node]
        if all(isinstance(source.value, dict) for source in sources):
            top.merged.extend(sources)
        else:
            self.report(top.key_location, "`<<` takes an alias of a mapping, such as `<<: *common`, or a list of such")

    @staticmethod
    def _attach(parent: Node, key: str | int, child: Node, location: Location) -> None:
        parent.children[key] = child
        parent.keys[key] = location
        parent.size += child.size
        if isinstance(parent.value, dict) and isinstance(key, str):
            parent.value[key] = child.value
        elif isinstance(parent.value, list):
            parent.value.append(child.value)
