from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model.base import DAY
from bridge.model.contact import RuleCounter
from bridge.model.decision import ContactEffect, FiredRule, OptOutEffect
from bridge.rules import RuleSet
from bridge.rules.context import ContactFacts, RuleMessage, Uses
from tests.unit.rules.support import CONTEXT, NOW, load, message, refuse, reply


def decided(rules: RuleSet, asked: RuleMessage) -> FiredRule:
    (fired,) = rules.decide(asked, NOW).fired
    return fired


def answered(rules: RuleSet, asked: RuleMessage) -> list[str]:
    return [one.text for one in decided(rules, asked).replies]


# ---------------------------------------------------------------- replies


def test_a_reply_in_the_language_of_the_contact_else_of_the_service_else_the_first(tmp_path: Path) -> None:
    text = "rules: [{name: a, reply: {en: 'Yes {{ args }}', ru: 'Да {{ args }}'}}]"
    russian = load(tmp_path, text, replace(CONTEXT, language="ru"))
    known = replace(message("x"), contact=ContactFacts(language="en"))
    foreign = replace(message("x"), contact=ContactFacts(language="kk"))
    assert answered(russian, known) == ["Yes x"]
    assert answered(russian, foreign) == ["Да x"]
    assert answered(load(tmp_path, text), foreign) == ["Yes x"]


def test_one_of_several_replies_is_chosen_by_the_message_and_always_the_same(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: a, reply: [one, '{{ args }}', three]}]")
    assert [answered(rules, replace(message("x"), id=id)) for id in (0, 1, 2, 3, 3)] == [
        ["one"],
        ["x"],
        ["three"],
        ["one"],
        ["one"],
    ]


def test_mistakes_in_one_of_several_texts_are_shown_at_it(tmp_path: Path) -> None:
    problems = refuse(
        tmp_path,
        "rules:\n  - name: a\n    reply:\n      - да\n      - '{{ tekst }}'\n"
        "  - name: b\n    reply:\n      ru: да\n      en: '{{ 1 * 2 }}'\n",
    )
    assert [(one.line, one.path) for one in problems] == [(5, "rules[0].reply[1]"), (9, "rules[1].reply.en")]


def test_a_reply_that_was_given_often_enough_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    rules = load(
        tmp_path, "rules: [{name: a, reply: 'Ответим: {{ args }}', once: 1 per day, forward: support, tag: seen}]"
    )
    first = decided(rules, message("x"))
    assert [one.text for one in first.replies] == ["Ответим: x"]
    assert first.counted == (RuleCounter.REPLY,)
    assert not first.spent
    again = decided(rules, replace(message("x"), uses=Uses(by_sender={("a", RuleCounter.REPLY): (NOW - 1,)})))
    assert (again.replies, again.counted, again.spent) == ((), (), True)
    assert [one.chat for one in again.forwards] == ["support"]
    assert again.contact == ContactEffect(tag=("seen",))
    later = decided(rules, replace(message("x"), uses=Uses(by_sender={("a", RuleCounter.REPLY): (NOW - DAY,)})))
    assert later.replies
    assert rules.counting.sender == DAY


# ---------------------------------------------------------------- a text that cannot be made

BROKEN = """
rules:
  - name: a
    reply: "{{ words[0] }}"
    forward: sales
    tag: good
    on_error: {reply: "Пришлите слово{{ args }}.", forward: support, note: "{{ words[0] }}?"}
"""


def test_what_is_done_instead_where_a_text_cannot_be_made(tmp_path: Path) -> None:
    text = BROKEN.replace(', note: "{{ words[0] }}?"', "")
    fired = decided(load(tmp_path, text), message("!!"))
    assert [one.text for one in fired.replies] == ["Пришлите слово!!."]
    assert [one.chat for one in fired.forwards] == ["support"]
    assert fired.contact is None
    assert fired.error is None
    assert fired.recovered is not None
    assert "no `words[0]`" in fired.recovered


