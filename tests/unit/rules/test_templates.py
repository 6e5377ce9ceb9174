from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import TemplateFailed
from bridge.rules.template_checks import BadTemplate
from bridge.rules.templates import MAX_TEXT, ContactView, Template, Variables, check_names, compile_template
from tests.unit.rules.support import NOW, fired, load, message, refuse


def checked(source: str) -> Template:
    """As a rule without named groups has it."""
    template = compile_template(source)
    check_names(template, groups=(), own=())
    return template


def variables(**other: str) -> Variables:
    return {
        "text": other.get("text", "ЗАКАЗ 12345 срочно"),
        "args": other.get("args", "12345 срочно"),
        "words": tuple(other.get("words", "12345 срочно").split()),
        "sender": "79083730330",
        "receiver": "1234",
        "prefix": "77",
        "date": "2026-03-01 22:15",
        "account": "main",
        "contact": ContactView(name=other.get("name", "Анна")),
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Просто текст, 100 % без {мест}.", "Просто текст, 100 % без {мест}."),
        ("{{ args }} от {{ sender }} на {{ receiver }}", "12345 срочно от 79083730330 на 1234"),
        ("{{ words[0] }}/{{ words[-1] }}/{{ words|length }}", "12345/срочно/2"),
        ("{{ words[1:]|join(', ') }}", "срочно"),
        ("{{ words[5]|default('нет') }}", "нет"),
        ("{{ contact.name|default('друг', true) }}, {{ date }}", "Анна, 2026-03-01 22:15"),
        ("{% if words[0] is defined and words[0]|int > 10 %}да{% else %}нет{% endif %}", "да"),
        ("{% if 'срочно' in words %}срочно{% endif %}", "срочно"),
        ("{% for word in words %}[{{ word|upper }}]{% endfor %}", "[12345][СРОЧНО]"),
        ("{{ text[:5]|lower }}", "заказ"),
        ("{{ 'много' if words|length > 1 else 'одно' }}", "много"),
        ("{{ args ~ '!' }}", "12345 срочно!"),
        ("\n  {{ args }}\n", "12345 срочно"),
        ("a{# замечание #}b", "ab"),
        ("<b> & {{ account }}", "<b> & main"),
    ],
)
def test_what_templates_can_say(source: str, expected: str) -> None:
    assert compile_template(source).render(variables()) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 2000000000 }}",
        "{{ text * 1000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 10 // 3 }}",
        "{% for a in range(1000000000) %}a{% endfor %}",
        "{% for a in words %}{% for b in words %}a{% endfor %}{% endfor %}",
        "{% for a in words %}{% if a %}{% for b in words %}a{% endfor %}{% endif %}{% endfor %}",
        "{% for a in text %}a{% endfor %}",
        "{% for a in words|list %}a{% endfor %}",
        "{% for a, b in words %}a{% endfor %}",
        "{{ text|center(1000000000) }}",
        "{{ text|replace('', text) }}",
        "{{ text|join(text) }}",
        "{{ words|join(text) }}",
        "{{ text.format(1) }}",
        "{{ text.upper() }}",
        "{{ text.__class__ }}",
        "{{ text['__class__'] }}",
        "{{ contact['name'] }}",
        "{{ contact.__class__ }}",
        "{{ contact.phone }}",
        "{{ words[text] }}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ loop }}",
        "{{ [text, text] }}",
        "{{ {'a': 1} }}",
        "{% set a = text ~ text %}{{ a }}",
        "{% macro a() %}{% endmacro %}",
        "{% import 'x' as y %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% block a %}{% endblock %}",
        "{% filter upper %}a{% endfilter %}",
        "{% raw %}a{% endraw %}{{ x }}",
        "{% with a = 1 %}{{ a }}{% endwith %}",
        "{{ text is string }}",
        "{{ text|pprint }}",
        "{{ text|truncate(words|length) }}",
        "{{ call.json.state }}",
        "{{ poll.choice }}",
        "{{ tekst }}",
        "{{ text",
        "{% if text %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"[:3],
        "{{ " + "not " * 500 + "text }}",
        "{{ text }}" + "x" * 9000,
        "x" * (MAX_TEXT + 1),
        "   ",
    ],
)
def test_what_templates_must_not_say(source: str) -> None:
    with pytest.raises(BadTemplate):
        checked(source)


