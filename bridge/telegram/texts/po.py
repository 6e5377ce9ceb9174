"""Compiles gettext's ``.po`` files: when a wheel is built (``hatch_build.py``), and at the start in a checkout.

Knows only what the catalogues need: comments, msgid, msgid_plural, msgstr, msgstr[n], and strings over several lines.
Anything else is an error. Imports nothing of this program, because the build runs it alone.
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r'(msgid|msgid_plural|msgstr|msgstr\[(\d)\])\s+(".*")')


@dataclass(slots=True)
class Entry:
    msgid: str
    plural: str | None = None
    texts: list[str] = field(default_factory=list)


def parsed(source: str) -> dict[str, Entry]:
    """The entries by msgid. :raises ValueError: with the line number, for what is not understood or occurs twice."""
    entries: dict[str, Entry] = {}
    entry: Entry | None = None
    target = ""
    for number, raw in enumerate(source.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        keyword, text = (found[1], _string(found[3])) if found else ("", _string(line))
        if keyword == "msgid":
            if text in entries:
                raise ValueError(f"line {number}: {text!r} occurs twice")
            entry = entries[text] = Entry(msgid=text)
        elif entry is None:
            raise ValueError(f"line {number}: no msgid before this")
        elif keyword == "msgid_plural":
            entry.plural = text
        elif keyword:
            if int(found[2] or 0) != len(entry.texts) if found else True:
                raise ValueError(f"line {number}: plural forms out of order")
            entry.texts.append(text)
        elif target == "msgid" or not entry.texts:
            raise ValueError(f"line {number}: an id must stand on one line")
        else:
            entry.texts[-1] += text
        target = keyword or target
    return entries


def compiled(entries: Mapping[str, Entry]) -> bytes:
    """The binary form that the standard library's gettext reads."""
    pairs = sorted(
        (
            (entry.msgid if entry.plural is None else f"{entry.msgid}\0{entry.plural}").encode(),
            "\0".join(entry.texts).encode(),
        )
        for entry in entries.values()
    )
    tables = 28
    offset = tables + 16 * len(pairs)
    keys: list[bytes] = []
    values: list[bytes] = []
    blob = b""
    for column, table in ((0, keys), (1, values)):
        for pair in pairs:
            table.append(struct.pack("<II", len(pair[column]), offset + len(blob)))
            blob += pair[column] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), tables, tables + 8 * len(pairs), 0, 0)
    return header + b"".join(keys) + b"".join(values) + blob


def _string(quoted: str) -> str:
    try:
        value = ast.literal_eval(quoted)
    except (SyntaxError, ValueError):
        value = None
    if not isinstance(value, str):
        raise ValueError(f"not a quoted string: {quoted}")
    return value
