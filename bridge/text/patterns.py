"""Regular expressions of rule authors: linear time (RE2), and ``\\d \\s \\w`` for all of Unicode.

RE2 knows these three for ASCII only, so they are translated. ``\\b`` cannot be translated: it would have to look at the
characters before and after it, which RE2 cannot do. It is refused, like everything else that RE2 lacks, with a message
that says what to write instead. This is the only module that uses RE2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol, cast

import re2

from bridge.value import value_object

MAX_SOURCE: Final = 1000
"""Greatest length of an expression, in characters."""
_MAX_MEMORY: Final = 1 << 20
"""Memory for one expression, in bytes: ``(\\d{1,1000}){1,1000}`` is refused."""
_MAX_SET_MEMORY: Final = 256 << 20
_MAX_PROGRAMS: Final = 100_000
"""Most instructions in one set of expressions. RE2 blocks the interpreter while it compiles a set, for 0.4 to 0.9 µs an
instruction. One set of 10,000 expressions would stop a running service for seconds at a reload; a set of this size
takes less than 0.1 s. Each further set adds 1.5 µs to a search."""

_UNICODE: Final = {"d": r"\p{Nd}", "s": r"\t-\r\x1c- \x{85}\pZ", "w": r"_\pL\pM\pN"}
"""The characters of ``\\d``, ``\\s`` and ``\\w``, as they are written inside brackets."""
_BOUNDARY: Final = (
    r"`\{0}` knows Latin letters only; for a whole word use `contains`, or write `(?:^|[^\pL\pN])` before it and "
    r"`(?:[^\pL\pN]|$)` behind it"
)
_REPEATED: Final = "(what a group found, once more) is not possible in an expression of linear time"
_ESCAPES: Final = {
    "b": _BOUNDARY.format("b"),
    "B": _BOUNDARY.format("B"),
    "Z": r"`\Z` is not known; the end of the text is `$`",
    "u": r"`\u` is not known; write the character itself, or its code as in `\x{43f}`",
    "N": r"`\N` is not known; write the character itself, or its code as in `\x{43f}`",
    "k": rf"`\k` {_REPEATED}",
}
_GROUPS: Final = (
    (("(?=", "(?!", "(?<=", "(?<!"), "looks ahead or back, which is not possible; use `not:` or a second condition"),
    (("(?P=",), _REPEATED),
    (("(?>", "(?("), "is not possible in an expression of linear time"),
    (("(?#",), "(a comment) is not possible; write the comment in YAML, behind a `#`"),
)
_EXPLANATIONS: Final = (
    ("missing )", "a `)` is missing"),
    ("unexpected )", "a `)` without its `(`"),
    ("missing ]", "a `]` is missing"),
    ("no argument for repetition operator", "a `*`, `+` or `?` with nothing before it; the sign itself is `\\*`"),
    ("bad repetition operator", "two repetitions in a row; put the first in `(?:…)`"),
    ("invalid repetition size", "repeats more than 1000 times"),
    ("pattern too large", "becomes too large; repeat fewer times"),
    ("trailing \\", "ends in a `\\`"),
    ("invalid named capture group", "has a group whose name is no name; write letters, digits and `_`"),
    ("invalid character class range", "has a range whose end comes before its beginning"),
    ("invalid escape sequence", "has a `\\` before a letter that means nothing there"),
    ("invalid perl operator", "has a `(?` that means nothing"),
)
"""The beginnings of RE2's messages, and the words for the author of the rule."""


class _Match(Protocol):
    def groupdict(self) -> dict[str, str | None]: ...


class _Regexp(Protocol):
    groupindex: Mapping[str, int]
    programsize: int

    def search(self, text: str) -> _Match | None: ...


class _Set(Protocol):
    def Add(self, pattern: str) -> int: ...
    def Compile(self) -> None: ...
    def Match(self, text: str) -> list[int]: ...


class BadPattern(ValueError):
    """An expression that must not be loaded. The message says what to write instead."""


@value_object
class Pattern:
    source: str
    """The expression as its author wrote it."""
    translated: str
    groups: tuple[str, ...]
    """Names of the named groups."""
    compiled: _Regexp = field(compare=False, repr=False)

    def search(self, text: str) -> dict[str, str] | None:
        """The named groups of the first match; None if the expression fits nowhere.

        A group that took no part is an empty text.
        """
        found = self.compiled.search(encodable(text))
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}

    def always_fits(self) -> bool:
        """Whether the expression fits every text, as ``.*`` does."""
        return self.search("") is not None and self.search("\x01") is not None


