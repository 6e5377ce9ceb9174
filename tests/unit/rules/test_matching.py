from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rules import RuleSet
from tests.unit.rules.support import NOW, fired, load, message, reply, winner

INFO = """
rules:
  - name: info
    when: {keyword: [инфо, info]}
    reply: "[{{ args }}]"
  - name: stop
    when: {keyword: [стоп, stop], only: true}
    reply: Вы отписаны.
  - name: rest
    forward: support
"""


@pytest.fixture
def info(tmp_path: Path) -> RuleSet:
    return load(tmp_path, INFO)


@pytest.mark.parametrize(
    ("text", "args"),
    [
        (" ИНФО!", "[]"),
        ("«инфо» 12", "[12]"),
        ("Инфо,12", "[12]"),
        ("#info", "[]"),
        ("+info", "[]"),
        ("INFO\n12", "[12]"),
        ("‘Инфо’ Ёлка ", "[Ёлка]"),
        ("\xa0ин\u00adфо\xa0 12", "[12]"),
    ],
)
def test_the_keyword_is_found_and_what_follows_is_original(info: RuleSet, text: str, args: str) -> None:
    assert winner(info, text) == "info"
    assert reply(info, text) == args


@pytest.mark.parametrize("text", ["информация", "инфо12", "дай инфо", "", "!!!", "👨‍👩‍👧 инфо"])
def test_another_first_word_is_not_the_keyword(info: RuleSet, text: str) -> None:
    assert winner(info, text) == "rest"


@pytest.mark.parametrize("text", ["стоп", "CTOП!", "«Стоп».", "СТОП ?!", "stop"])
def test_a_keyword_alone(info: RuleSet, text: str) -> None:
    assert winner(info, text) == "stop"


@pytest.mark.parametrize("text", ["стоп-кран сорвали", "стоп 12345", "стоп 👍", "стопкран"])
def test_a_keyword_that_must_stand_alone_does_not(info: RuleSet, text: str) -> None:
    assert winner(info, text) == "rest"


def test_files_in_name_order_and_rules_in_file_order_the_first_match_wins(tmp_path: Path) -> None:
    rule = "rules: [{{name: {}, reply: {}}}]"
    (tmp_path / "20.yaml").write_text(rule.format("second", "b"))
    (tmp_path / "10.yml").write_text(rule.format("first", "a"))
    (tmp_path / ".hidden.yaml").write_text("rules: [")
    (tmp_path / "notes.txt").write_text("rules: [")
    rules = load(tmp_path, rule.format("third", "c"), file="30.yaml")
    assert [rule.name for rule in rules.rules] == ["first", "second", "third"]
    assert winner(rules, "x") == "first"


def test_continue_runs_on_and_keeps_the_order_over_indexed_and_other_rules(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: a, when: {keyword: заказ}, forward: sales, continue: true}
  - {name: b, forward: night, continue: true}
  - {name: c, when: {prefix: "77", keyword: заказ}, forward: support, continue: true}
  - {name: d, when: {prefix: "77"}, forward: support, continue: true}
  - {name: e, when: {contains: [срочно, как можно скорее]}, forward: support, continue: true}
  - {name: f, when: {keyword: [заказ, "77"]}, reply: ok}
  - {name: g, forward: support}