@pytest.mark.parametrize(
    ("source", "instead"),
    [
        ("{{ words }}", "`words | join(' ')`"),
        ("{{ contact }}", "`contact.name`"),
        ("{{ contact.tags }}", "`contact.tags` is a list"),
        ("{{ words[0:1] }}", "`words | join(' ')`"),
        ("{{ words[:2][1:] }}", "`words | join(' ')`"),
        ("{{ words | upper }}", "`words | join(' ')`"),
        ("{{ words | default('нет') }}", "`words | join(' ')`"),
        ("{{ args | default(words) }}", "`words | join(' ')`"),
        ("{{ args or words }}", "`words | join(' ')`"),
        ("{{ words if words else 'нет' }}", "`words | join(' ')`"),
        ("{{ 'нет' if not words else words }}", "`words | join(' ')`"),
        ("{{ 'Слова: ' ~ words }}", "`words | join(' ')`"),
        ("{{ words + words }}", "`words | join(' ')`"),
        ("{% for word in words %}{{ words }}{% endfor %}", "`words | join(' ')`"),
        ("{{ 'срочно' in words }}", "`{% if … %}"),
        ("{{ not words }}", "`{% if … %}"),
        ("{{ words[0] is defined }}", "`{% if … %}"),
        ("{{ args }}\n{{ words }}", "line 2"),
    ],
)
def test_what_is_no_text_is_not_sent_as_python_writes_it(source: str, instead: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        checked(source)
    assert instead in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ words[0] }}", "no `words[0]`; write what stands in for it: `words[0] | default('…')`"),
        ("{{ words[-1] }}", "no `words[-1]`"),
        ("{{ text[500] }}", "no `text[500]`"),
        ("{{ words | first }}", "no first and no last word"),
        ("{{ words[:1] | last }}", "no first and no last word"),
        ("{{ text + 1 }}", "write `~` or `| int`"),
        ("{% if words | length > args %}a{% endif %}", "write `~` or `| int`"),
    ],
)
def test_a_failure_is_told_in_words_and_not_in_those_of_the_library(source: str, words: str) -> None:
    with pytest.raises(TemplateFailed) as caught:
        compile_template(source).render(variables(words="", args=""))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ tekst }}", "did you mean `text`?"),
        ("{{ text|uper }}", "did you mean `upper`?"),
        ("{{ call.json }}", "`call` is not available in this version"),
        ("{{ text * 2 }}", "`*` is not allowed"),
        ("{{ contact.nam }}", "contact.name"),
        ("привет\n\n{{ tekst }}", "line 3"),
        ("{% if words %}x", "write `{% endif %}`"),
        ("{{ words[0] }", "one of the braces is missing"),
        ("до {{ args", "one of the braces is missing"),
    ],
)
def test_a_refusal_says_what_is_wrong(source: str, words: str) -> None:
    with pytest.raises(BadTemplate, match=r".*") as caught:
        checked(source)
    assert words in str(caught.value)


def test_a_text_from_outside_is_data_and_never_a_template() -> None:
    for attack in ("{{ 7 * 7 }}", "{% for a in range(9) %}", "{{ config }}", "{#", "}}"):
        assert compile_template("<{{ text }}>").render(variables(text=attack)) == f"<{attack}>"


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("{{ words[7] }}", {}),
        ("{{ words[0] }}", {"words": ""}),
        ("{{ words[0] + 1 }}", {}),
        ("{% if words < 1 %}{% endif %}", {}),
        ("{{ contact.name }}", {"name": ""}),
        ("{{ args }}", {"args": "  \n "}),
        ("{{ text }}", {"text": "я" * (MAX_TEXT + 1)}),
        ("{% for word in words %}{{ text }}{% endfor %}", {"text": "я" * 1000, "words": "a " * 1000}),
    ],
)
def test_a_text_that_cannot_be_made_fails_as_a_whole(source: str, given: dict[str, str]) -> None:
    template = compile_template(source)
    with pytest.raises(TemplateFailed) as caught:
        template.render(variables(**given))
    assert "срочно" not in str(caught.value)


