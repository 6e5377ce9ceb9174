"""Canned replies: what their texts may say, and what becomes of a button once its text is another one."""

from __future__ import annotations

import pytest

from bridge.errors import TemplateFailed
from bridge.rules.canned import all_canned, canned
from bridge.rules.template_checks import BadTemplate
from bridge.rules.templates import ContactView


def test_a_text_has_the_operator_the_contact_and_what_rules_set() -> None:
    text = canned("hello", "{{ operator }} to {{ contact.name }} in {{ contact.city }}")
    contact = ContactView(name="Ivan", own={"city": "Kazan"})
    assert text.render({"operator": "Anna", "contact": contact}) == "Anna to Ivan in Kazan"


def test_what_no_rule_has_set_is_empty_and_a_text_of_nothing_is_refused() -> None:
    with pytest.raises(TemplateFailed, match="nothing is left"):
        canned("empty", "{{ contact.city }}").render({"contact": ContactView()})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ operatr }}", "no variable `operatr`; did you mean `operator`"),
        ("{{ operator.name }}", "has no fields"),
        ("{{ 'x' * 9 }}", r"\*"),
        ("", "empty"),
    ],
)
def test_a_text_that_cannot_be_used_says_why(text: str, says: str) -> None:
    with pytest.raises(BadTemplate, match=says):
        canned("bad", text)


def test_good_and_bad_ones_are_told_apart() -> None:
    good, bad = all_canned({"hello": "Hello", "bad": "{{ nobody }}"})
    assert (list(good), list(bad)) == (["hello"], ["bad"])


def test_the_mark_changes_with_name_and_text() -> None:
    marks = {canned(name, text).mark for name in ("a", "b") for text in ("one", "two")}
    assert len(marks) == 4