""",
    )
    assert [one.rule for one in fired(rules, "заказ")] == ["a", "b", "f"]
    assert [one.rule for one in fired(rules, "77 заказ срочно")] == ["b", "c", "d", "e", "f"]
    assert [one.rule for one in fired(rules, "вопрос")] == ["b", "g"]


def test_a_disabled_rule_does_nothing(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: a, enabled: false, reply: x}, {name: b, drop: true}]")
    assert winner(rules, "x") == "b"
    assert fired(rules, "x")[0].drop


def test_nothing_matches(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: a, when: {keyword: x}, reply: x}]")
    decision = rules.decide(message("y"), NOW)
    assert decision.fired == ()
    assert decision.rules_version == rules.version


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("где мой заказ?", "one"),
        ("ГДЕ  МОЙ—ЗАКАЗ", "one"),
        ("где заказ мой", "rest"),
        ("никогда не возврат!", "one"),
        ("возвратите", "rest"),
        ("Ещё", "one"),
        ("24/7?", "one"),
    ],
)
def test_contains_finds_words_and_phrases_at_word_boundaries(tmp_path: Path, text: str, name: str) -> None:
    rules = load(
        tmp_path,
        "rules: [{name: one, when: {contains: [мой заказ, возврат, еще, 24/7]}, reply: x}, {name: rest, drop: true}]",
    )
    assert winner(rules, text) == name


@pytest.mark.parametrize(
    ("pattern", "sender", "matches"),
    [
        ("8 (900) 123-45-67", "79001234567", True),
        ("+79001234567", "79001234567", True),
        ("79001234567", "79001234568", False),
        ("7908*", "79083730330", True),
        ("+7908*", "79083730330", True),
        ("7908*", "7908", True),
        ("7908*", "79183730330", False),
        ("*0330", "79083730330", True),
        ("79*33*0", "79083730330", True),
        ("790837303*0330", "79083730330", False),
        ("+7", "79083730330", True),
        ("+7", "77011234567", True),
        ("+7", "7722", False),
        ("+7", "380501234567", False),
        ("+375", "375291234567", True),
        ("7722", "7722", True),
        ("vip", "79001112233", True),
        ("vip", "79081112233", True),
        ("vip", "79001112234", False),
        ("banks", "SBERBANK", True),
        ("banks", "900", True),
        ("banks", "SberBank2", False),
    ],
)
def test_numbers(tmp_path: Path, pattern: str, sender: str, matches: bool) -> None:
    rules = load(tmp_path, f'rules: [{{name: one, when: {{from: "{pattern}"}}, reply: x}}, {{name: rest, drop: true}}]')
    assert (winner(rules, sender=sender) == "one") is matches


def test_a_pattern_of_many_stars_and_a_long_sender_cost_no_time_that_grows(tmp_path: Path) -> None:
    rules = load(tmp_path, f'rules: [{{name: one, when: {{from: "{"1*" * 100}2"}}, reply: x}}]')
    assert winner(rules, sender="1" * 60_000) is None


def test_the_number_written_to_is_normalised_on_both_sides(tmp_path: Path) -> None:
    rules = load(tmp_path, 'rules: [{name: one, when: {to: ["8 900 123-45-67", "1234"]}, reply: x}]')
    assert winner(rules, receiver="+79001234567") == "one"
    assert winner(rules, receiver="89001234567") == "one"
    assert winner(rules, receiver="1234") == "one"
    assert winner(rules, receiver="12345") is None


def test_the_account_it_came_by(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: one, when: {account: [main, second]}, reply: x}]")
    assert winner(rules, account="second") == "one"
    assert winner(rules, account="") is None


def test_all_conditions_of_a_rule_must_hold(tmp_path: Path) -> None:
    rules = load(tmp_path, 'rules: [{name: one, when: {keyword: инфо, from: "7908*", account: main}, reply: x}]')
    assert winner(rules, "инфо", account="main") == "one"
    assert winner(rules, "инфо", account="second") is None
    assert winner(rules, "инфо", account="main", sender="79001234567") is None
    assert winner(rules, "адрес", account="main") is None


def test_the_version_changes_with_any_byte_and_only_then(tmp_path: Path) -> None:
    one = load(tmp_path, INFO).version
    assert load(tmp_path, INFO).version == one
    assert load(tmp_path, INFO + "# x").version != one


def test_a_keyword_among_many(tmp_path: Path) -> None:
    many = "".join(f"  - {{name: r{n}, when: {{keyword: слово{n}}}, reply: ответ{n}}}\n" for n in range(500))
    rules = load(tmp_path, f"rules:\n{many}  - {{name: rest, forward: support}}\n")
    assert reply(rules, "Слово499!") == "ответ499"
    assert winner(rules, "слово500") == "rest"


ODD = st.sampled_from(list("инфоСTOП7722 '’\u200d👨❤\ufe0f{{}}%\n\xa0-,"))


@settings(max_examples=300)
@given(
    text=st.one_of(st.text(), st.text(ODD)),
    prefix=st.one_of(st.just(""), st.text(max_size=5), st.just("7722")),
    sender=st.text(max_size=20),
    date=st.integers(min_value=-(2**63), max_value=2**63),
)
def test_no_message_makes_deciding_fail(
    tmp_path_factory: pytest.TempPathFactory, text: str, prefix: str, sender: str, date: int
) -> None:
    rules = _hostile(tmp_path_factory)
    decision = rules.decide(message(text, prefix=prefix, sender=sender, date=str(date)), NOW)
    assert decision.fired
    for one in decision.fired:
        if one.rule in ("all", "prefixed", "word") and one.replies:
            args = one.replies[0].text.removeprefix("<").removesuffix(">")
            assert args in text


_LOADED: list[RuleSet] = []


def _hostile(factory: pytest.TempPathFactory) -> RuleSet:
    """Loaded once: hypothesis runs the test many times."""
    if not _LOADED:
        _LOADED.append(
            load(
                factory.mktemp("rules"),
                """
rules:
  - {name: word, when: {keyword: [инфо, стоп, "👨", "7722"]}, reply: "<{{ args }}>", continue: true}
  - {name: prefixed, when: {prefix: "7722"}, reply: "<{{ args }}>", continue: true}
  - name: numbers
    when: {from: ["+7", "79*1*2", vip, banks]}
    reply: "{{ words[0]|default('-') }} {{ date }}"
    continue: true
  - {name: all, reply: "<{{ args }}>"}
""",
            )
        )
    return _LOADED[0]
