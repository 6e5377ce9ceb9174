from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model.base import HOUR
from bridge.model.contact import RuleCounter
from bridge.rules import RuleSet
from bridge.rules.context import ContactFacts, Uses
from tests.unit.rules.support import NOW, load, message, refuse, reply, winner


def rule(directory: Path, when: str, answer: str = "x") -> RuleSet:
    one = f"{{name: one, when: {{{when}}}, reply: '{answer}'}}"
    return load(directory, f"rules: [{one}, {{name: rest, drop: true}}]")


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("expression", "text", "matches"),
    [
        (r"\d{2}:\d{2}", "завтра в 12:30?", True),
        (r"^\d{2}:\d{2}$", " 12:30\n", True),
        (r"^\d{2}:\d{2}$", "завтра в 12:30", False),
        ("ЗАКАЗ", "мой заказ", True),
        ("^7722", "7722 заказ", True),
    ],
)
def test_an_expression_is_asked_of_the_original_text(tmp_path: Path, expression: str, text: str, matches: bool) -> None:
    rules = rule(tmp_path, f'text: "{expression}"'.replace("\\", "\\\\"))
    assert (winner(rules, text) == "one") is matches


def test_behind_its_prefix_a_rule_asks_an_expression_of_the_rest(tmp_path: Path) -> None:
    rules = rule(tmp_path, r"prefix: '7722', text: '^(?P<who>\pL+)$'", "{{ who }}")
    assert reply(rules, "7722 Анна") == "Анна"
    assert reply(rules, "Анна", prefix="7722") == "Анна"
    assert winner(rules, "Анна") == "rest"
    assert winner(rules, "77 Анна") == "rest"


def test_args_are_what_follows_the_keyword_and_groups_become_variables(tmp_path: Path) -> None:
    rules = rule(
        tmp_path,
        r"keyword: [заказ, order], args: '^№?(?P<number>\d+)(?P<rest>\s.*)?$'",
        "{{ number }}{% if rest %} +{% endif %} <{{ args }}>",
    )
    assert reply(rules, "Заказ №12345") == "12345 <№12345>"
    assert reply(rules, "ORDER 12345 срочно") == "12345 + <12345 срочно>"
    assert winner(rules, "заказ срочно 12345") == "rest"
    assert winner(rules, "12345") == "rest"


def test_many_expressions_decide_in_the_order_of_the_files(tmp_path: Path) -> None:
    lines = [rf"  - {{name: r{n}, when: {{text: 'слово{n:03}\d'}}, reply: x}}" for n in range(300)]
    rules = load(tmp_path, "\n".join(["rules:", *lines, "  - {name: rest, drop: true}"]))
    assert winner(rules, "тут слово2991 и слово1455") == "r145"
    assert winner(rules, "слово2991") == "r299"
    assert winner(rules, "слово") == "rest"


# ---------------------------------------------------------------- typing mistakes

FORGIVING = """
rules:
  - {name: info, when: {keyword: [инфо, хочу, "7722"], glued: true, layout: true}, reply: "<{{ args }}>"}
  - {name: order, when: {keyword: [заказ, меню], typo: 1}, reply: "<{{ args }}>"}
  - {name: orders, when: {keyword: заказы, only: true}, reply: orders}
  - {name: off, enabled: false, when: {keyword: зказ}, reply: off}
  - {name: rest, drop: true}
"""


@pytest.fixture
def forgiving(tmp_path: Path) -> RuleSet:
    return load(tmp_path, FORGIVING)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("инфо12", "<12>"),
        ("ИНФО12, срочно", "<12, срочно>"),
        ("7722голос Анна", "<голос Анна>"),
        ("byaj 12", "<12>"),
        ("Byaj!", "<>"),
        ("«byaj» 12", "<12>"),
        ("[jxe 5", "<5>"),
        ("byaj,12 3", "<12 3>"),
        ("заказ 5", "<5>"),
        ("закз 5", "<5>"),
        ("зказ 5", "<5>"),
        ("закаыз 5", "<5>"),
        ("ЗАКЗА, 5", "<5>"),
        ("3акaз 5", "<5>"),
        ("инфоблок", None),
        ("инфо_12", None),
        ("менюю", None),
        ("закызы", None),
        ("заказы 5", None),
        ("заказы", "orders"),
    ],
)
def test_typos_are_forgiven_where_the_rule_says_so(forgiving: RuleSet, text: str, expected: str | None) -> None:
    assert reply(forgiving, text) == expected


def test_only_means_alone_also_with_a_typing_mistake(tmp_path: Path) -> None:
    rules = rule(tmp_path, "keyword: [стопа, инфо], only: true, glued: true, typo: 1, layout: true")
    assert [winner(rules, text) for text in ("стоп", "стоппа!", "byaj", "инфо")] == ["one"] * 4
    assert [winner(rules, text) for text in ("стоп кран", "byaj 1", "инфо1")] == ["rest"] * 3


def test_a_keyword_of_any_rule_also_within_not_is_never_taken_for_a_typo(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: order, when: {keyword: заказ, typo: 1}, reply: x}
  - {name: other, when: {contains: x, not: {any: [{keyword: заказы}]}}, reply: x}
  - {name: prefixed, when: {prefix: "77", keyword: закат}, reply: x}
  - {name: rest, drop: true}