def compile_pattern(source: str) -> Pattern:
    """Translates and compiles an expression.

    :raises BadPattern: RE2 lacks a part of it, knows it for Latin letters only, or cannot read it.
    """
    if len(source) > MAX_SOURCE:
        raise BadPattern(f"is longer than {MAX_SOURCE} characters")
    translated = "".join(_translated(encodable(source)))
    try:
        compiled = cast(_Regexp, re2.compile(translated, _options(_MAX_MEMORY)))
    except re2.error as error:
        raise BadPattern(_explained(error)) from None
    index = compiled.groupindex
    return Pattern(
        source=source, translated=translated, groups=tuple(sorted(index, key=index.__getitem__)), compiled=compiled
    )


@value_object
class PatternSet:
    """Many expressions that are searched at once: a thousand take as long as a few."""

    count: int
    compiled: _Set | None

    @classmethod
    def of(cls, patterns: Sequence[Pattern]) -> PatternSet:
        if not patterns:
            return cls(count=0, compiled=None)
        compiled = cast(_Set, re2.Set.SearchSet(_options(_MAX_SET_MEMORY)))
        for pattern in patterns:
            compiled.Add(pattern.translated)
        # RE2 answers "none" when it runs out of memory. An expression that always fits tells this from a true "none".
        compiled.Add("")
        compiled.Compile()
        return cls(count=len(patterns), compiled=compiled)

    def fitting(self, text: str) -> Sequence[int]:
        """Positions of the expressions that fit; all positions if RE2 ran out of memory."""
        if self.compiled is None:
            return ()
        found = self.compiled.Match(encodable(text))
        if self.count not in found:
            return range(self.count)
        return [position for position in found if position != self.count]


@value_object
class PatternSets:
    """Any number of expressions, in sets of limited size."""

    sets: tuple[PatternSet, ...]

    @classmethod
    def of(cls, patterns: Sequence[Pattern]) -> PatternSets:
        groups: list[list[Pattern]] = []
        room = 0
        for pattern in patterns:
            room -= pattern.compiled.programsize
            if room < 0:
                groups.append([])
                room = _MAX_PROGRAMS - pattern.compiled.programsize
            groups[-1].append(pattern)
        return cls(sets=tuple(map(PatternSet.of, groups)))

    def fitting(self, text: str) -> Sequence[int]:
        """Positions of the expressions that fit; all positions of a set if RE2 ran out of memory."""
        found: list[int] = []
        before = 0
        for each in self.sets:
            found += [before + position for position in each.fitting(text)]
            before += each.count
        return found


def encodable(text: str) -> str:
    """The text with a ``?`` for every lone surrogate. RE2 reads UTF-8, which has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _options(memory: int) -> object:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = memory
    return options


def _explained(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return next(
        (words for start, words in _EXPLANATIONS if text.startswith(start)), f"is no regular expression: {text}"
    )


_TOKEN: Final = re.compile(r"\\Q.*?(?:\\E|$)|\\(?s:.)|\(\?(?:P=|P<|<=|<!|[^)])?|\[\^?\]?|\]|(?s:.)", re.DOTALL)


def _translated(source: str) -> Iterator[str]:
    in_class = False
    names: set[str] = set()
    for found in _TOKEN.finditer(source):
        token = found[0]
        if token.startswith("\\") and not token.startswith("\\Q"):
            yield _escape(token, in_class=in_class)
        elif in_class:
            if token.startswith("[") and source.startswith(("[:", "[.", "[="), found.start()):
                raise BadPattern(r"`[:…:]` knows Latin letters only; write `\pL` for letters and `\d` for digits")
            in_class = not token.endswith("]")
            yield token if token == "]" else token.replace("[", r"\[")
        elif token.startswith("["):
            in_class = True
            yield token
        else:
            yield _group(token)
            if token in {"(?P<", "(?<"}:
                name = source[found.end() :].partition(">")[0]
                if name in names:  # RE2 takes the last of them, without a word
                    raise BadPattern(f"has two groups of the name `{name}`")
                names.add(name)


def _escape(token: str, *, in_class: bool) -> str:
    letter = token[1:]
    if letter in _UNICODE:
        return _UNICODE[letter] if in_class else f"[{_UNICODE[letter]}]"
    if letter.lower() in _UNICODE:
        if letter == "D":
            return r"\P{Nd}"
        if in_class:
            raise BadPattern(rf"`\{letter}` between `[` and `]` is not possible; any character is `(?s:.)`")
        return f"[^{_UNICODE[letter.lower()]}]"
    if letter.isdecimal() and letter != "0":
        raise BadPattern(rf"`\{letter}` {_REPEATED}")
    if letter in _ESCAPES:
        raise BadPattern(_ESCAPES[letter])
    return token


def _group(token: str) -> str:
    for starts, words in _GROUPS:
        if token in starts:
            raise BadPattern(f"`{token}` {words}")
    return token