@given(st.text(max_size=80))
def test_any_source_is_compiled_or_refused(source: str) -> None:
    for text in (source, "{{ " + source + " }}", "{% " + source + " %}"):
        try:
            checked(text)
        except BadTemplate:
            continue


def test_a_failed_template_sends_nothing_and_ends_the_search(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: first, when: {keyword: заказ}, forward: sales, continue: true}
  - {name: broken, when: {keyword: заказ}, reply: "{{ words[0] }}", forward: support, continue: true}
  - {name: last, forward: support}
""",
    )
    done = fired(rules, "заказ")
    assert [one.rule for one in done] == ["first", "broken"]
    assert done[0].error is None
    assert done[1].error
    assert done[1].replies == ()
    assert done[1].forwards == ()
    assert [one.rule for one in fired(rules, "заказ 5")] == ["first", "broken", "last"]


def test_a_failed_note_keeps_the_reply_back_too(tmp_path: Path) -> None:
    rules = load(tmp_path, 'rules: [{name: one, reply: ok, forward: support, note: "{{ words[3] }}"}]')
    (one,) = fired(rules, "x")
    assert one.error
    assert (one.replies, one.forwards) == ((), ())


def test_a_note_of_which_nothing_is_left_is_no_note(tmp_path: Path) -> None:
    rules = load(
        tmp_path, 'rules: [{name: one, when: {keyword: такси}, reply: ok, forward: support, note: "{{ args }}"}]'
    )
    (alone,) = fired(rules, "такси")
    assert alone.error is None
    assert [answer.text for answer in alone.replies] == ["ok"]
    assert [forward.note for forward in alone.forwards] == [""]
    (full,) = fired(rules, "такси Ленина, 5")
    assert [forward.note for forward in full.forwards] == ["Ленина, 5"]


def test_variables_come_from_the_original_message(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        "rules: [{name: one, when: {keyword: заказ}, forward: [support, sales], silent: true, "
        "note: \"{{ args }}|{{ words|join(',') }}|{{ text }}|{{ sender }}|{{ account }}"
        '|{{ date }}|{{ contact.name }}"}]',
    )
    decision = rules.decide(
        message("ЗАКАЗ, Ёлка «O’Нил»", account="main", contact_name="Анна", date="1772402100000"), NOW
    )
    assert [(each.chat, each.silent) for each in decision.fired[0].forwards] == [
        ("support", True),
        ("sales", True),
    ]
    assert decision.fired[0].forwards[0].note == (
        "Ёлка «O’Нил»|Ёлка,O’Нил|ЗАКАЗ, Ёлка «O’Нил»|79083730330|main|2026-03-01 21:55|Анна"
    )


def test_a_reply_carries_its_name_and_time_limit(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: one, reply: ok, sender_name: MyShop, ttl: 10m}]")
    (one,) = fired(rules, "x")
    assert (one.replies[0].text, one.replies[0].sender_name, one.replies[0].ttl) == ("ok", "MyShop", 600_000)


def test_a_bad_template_is_a_problem_at_its_place(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, 'rules:\n  - name: one\n    reply: "{{ tekst }}"\n')
    assert problem.line == 3
    assert "did you mean `text`" in problem.message


def test_a_template_that_nobody_needs_is_freed_at_once(gc_at_rest: None) -> None:
    """A reload lets go of thousands; none of them may wait for the collector, which holds up the whole service."""
    template = compile_template("{% for word in words %}{{ word }} {% endfor %}{{ args }}")
    assert template.render(variables()) == "12345 срочно 12345 срочно"
    compiled = weakref.ref(template.compiled)
    compile_template.cache_clear()
    del template
    assert compiled() is None


@pytest.fixture
def gc_at_rest() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
