from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.phones import _normalise, can_be_answered, mask, normalise


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("8 (900) 123-45-67", "79001234567"),
        ("89001234567", "79001234567"),
        ("9001234567", "79001234567"),
        ("+7 900 123-45-67", "79001234567"),
        ("+79001234567", "79001234567"),
        ("79001234567", "79001234567"),
        (" 79001234567\n", "79001234567"),
        ("88005553535", "78005553535"),
        ("٧٩٠٠١٢٣٤٥٦٧", "79001234567"),
        ("＋7 900 123 45 67", "79001234567"),
        ("380501234567", "380501234567"),
        ("375291234567", "375291234567"),
        ("77011234567", "77011234567"),
        ("998901234567", "998901234567"),
        ("70000000000", "70000000000"),
    ],
)
def test_numbers_become_international_digits(raw: str, normal: str) -> None:
    assert normalise(raw, "RU") == normal


@pytest.mark.parametrize("raw", ["900", "1234", "7722", "123456", "SberBank", "Мегафон", "МТС 24", "", "+", "*100#"])
def test_short_numbers_and_names_stay_as_they_are(raw: str) -> None:
    assert normalise(raw, "RU") == raw
    assert normalise(f"  {raw} ", "RU") == raw


def test_the_region_decides_how_a_local_number_is_read() -> None:
    assert normalise("0501234567", "UA") == "380501234567"


def test_bare_digits_of_a_foreign_mobile_are_not_turned_into_a_landline_at_home() -> None:
    assert normalise("84912345678", "RU") == "84912345678"
    assert normalise("+84912345678", "RU") == "84912345678"
    assert normalise("8 (491) 234-56-78", "RU") == "74912345678"


@given(st.one_of(st.text(max_size=60), st.text("0123456789+() -", max_size=25)))
def test_any_sender_can_be_normalised_masked_and_judged(raw: str) -> None:
    normal = normalise(raw, "RU")
    assert isinstance(can_be_answered(normal, [raw]), bool)
    mask(normal)


@given(st.integers(min_value=900_000_0000, max_value=999_999_9999))
def test_normalising_twice_changes_nothing(number: int) -> None:
    once = normalise(str(number), "RU")
    assert normalise(once, "RU") == once


@pytest.mark.parametrize(
    "number", ["SberBank", "900", "1234", "123456", "", "7900123456a", "1234567890123456", "⁷⁹⁰⁰¹²³⁴"]
)
def test_senders_that_cannot_be_answered(number: str) -> None:
    assert not can_be_answered(number, ())


def test_own_numbers_are_not_answered_however_they_are_written() -> None:
    assert not can_be_answered("79001234567", ["+7 (900) 123-45-67"])
    assert not can_be_answered("+79001234567", ["79001234567"])
    assert can_be_answered("79001234568", ["79001234567", "1234"])


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("79990001122", "7999•••1122"),
        ("+7 (999) 000-11-22", "7999•••1122"),
        ("380501234567", "3805•••4567"),
        ("1234567", "12•••67"),
        ("7722", "7•••2"),
        ("12", "•••"),
        ("", "•••"),
        ("SberBank", "SberBank"),
        ("A very long sender's name", "A very long…"),
        ("call 79990001122", "call 7999••…"),
        ("Evil\nline", "Evilline"),
        ("1" * 40, "•••"),
    ],
)
def test_numbers_are_masked_for_logs(number: str, shown: str) -> None:
    assert mask(number) == shown


@given(st.text("0123456789+-() abя", min_size=7, max_size=60))
def test_a_mask_never_shows_a_whole_number(text: str) -> None:
    digits = "".join(char for char in mask(text) if char.isdecimal())
    assert len(digits) <= 10
    whole = "".join(char for char in text if char.isdecimal())
    assert len(whole) < 7 or whole not in mask(text)


@given(st.from_regex(r"79[0-9]{9}", fullmatch=True))
def test_russian_mobiles_are_normalised_as_the_numbering_plan_says(number: str) -> None:
    assert normalise(number, "RU") == _normalise(number, "RU")
