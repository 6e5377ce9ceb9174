from __future__ import annotations

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.parts import split

EXTENDED = "€[]{}|^~\\"


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", "gsm7", 0, 1),
        ("Hello", "gsm7", 5, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("€" * 80, "gsm7", 160, 1),
        ("€" * 81, "gsm7", 162, 2),
        ("привет", "ucs2", 6, 1),
        ("я" * 70, "ucs2", 70, 1),
        ("я" * 71, "ucs2", 71, 2),
        ("я" * 134, "ucs2", 134, 2),
        ("я" * 135, "ucs2", 135, 3),
        ("😀" * 35, "ucs2", 70, 1),
        ("😀" * 36, "ucs2", 72, 2),
        ("line\r\nline", "gsm7", 10, 1),
    ],
)
def test_parts_at_the_borders(text: str, encoding: str, units: int, count: int) -> None:
    parts = split(text)
    assert (parts.encoding, parts.units, parts.count) == (encoding, units, count)


@pytest.mark.parametrize("char", list(EXTENDED))
def test_extension_characters_cost_two(char: str) -> None:
    assert split(char).units == 2
    assert split(char).encoding == "gsm7"


def test_an_escape_pair_is_not_cut_over_a_border() -> None:
    # 152 septets, then a pair: the pair moves to the second part, and 153 + 153 septets no longer hold the rest.
    assert split("a" * 152 + "€" + "a" * 152).count == 3
    assert split("a" * 151 + "€" + "a" * 153).count == 2


def test_a_surrogate_pair_is_not_cut_over_a_border() -> None:
    assert split("я" * 66 + "😀" + "я" * 66).count == 3
    assert split("я" * 65 + "😀" + "я" * 67).count == 2


def test_characters_that_force_ucs2_are_named_once_and_in_order() -> None:
    assert split("Order № 5 «new» – № ç").ucs2_characters == ("№", "«", "»", "–", "ç")
    assert split("Order [5] {new} €").ucs2_characters == ()


def test_the_escape_character_itself_is_no_letter_of_the_alphabet() -> None:
    assert split("\x1b").encoding == "ucs2"


def test_half_a_surrogate_pair_is_counted_and_does_not_raise() -> None:
    assert split("\ud83d").units == 1


GSM = [chr(code) for code in range(0x20, 0x7B) if chr(code) not in "`"] + list("@£$¥èéùìòÇØøÅåΔΦΓΛΩÆæßÉ¤¡ÄÖÑÜ§¿äöñüà")


@given(st.text(st.sampled_from(GSM + list(EXTENDED)), max_size=700))
def test_gsm_texts_split_as_another_implementation_splits_them(text: str) -> None:
    theirs = smsutil.split(text)
    ours = split(text)
    assert ours.encoding == "gsm7"
    assert ours.units == theirs.total_bytes
    assert ours.count == max(len(theirs.parts), 1)


@given(st.text(st.sampled_from("абвЯё№«»– 1a€😀👨"), max_size=400).map(lambda text: text + "ж"))
def test_ucs2_texts_split_as_another_implementation_splits_them(text: str) -> None:
    theirs = smsutil.split(text)
    ours = split(text)
    assert ours.encoding == "ucs2"
    assert ours.units * 2 == theirs.total_bytes
    assert ours.count == len(theirs.parts)


@given(st.text(max_size=600))
def test_a_text_is_never_shorter_than_its_parts_say(text: str) -> None:
    parts = split(text)
    single, part = (160, 153) if parts.encoding == "gsm7" else (70, 67)
    assert parts.units <= (single if parts.count == 1 else part * parts.count)
    assert parts.count == 1 or parts.units > single
    assert bool(parts.ucs2_characters) == (parts.encoding == "ucs2")
