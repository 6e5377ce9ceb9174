from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.text.folding import analyse, fold

ZWJ = "\u200d"
FAMILY = f"👨{ZWJ}👩{ZWJ}👧"


def first(text: str) -> str | None:
    words = analyse(text).words
    return words[0].folded if words else None


def words(text: str) -> list[str]:
    found = analyse(text)
    return [found.original[word.start : word.end] for word in found.words]


INFO = [
    "ИНФО",
    " ИНФО!",
    "«инфо» 12",
    "Инфо,12",
    "#инфо",
    "+инфо",
    "ИНФО\n12",
    "\tинфо\r\n",
    "инфо.",
    "(инфо)",
    "…инфо…",
]
QUOTED = ["'инфо'", "‘инфо’", "’инфо’", "“инфо”", '"инфо"', "`инфо`", "´инфо´", "„инфо“"]
UNSEEN = [
    "\u200bинфо",
    "ин\u00adфо",
    "ин\u200dфо",
    "инфо\ufe0f",
    "\ufeffинфо",
    "\u202eинфо\u202c",
    "и\u2060нфо",
    "\u034fинфо",
]
SPACED = ["\xa0инфо\xa012", "\u2003инфо\u200912", "инфо\u202812", "инфо\x8512", "\u3000инфо"]


@pytest.mark.parametrize("text", INFO + QUOTED + UNSEEN + SPACED)
def test_texts_with_the_keyword(text: str) -> None:
    assert first(text) == fold("инфо")


@pytest.mark.parametrize("text", ["#info", "+info", "INFO\n12", "ｉｎｆｏ", "𝗜𝗡𝗙𝗢 12", "Ⓘnfo"])
def test_texts_with_a_latin_keyword(text: str) -> None:
    assert first(text) == fold("info")


@pytest.mark.parametrize("text", ["информация", "инфо12", "инфо_12", "неинфо", "ин фо", "ин-фо", "инфо'12", "И́НФО"])
def test_texts_without_the_keyword(text: str) -> None:
    assert first(text) != fold("инфо")


def test_a_hyphen_separates_words() -> None:
    assert words("стоп-кран сорвали") == ["стоп", "кран", "сорвали"]
    assert words("стоп–кран—сорвали‑всё") == ["стоп", "кран", "сорвали", "всё"]


def test_latin_lookalikes_are_the_same_letters() -> None:
    assert first("CTOП!") == first("стоп") == first("СТОП")
    assert fold("РОТ") == fold("POT")
    assert fold("АВЕКМНОРСТУХІЈЅҮ") == fold("abekmhopctyxijsy") == "ABEKMHOPCTYXIJSY"


def test_digits_are_not_folded_into_letters() -> None:
    assert fold("O") != fold("0")
    assert fold("З") != fold("3")


def test_yo_is_ye_in_every_way_to_write_it() -> None:
    assert fold("ёлка") == fold("Елка") == fold("е\u0308лка") == fold("Е\u0308ЛКА") == fold("EЛКА")


def test_a_decomposed_letter_is_the_composed_one() -> None:
    assert fold("и\u0306од") == fold("йод")
    assert first("йод") == first("И\u0306ОД!")
    assert words("и\u0306од 5") == ["и\u0306од", "5"]


def test_an_accent_on_a_lookalike_makes_the_same_letter_in_both_alphabets() -> None:
    assert fold("О\u0301") == fold("O\u0301") == fold("Ó")


@given(st.text(st.sampled_from("аеоуyёЕОЁAEOйӗѐ\u0300\u0301\u0306\u0308")))
def test_composed_and_decomposed_texts_are_the_same(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))


def test_sharp_s_is_two_letters() -> None:
    assert fold("straße") == fold("STRASSE") == fold("STRAẞE")


def test_apostrophes_are_the_same_and_only_count_inside() -> None:
    assert fold("О’Коннор") == fold("О'Коннор") == fold("ОʼКоннор")
    assert words("'rock'n'roll' д'Артаньян '") == ["rock'n'roll", "д'Артаньян"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{FAMILY} привет", [FAMILY, "привет"]),
        ("❤️инфо", ["❤", "инфо"]),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("🇷🇺🇰🇿 да", ["🇷🇺", "🇰🇿", "да"]),
        ("👩\u200d❤️\u200d👨!", ["👩\u200d❤️\u200d👨"]),
        ("🏴\U000e0067\U000e0062\U000e007f", ["🏴\U000e0067\U000e0062\U000e007f"]),
        (f"да{ZWJ}нет", [f"да{ZWJ}нет"]),
    ],
)
def test_an_emoji_cluster_is_a_word_of_its_own(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_family_is_another_word_than_its_first_member_but_a_variation_selector_makes_no_difference() -> None:
    assert first(FAMILY) != first("👨")
    assert first("❤️") == first("❤")


@pytest.mark.parametrize(
    ("text", "count", "rest"),
    [
        ("инфо", 1, ""),
        ("инфо!", 1, ""),
        ("Инфо,12", 1, "12"),
        ("«инфо» 12", 1, "12"),
        ("ЗАКАЗ\n12345\n", 1, "12345"),
        ("заказ: -5", 1, "-5"),
        ("заказ - 5", 1, "5"),
        ("заказ (срочно)", 1, "(срочно)"),
        ("баланс +79001234567", 1, "+79001234567"),
        ("стоп-кран сорвали", 1, "кран сорвали"),
        ("инфо ?", 1, "?"),
        ("инфо😀 12", 1, "😀 12"),
        ("и\u0306од  Ёлка ", 1, "Ёлка"),
        ("7722 голос  Анна", 2, "Анна"),
        ("  всё как есть. ", 0, "всё как есть."),
    ],
)
def test_the_text_after_a_keyword_comes_from_the_original(text: str, count: int, rest: str) -> None:
    assert analyse(text).after(count) == rest


NASTY = st.sampled_from(
    list("👨👩❤🏴🏽🇷🇺\u200d\ufe0f\U000e0067\U000e007f еЁёß’'`´\u00ad\xa0\u1100\u1160\u11a8\u0345\u0308\u0301ᾳŉİıﬁΐ№…¨")
)
ANY_TEXT = st.one_of(st.text(), st.text(NASTY), st.text(st.one_of(st.characters(), NASTY)))


@settings(max_examples=500)
@given(ANY_TEXT)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(max_examples=500)
@given(ANY_TEXT)
def test_words_have_their_positions_in_the_original(text: str) -> None:
    found = analyse(text)
    end = 0
    for word in found.words:
        assert 0 <= word.start < word.end <= len(text)
        assert word.end >= end
        assert word.folded
        end = word.end
    for count in range(len(found.words) + 1):
        assert found.after(count) in text


@given(st.text(st.sampled_from(" \t\n'`abzАЯёЁй59_-,.«»“’\xa0")))
def test_plain_texts_fold_as_all_others(text: str) -> None:
    # A zero-width character behind the text sends it the long way.
    long_way = analyse(text + "\u200b")
    short_way = analyse(text)
    assert short_way.text == long_way.text
    assert short_way.words == long_way.words


ACCENTED = st.text(st.sampled_from("аеоуyёЕОЁAEOй\u0300\u0301\u0306\u0308\u0327"))


@given(st.one_of(ANY_TEXT, ACCENTED))
def test_case_does_not_matter_where_it_is_reversible(text: str) -> None:
    if text.upper().lower() == text.lower() and text.lower().upper() == text.upper():
        assert fold(text.lower()) == fold(text.upper())