""",
    )
    assert winner(rules, "заказа") == "order"
    assert winner(rules, "заказы") == "rest"
    assert winner(rules, "закат") == "rest"


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("keyword: да, typo: 1", "5 letters or more"),
        ("keyword: '12345', typo: 1", "5 letters or more"),
        ("keyword: '12', layout: true", "needs a keyword with letters"),
        ("contains: x, glued: true", "needs a `keyword` beside it"),
        ("keyword: x, any: [{layout: true}]", "needs a `keyword` beside it"),
        ("contains: x, args: x", "for the whole text use `text`"),
        ("keyword: заказ, typo: 2", "expected 1"),
    ],
)
def test_typing_mistakes_that_cannot_be_forgiven(tmp_path: Path, when: str, words: str) -> None:
    problems = refuse(tmp_path, f"rules: [{{name: a, when: {{{when}}}, reply: x}}]")
    assert any(words in one.message for one in problems)


# ---------------------------------------------------------------- any, all, not


def test_conditions_within_each_other(tmp_path: Path) -> None:
    rules = rule(
        tmp_path,
        "account: main, not: {from: '79001112233'},"
        "any: [{keyword: отмена}, {all: [{keyword: заказ}, {not: {only: true}}]}]",
        "{{ args }}!",
    )
    assert reply(rules, "отмена 5", account="main") == "5!"
    assert reply(rules, "заказ 5", account="main") == "5!"
    assert winner(rules, "заказ", account="main") == "rest"
    assert winner(rules, "отмена", account="second") == "rest"
    assert winner(rules, "отмена", account="main", sender="79001112233") == "rest"


def test_in_any_the_first_that_holds_says_what_is_found(tmp_path: Path) -> None:
    rules = rule(
        tmp_path,
        r"any: [{keyword: заказ, args: '(?P<n>\d+)'}, {keyword: заказ, args: '(?P<w>\pL+)'}, {text: '(?P<n>#)'}]",
        "{{ n }}/{{ w }}/{{ args }}",
    )
    assert reply(rules, "заказ 5 шт") == "5//5 шт"
    assert reply(rules, "заказ шт") == "/шт/шт"
    assert reply(rules, "дом #5") == "#//дом #5"


def test_what_a_condition_that_must_not_hold_finds_is_forgotten(tmp_path: Path) -> None:
    rules = rule(tmp_path, r"text: '(?P<n>\d)', not: {text: '(?P<n>\d)x'}", "{{ n }}")
    assert reply(rules, "5") == "5"
    assert winner(rules, "5x") == "rest"


def test_a_rule_that_is_found_in_two_ways_fires_once(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        "rules: [{name: a, when: {any: [{keyword: x}, {contains: [x, y]}, {text: x}]}, forward: sales, continue: true},"
        " {name: rest, reply: x}]",
    )
    assert [one.rule for one in rules.decide(message("x y"), NOW).fired] == ["a", "rest"]


def test_a_condition_may_be_nested_eight_levels_deep_and_no_deeper(tmp_path: Path) -> None:
    def nested(depth: int) -> str:
        return "not: {" * depth + "keyword: x" + "}" * depth

    assert winner(rule(tmp_path, nested(8)), "x") == "one"
    (problem,) = refuse(tmp_path, f"rules: [{{name: a, when: {{{nested(9)}}}, reply: x}}]")
    assert "nested more than 8 levels deep" in problem.message


# ---------------------------------------------------------------- the sender


@pytest.mark.parametrize(
    ("condition", "facts", "matches"),
    [
        ("first_time", ContactFacts(first_time=True), True),
        ("first_time", ContactFacts(), False),
        ("opted_out", ContactFacts(opted_out=True), True),
        ("blocked", ContactFacts(opted_out=True), False),
        ("{tag: vip}", ContactFacts(tags=("vip", "old")), True),
        ("{tag: [vip, old]}", ContactFacts(tags=("old",)), True),
        ("{tag: VIP, blocked: false}", ContactFacts(tags=("vip",), blocked=True), False),
        ("{first_time: false}", ContactFacts(), True),
    ],
)
def test_what_is_known_of_the_sender(tmp_path: Path, condition: str, facts: ContactFacts, matches: bool) -> None:
    rules = rule(tmp_path, f"contact: {condition}")
    decided = rules.decide(replace(message("x"), contact=facts), NOW)
    assert (decided.fired[0].rule == "one") is matches


def test_whether_a_person_is_writing_with_the_sender(tmp_path: Path) -> None:
    for condition, names in (("open", ["rest", "one"]), ("none", ["one", "rest"])):
        rules = rule(tmp_path, f"conversation: {condition}")
        asked = [replace(message("x"), conversation_open=is_open) for is_open in (False, True)]
        assert [rules.decide(one, NOW).fired[0].rule for one in asked] == names


def test_a_limit_holds_for_a_sender_and_for_all_in_the_time_up_to_now(tmp_path: Path) -> None:
    rules = rule(tmp_path, "limit: {per_sender: 2 per hour, total: 5 per day}")
    assert rules.counting.sender == HOUR
    assert dict(rules.counting.totals) == {"one": 24 * HOUR}

    def decided(*times: int, total: int = 0) -> str:
        uses = Uses(by_sender={("one", RuleCounter.MATCH): times}, totals={"one": total})
        (fired,) = rules.decide(replace(message("x"), uses=uses), NOW).fired
        assert fired.counted == ((RuleCounter.MATCH,) if fired.rule == "one" else ())
        return fired.rule

    assert decided() == "one"
    assert decided(NOW - 1, NOW - HOUR) == "one"
    assert decided(NOW - 1, NOW - HOUR + 1) == "rest"
    assert decided(total=4) == "one"
    assert decided(total=5) == "rest"


def test_a_limit_without_a_number_says_nothing(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, "rules: [{name: a, when: {limit: {}}, reply: x}]")
    assert "says nothing; write `per_sender" in problem.message
