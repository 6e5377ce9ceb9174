from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.typos import one_edit_apart, other_layout, without_one_letter


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("byaj", "инфо"),
        ("БНФО", "<YAJ"),
        ("штащ", "info"),
        ("[jxe", "хочу"),
        ("GHBDTN!", "ПРИВЕТ!"),
        ("12", "12"),
        ("`krf", "ёлка"),
    ],
)
def test_the_same_keys_in_the_other_layout(typed: str, meant: str) -> None:
    assert other_layout(typed) == meant


@pytest.mark.parametrize("near", ["ЗАКА", "АКАЗ", "ЗКАЗ", "ЗЗАКАЗ", "ЗАКАЗЫ", "ЗАКОЗ", "ЗАКЗА", "АЗКАЗ"])
def test_one_edit(near: str) -> None:
    assert one_edit_apart("ЗАКАЗ", near)
    assert one_edit_apart(near, "ЗАКАЗ")


@pytest.mark.parametrize("far", ["ЗАКАЗ", "ЗАК", "ЗАКАЗЫВ", "КАЗАЗ", "ЗКААЗЫ", "ЗАКЫЫ", ""])
def test_words_that_are_not_one_edit_apart(far: str) -> None:
    assert not one_edit_apart("ЗАКАЗ", far)
    assert not one_edit_apart(far, "ЗАКАЗ")


WORDS = st.text(list("абв"), max_size=6)


def distance(one: str, other: str) -> int:
    """Edits with swaps of neighbours, by the book."""
    row = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            same = one[i - 1] == other[j - 1]
            row[i][j] = min(row[i - 1][j] + 1, row[i][j - 1] + 1, row[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
                row[i][j] = min(row[i][j], row[i - 2][j - 2] + 1)
    return row[-1][-1]


@given(WORDS, WORDS)
def test_one_edit_agrees_with_a_reference_and_such_words_share_a_shortened_form(one: str, other: str) -> None:
    assert one_edit_apart(one, other) is (distance(one, other) == 1)
    if one_edit_apart(one, other):
        assert set(without_one_letter(one)) & set(without_one_letter(other))
