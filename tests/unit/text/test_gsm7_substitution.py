"""Characters that cost a part and can be done without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text import parts
from bridge.text.gsm7_substitution import costly_characters, with_gsm7_characters

LATIN = "Your order is ready, come to the shop on Main Street until nine in the evening. "
"""More than a part of UCS-2, much less than one of GSM-7."""


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("«Shop»", '"Shop"'),
        ("“Shop” ‘it’s’", "\"Shop\" 'it's'"),
        ("a – b — c − d", "a - b - c - d"),
        ("wait…", "wait..."),
        ("№5 and № 6", "No 5 and No 6"),
        ("5\u00a0km and 6\u202fkm", "5 km and 6 km"),
    ],
)
def test_typographic_characters_are_replaced(written: str, plain: str) -> None:
    assert with_gsm7_characters(LATIN + written) == LATIN + plain


def test_each_costly_character_is_named_once() -> None:
    assert costly_characters("«a» — «b»") == ("«", "»", "—")


@pytest.mark.parametrize(
    "text",
    [
        LATIN,
        "short — text",
        LATIN + "— спасибо",
        LATIN + "— 👍",
        LATIN + "— ç̃",
        "",
    ],
)
def test_a_text_whose_substitution_saves_nothing_stays(text: str) -> None:
    assert with_gsm7_characters(text) is None


@given(st.text(alphabet="abc «»“”„’—–…№\u00a0{}€", max_size=400))
def test_a_substituted_text_costs_less_and_has_nothing_left_to_replace(text: str) -> None:
    plain = with_gsm7_characters(text)
    if plain is not None:
        assert parts.split(plain).encoding == "gsm7"
        assert parts.split(plain).count < parts.split(text).count
        assert with_gsm7_characters(plain) is None
