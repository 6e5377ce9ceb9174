"""A text is a note if its first line looks like one."""

from __future__ import annotations

import pytest

from bridge.telegram.notes import Notes


@pytest.mark.parametrize(
    "text", ["//", "// he lies", "//he lies", "  // he lies", "\u200b// x", "// a\nb", ".", ". a", ".a"]
)
def test_notes(text: str) -> None:
    assert Notes("//").is_note(text)


@pytest.mark.parametrize("text", ["", "a // b", "a.", "...", "..a", "…", "/ /", "http://x", "a\n// b", "a\n.b"])
def test_texts(text: str) -> None:
    assert not Notes("//").is_note(text)


@pytest.mark.parametrize("text", ["a\n// b", "a\n\n  .b", "a\nb\n//", "a\r\n//b", "a\u2028//b"])
def test_a_later_line_that_looks_like_a_note(text: str) -> None:
    assert Notes("//").inside(text)


@pytest.mark.parametrize("text", ["a", "a\nb // c", "a\n...b", "a\nhttp://x", "a\n", ""])
def test_later_lines_that_do_not(text: str) -> None:
    assert not Notes("//").inside(text)


def test_a_configured_mark_works_beside_the_dot() -> None:
    notes = Notes("##")
    assert notes.is_note("## a")
    assert notes.is_note(". a")
    assert not notes.is_note("// a")
