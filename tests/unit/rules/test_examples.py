from __future__ import annotations

from pathlib import Path

import pytest

from bridge.rules import RuleContext, load_rules
from tests.unit.rules.support import fired, load, refuse, reply, winner

RULES = """
rules:
  - {name: stop, when: {keyword: стоп, only: true}, reply: Вы отписаны.}
  - {name: order, when: {keyword: заказ}, reply: "{{ words[0] }}"}
  - {name: vip, when: {prefix: "77", from: "8908*"}, forward: sales, continue: true}
  - {name: rest, forward: support}
tests:
"""


@pytest.mark.parametrize(
    "test",
    [
        '{name: t, sms: {from: "79083730330", text: "CTOП!"}, expect: {rule: stop, reply: Вы отписаны., parts: 1}}',
        "{name: t, sms: {text: стоп-кран}, expect: {rule: rest, no_reply: true, forward: support, parts: 0}}",
        "{name: t, sms: {text: заказ 5 штук}, expect: {reply_contains: '5'}}",
    ],
)
def test_a_test_that_holds(tmp_path: Path, test: str) -> None:
    assert load(tmp_path, f"{RULES}  - {test}\n")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("{name: t, sms: {text: стоп}, expect: {rule: rest}}", "the rule is `stop`, not `rest`"),
        ("{name: t, sms: {text: стоп}, expect: {reply: Нет}}", "the reply is `Вы отписаны.`"),
        ("{name: t, sms: {text: стоп}, expect: {reply_contains: [Вы, Нет]}}", "`Нет` is not in the reply"),
        ("{name: t, sms: {text: стоп}, expect: {no_reply: true}}", "there is a reply"),
        ("{name: t, sms: {text: стоп}, expect: {parts: 2}}", "takes 1 part, not 2"),
        ("{name: t, sms: {text: вопрос}, expect: {forward: sales}}", "forwarded to `support`"),
        ("{name: t, sms: {text: заказ}, expect: {rule: order}}", "cannot be made"),
        ("{name: t, sms: {text: заказ}, expect: {}}", "says nothing"),
        ("{name: t, sms: {text: x}, expect: {rule: rest}, at: now}", "expected a day such as 2026-06-01"),
        ("{name: t, sms: {txt: x}, expect: {rule: rest}}", "did you mean `text`"),
    ],
)
def test_a_test_that_fails_keeps_the_rules_out_and_says_why(tmp_path: Path, test: str, words: str) -> None:
    problems = refuse(tmp_path, f"{RULES}  - {test}\n")
    assert words in str(problems[0])
    assert problems[0].line == 8


SHIPPED = Path(__file__).parents[3] / "rules"


def test_the_shipped_rules_load_without_a_warning() -> None:
    rules = load_rules(SHIPPED, RuleContext(chats=frozenset({"support"}), lists={}, region="RU"))
    assert rules.warnings == ()
    for text in ("Часы?", "время", "HOURS", "чacы"):
        assert winner(rules, text) == "hours"
    assert winner(rules, "Адрес!") == "address"
    assert reply(rules, "Где мой заказ 12345?") is None
    (one,) = fired(rules, "Где мой заказ 12345?")
    assert [forward.chat for forward in one.forwards] == ["support"]


def test_a_step_that_sets_the_language_chooses_the_replies_of_later_steps(tmp_path: Path) -> None:
    assert load(
        tmp_path,
        """
rules:
  - {name: english, when: {keyword: english}, set: {language: en}}
  - {name: hours, reply: {ru: с 9 до 18, en: from 9 to 18}}
tests:
  - name: t
    contact: {language: ru}
    steps:
      - {sms: {text: часы}, expect: {reply: с 9 до 18}}
      - {sms: {text: english}, expect: {rule: english}}
      - {sms: {text: hours}, expect: {reply: from 9 to 18}}
""",
    )
