"""Text from outside is made safe to show, and cut without losing anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.telegram.client.message import clean, one_line, pieces, units

FAMILY = "👨‍👩‍👧"


DIRECTION = ["\u202e", "\u202a", "\u2066", "\u2069", "\u200f", "\u200e", "\u061c"]
INVISIBLE = ["\u200b", "\ufeff", "\x00", "\x07", "\x1b", "\x7f", "\ud800"]


@pytest.mark.parametrize("hostile", DIRECTION + INVISIBLE)
def test_controls_and_direction_marks_are_stripped(hostile: str) -> None:
    assert clean(f"a{hostile}b") == "ab"


def test_ordinary_text_stays() -> None:
    for text in (FAMILY, "строка\nдругая\tтабуляция", "é e\u0301 ü", "❤️", "می\u200cخواهم", "שלום", "№ «» — …"):
        assert clean(text) == text
    assert clean("a\r\nb\rc") == "a\nb\nc"


def test_names_cannot_break_the_line() -> None:
    assert one_line("Иван\n+7 900\u202e 1") == "Иван +7 900 1"
    assert one_line("x" * 200, 10) == "x" * 9 + "…"


def test_lengths_are_utf16_units() -> None:
    assert units("a😀") == 3


@given(st.text(min_size=0, max_size=400), st.integers(min_value=8, max_value=64))
def test_nothing_is_lost_by_cutting(text: str, room: int) -> None:
    found = list(pieces(text, room))
    assert "".join(found) == text
    assert all(units(piece) <= room for piece in found)
    assert all(found) or text == ""


def test_a_cut_keeps_words_and_emoji_whole() -> None:
    assert list(pieces("раз два три четыре", 10)) == ["раз два ", "три четыре"]
    first, second = pieces("x" * 17 + FAMILY + "y", 20)
    assert (first, second) == ("x" * 17, FAMILY + "y")