def test_where_that_fails_too_nothing_of_the_rule_is_done(tmp_path: Path) -> None:
    fired = decided(load(tmp_path, BROKEN), message("!!"))
    assert (fired.replies, fired.forwards, fired.contact, fired.recovered) == ((), (), None, None)
    assert fired.error is not None
    assert "no `words[0]`" in fired.error


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ("{}", "is empty"),
        ("{ttl: 5m}", "does nothing"),
        ("{drop: true, reply: x}", "nothing happens"),
        ("{forward: nobody}", "there is no chat `nobody`"),
        ("{reply: '{{ tekst }}'}", "did you mean `text`"),
        ("{when: {keyword: x}, reply: x}", "unknown key `when`"),
        ("{reply: x, note: y}", "without `forward`"),
    ],
)
def test_mistakes_in_what_is_done_instead(tmp_path: Path, instead: str, words: str) -> None:
    problems = refuse(tmp_path, f"rules:\n  - name: a\n    reply: x\n    on_error: {instead}\n")
    assert any(words in one.message and one.line == 4 for one in problems), problems


# ---------------------------------------------------------------- what is known of the sender


def test_what_is_put_on_the_contact_is_rendered_and_known_to_later_texts(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: a, when: {keyword: город}, set: {city: "{{ args }}", seen: "да"}, tag: [VIP, new], untag: old}
  - {name: b, reply: "{{ contact.city | default('?', true) }} {{ contact.tags | length }} {{ contact.name }}"}
""",
    )
    assert decided(rules, message("город Казань ")).contact == ContactEffect(
        tag=("vip", "new"), untag=("old",), values={"city": "Казань", "seen": "да"}
    )
    assert reply(rules, "x") == "? 0"
    facts = ContactFacts(values={"city": "Казань"}, tags=("vip",))
    known = replace(message("x", contact_name="Анна"), contact=facts)
    assert answered(rules, known) == ["Казань 1 Анна"]


@pytest.mark.parametrize(
    ("keys", "line", "words"),
    [
        ("set: {City: x}", 3, "a name such as `city`"),
        ("set: {name: x}", 3, "not `name`"),
        ("set: {}", 3, "must not be empty"),
        ("tag: 'a b'", 3, "expected a tag"),
        ("{tag: a, untag: a}", 3, "takes off the tag `a`"),
        ("{opt_in: true, opt_out: true}", 3, "contradicts `opt_out`"),
        ("{set: {city: x}, reply: '{{ contact.town }}'}", 3, "there is no `contact.town`"),
        ("{set: {city: x}, reply: '{{ contact.values }}'}", 3, "there is no `contact.values`"),
        ("{set: {city: x}, reply: '{{ city }}'}", 3, "there is no variable `city`"),
        ("{reply: x, once: 5m}", 3, "expected a rate"),
        ("{forward: support, once: 1 per day}", 3, "without `reply`"),
    ],
)
def test_mistakes_about_the_contact(tmp_path: Path, keys: str, line: int, words: str) -> None:
    inner = keys.removeprefix("{").removesuffix("}") if keys.startswith("{") else keys
    problems = refuse(tmp_path, f"rules:\n\n  - {{name: a, {inner}}}\n")
    assert any(words in one.message and one.line == line for one in problems), problems


# ---------------------------------------------------------------- opting out

STOP = """
rules:
  - {name: stop, when: {keyword: [стоп, stop], only: true, typo: 0}, opt_out: true, tag: gone, reply: Вы отписаны.}
  - {name: leave, when: {keyword: отписка, glued: true}, opt_out: true, reply: Вы отписаны., forward: sales}
  - {name: start, when: {keyword: старт, only: true}, opt_in: true, reply: Вы снова с нами.}
  - {name: rest, forward: support}
"""


def test_the_keyword_alone_opts_out_and_its_confirmation_passes_the_guard(tmp_path: Path) -> None:
    rules = load(tmp_path, STOP)
    fired = decided(rules, message("СТОП!"))
    assert fired.contact == ContactEffect(opt=OptOutEffect.OUT, tag=("gone",))
    assert [one.confirms_opt_out for one in fired.replies] == [True]
    back = decided(rules, message("старт"))
    assert back.contact == ContactEffect(opt=OptOutEffect.IN)
    assert [one.confirms_opt_out for one in back.replies] == [False]


@pytest.mark.parametrize(
    "text", ["Стоп, спасибо", "стоп пожалуйста!", "STOP please", "Стоп. Спасибо вам большое!", "stop thank you"]
)
def test_a_polite_one_is_put_to_a_person_and_changes_nothing(tmp_path: Path, text: str) -> None:
    fired = decided(load(tmp_path, STOP), message(text))
    assert fired.rule == "stop"
    assert fired.contact == ContactEffect(opt=OptOutEffect.ASK_OUT)
    assert fired.replies == ()


@pytest.mark.parametrize("text", ["стоп-кран сорвали", "стоп 12345", "стоп 👍", "спасибо, стоп"])
def test_anything_else_is_another_matter(tmp_path: Path, text: str) -> None:
    assert decided(load(tmp_path, STOP), message(text)).rule == "rest"


@pytest.mark.parametrize("text", ["отписка от рассылки", "отписка12", "отписка, спасибо"])
def test_without_only_more_than_the_keyword_asks_a_person_too(tmp_path: Path, text: str) -> None:
    fired = decided(load(tmp_path, STOP), message(text))
    assert fired.contact == ContactEffect(opt=OptOutEffect.ASK_OUT)
    assert [one.chat for one in fired.forwards] == ["sales"]
    assert fired.replies == ()


# ---------------------------------------------------------------- defaults of a file

DEFAULTS = """
defaults:
  when: {prefix: "77", keyword: такси, glued: true}
  reply: "Едем: {{ args }}"
  ttl: 10m
  forward: sales
  note: N
rules:
  - {name: a}
  - {name: b, when: {keyword: меню}, reply: "Меню", forward: support}
  - {name: c, when: {keyword: реклама}, drop: true}
"""


def test_rules_inherit_key_by_key_and_override(tmp_path: Path) -> None:
    rules = load(tmp_path, DEFAULTS)
    first = decided(rules, message("77 такси5"))
    assert [(one.text, one.ttl) for one in first.replies] == [("Едем: 5", 600_000)]
    assert [(one.chat, one.note) for one in first.forwards] == [("sales", "N")]
    second = decided(rules, message("77 меню5"))
    assert [(one.text, one.ttl) for one in second.replies] == [("Меню", 600_000)]
    assert [(one.chat, one.note) for one in second.forwards] == [("support", "N")]
    third = decided(rules, message("77 реклама"))
    assert (third.rule, third.drop, third.forwards) == ("c", True, ())
    assert rules.decide(message("такси"), NOW).fired == ()


def test_what_only_says_something_about_another_key_is_inherited_beside_it(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        "defaults: {sender_name: Shop, ttl: 5m, note: N, when: {glued: true, only: true}}\n"
        "rules: [{name: a, when: {contains: x}, reply: x}, {name: b, forward: support}]\n",
    )
    assert [one.sender_name for one in decided(rules, message("x")).replies] == ["Shop"]
    assert [one.note for one in decided(rules, message("y")).forwards] == ["N"]


def test_a_mistake_in_the_defaults_is_told_once_at_its_line(tmp_path: Path) -> None:
    problems = refuse(
        tmp_path,
        "defaults:\n  forward: suport\n  note: '{{ tekst }}'\n  name: x\n  when: {from: vipp}\n"
        "rules:\n  - {name: a}\n  - {name: b}\n",
    )
    assert [(one.line, one.path) for one in problems] == [
        (2, "defaults.forward"),
        (3, "rules[0].note"),
        (4, "defaults.name"),
        (5, "defaults.when.from"),
    ]


def test_rules_that_are_one_alias_inherit_each_for_itself(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        "defaults: {forward: sales}\nrules:\n  - &a {name: a, when: {keyword: x}}\n"
        "  - {<<: *a, name: b, forward: support}\n",
    )
    assert [[forward.chats for forward in [rule.actions.forward] if forward] for rule in rules.rules] == [
        [("sales",)],
        [("support",)],
    ]


@pytest.mark.parametrize("text", ["defaults:\nrules: []\n", "defaults: x\nrules: []\n", "defaults: [x]\nrules: []\n"])
def test_defaults_that_are_none(tmp_path: Path, text: str) -> None:
    (problem,) = refuse(tmp_path, text)
    assert problem.line == 1
