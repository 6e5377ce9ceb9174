from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rules import RuleContext, RuleSet, conditions
from bridge.rules.explain import explain
from bridge.rules.reasons import Wording
from bridge.rules.schedule import Hours, parse_week
from tests.unit.rules.support import CONTEXT, NOW, load, message

RULES = """
rules:
  - {name: off, enabled: false, reply: x}
  - {name: vote, when: {prefix: "7722", keyword: голос}, reply: x}
  - {name: stop, when: {keyword: [стоп, stop], only: true}, reply: x}
  - {name: phrase, when: {contains: [не работает]}, reply: x}
  - {name: code, when: {text: '\\d{4}'}, reply: x}
  - {name: order, when: {keyword: стоп, args: '^\\d+$'}, reply: x}
  - {name: vip, when: {from: vip}, reply: x}
  - {name: short, when: {to: "1234"}, reply: x}
  - {name: second, when: {account: second}, reply: x}
  - {name: night, when: {hours: {outside: always}}, reply: x}
  - {name: sale, until_date: 2020-01-01, reply: x}
  - {name: known, when: {contact: {tag: vip}}, reply: x}
  - {name: talk, when: {conversation: open}, reply: x}
  - {name: either, when: {any: [{keyword: да}, {contains: нет}]}, reply: x}
  - {name: neither, when: {not: {keyword: стоп}}, reply: x}
  - {name: watch, forward: sales, continue: true}
  - {name: rest, forward: support}
  - {name: late, reply: x}
"""
ALWAYS = RuleContext(
    chats=CONTEXT.chats,
    lists={"vip": ("+79001112233",)},
    hours={"always": Hours(timezone=CONTEXT.timezone, week=parse_week({"mon-sun": ("00:00-24:00",)}))},
)


def test_each_rule_says_why_it_did_not_match_up_to_the_one_that_ended_the_search(tmp_path: Path) -> None:
    rules = load(tmp_path, RULES, ALWAYS)
    found = explain(rules, message("Стоп машина", account="main", receiver="5678"), NOW)
    assert found.words == ("CTOП", "MAШИHA")
    assert [(one.rule, one.reason.say("en")) for one in found.tried] == [
        ("off", "enabled: it is switched off"),
        ("vote", "prefix: none holds, not 7722"),
        ("stop", "only: the keyword does not stand alone"),
        ("phrase", "contains: none of не работает in the text"),
        ("code", r"text: `\d{4}` does not fit"),
        ("order", r"args: `^\d+$` does not fit `машина`"),
        ("vip", "from: 79083730330 is none of these"),
        ("short", "to: 5678 is none of these"),
        ("second", "account: it came by main, not second"),
        ("night", "hours: it is within always"),
        ("sale", "until_date: it is over"),
        ("known", "contact: has not the tag vip"),
        ("talk", "conversation: it is none"),
        ("either", "any: keyword: the first word is CTOП, not да; contains: none of нет in the text"),
        ("neither", "not: keyword: the first word is CTOП"),
        ("watch", "no conditions: takes whatever comes"),
        ("rest", "no conditions: takes whatever comes"),
    ]
    assert [one.rule for one in found.tried if one.matched] == [one.rule for one in found.decision.fired]
    assert found.winner is not None
    assert (found.winner.rule, found.winner.line) == ("rest", 19)


MATCHES = """
rules:
  - {name: vote, when: {prefix: "7722", keyword: голос, only: true}, reply: x, continue: true}
  - {name: phrase, when: {contains: [не греет, не работает]}, reply: x, continue: true}
  - {name: code, when: {text: '\\d{4}'}, reply: x, continue: true}
  - {name: order, when: {keyword: заказ, args: '^(?P<id>\\d+)$', limit: {total: 9 per day}}, reply: x, continue: true}
  - {name: slip, when: {keyword: заказать, typo: 1}, reply: x, continue: true}
  - {name: layout, when: {keyword: погода, layout: true}, reply: x, continue: true}
  - {name: glued, when: {keyword: инфо, glued: true}, reply: x, continue: true}
  - {name: vip, when: {from: vip, to: "1234", account: main}, reply: x, continue: true}
  - {name: day, when: {hours: always, conversation: none}, reply: x, continue: true}
  - {name: sale, from_date: 2020-01-01, until_date: 2099-01-01, before: b, after: a, reply: x, continue: true}
  - {name: new, when: {contact: {first_time: false, blocked: false}}, reply: x, continue: true}
  - {name: either, when: {any: [{keyword: да}, {all: [{contains: нет}, {not: {from: vip}}]}]}, reply: x, continue: true}
"""


@pytest.mark.parametrize(
    ("text", "by", "reasons"),
    [
        (
            "7722 голос",
            {},
            {"vote": "prefix: 7722 holds; keyword: the first word is ГOЛOC; only: the keyword stands alone"},
        ),
        ("Свет не работает!", {}, {"phrase": "contains: HE PAБOTAET is in the text"}),
        ("код 1234", {}, {"code": r"text: `\d{4}` fits"}),
        (
            "Заказ 7",
            {},
            {"order": r"keyword: the first word is ЗAKAЗ; args: `^(?P<id>\d+)$` fits `7`; limit: not reached"},
        ),
        ("закзать 7", {}, {"slip": "keyword: the text begins with ЗAKAЗATЬ, with one wrong letter"}),
        ("gjujlf", {}, {"layout": "keyword: the text begins with ПOГOДA, typed in the other keyboard layout"}),
        ("инфо12", {}, {"glued": "keyword: the text begins with ИHФO, with a number beside it"}),
        (
            "привет",
            {"sender": "79001112233", "receiver": "1234"},
            {"vip": "account: it came by main; from: 79001112233 is one of these; to: 1234 is one of these"},
        ),
        (
            "привет",
            {},
            {
                "day": "hours: it is within always; conversation: it is none",
                "sale": "from_date, until_date: it is between them",
                "new": "contact: first_time is false, blocked is false",
            },
        ),
        ("да", {}, {"either": "keyword: the first word is ДA"}),
        ("нет", {}, {"either": "contains: HET is in the text; not: from: 79083730330 is none of these"}),
    ],
)
def test_each_rule_that_matched_says_what_made_it_match(
    tmp_path: Path, text: str, by: dict[str, str], reasons: dict[str, str]
) -> None:
    found = explain(load(tmp_path, MATCHES, ALWAYS), message(text, account="main", **by), NOW)
    matched = {one.rule: one.reason.say("en") for one in found.tried if one.matched}
    assert {rule: matched.get(rule) for rule in reasons} == reasons


def test_the_words_behind_the_prefix_that_holds(tmp_path: Path) -> None:
    found = explain(load(tmp_path, RULES, ALWAYS), message("7722 Голос Анна"), NOW)
    assert found.prefix == ("7722",)
    assert found.words_after_prefix == ("ГOЛOC", "AHHA")
    assert found.winner is not None
    assert found.winner.rule == "vote"


def test_where_nothing_matches_every_rule_is_tried_and_none_wins(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: a, when: {keyword: x}, reply: x}]")
    found = explain(rules, message("!!"), NOW)
    assert found.winner is None
    assert [one.reason.say("en") for one in found.tried] == ["keyword: there is no word, not x"]


def test_a_rule_whose_text_cannot_be_made_ends_the_search(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules: [{name: a, reply: '{{ words[0] }}', continue: true}, {name: b, reply: x}]")
    assert [one.rule for one in explain(rules, message("!!"), NOW).tried] == ["a"]


# ---------------------------------------------------------------- the index and the plain way agree

WORDS = ("заказ", "заказы", "закат", "инфо", "info", "7722", "меню12", "стоп")
word = st.sampled_from(WORDS)
flag = st.sampled_from(["true", "false"])


def leaf() -> st.SearchStrategy[str]:
    keyword = st.builds("{{keyword: [меню12, {}], glued: {}, layout: {}, only: {}}}".format, word, flag, flag, flag)
    return st.one_of(
        keyword,
        st.builds("{{keyword: {}, typo: 1}}".format, st.sampled_from(["заказ", "заказы", "закат"])),
        st.builds("{{contains: {}}}".format, word),
        st.builds("{{contains: [{0} {1}, {1}]}}".format, word, word),
        st.builds("{{text: '{}\\d'}}".format, word),
        st.sampled_from(["{from: vip}", "{text: '.*'}", "{account: main}"]),
    )


def condition() -> st.SearchStrategy[str]:
    return st.recursive(
        leaf(),
        lambda inner: st.one_of(
            st.builds("{{any: [{}]}}".format, st.lists(inner, min_size=1, max_size=3).map(", ".join)),
            st.builds("{{all: [{}]}}".format, st.lists(inner, min_size=1, max_size=3).map(", ".join)),
            st.builds("{{not: {}}}".format, inner),
        ),
        max_leaves=5,
    )


def when() -> st.SearchStrategy[str]:
    prefix = st.sampled_from(["", 'prefix: "77", ', 'prefix: "7722", '])
    return st.builds(lambda before, inside: "{" + before + inside[1:], prefix, condition())


TEXTS = st.lists(
    st.one_of(word, st.sampled_from(["77", "pfrfp", "закз", "byaj", "инфо5", "штащ", "!", "заказы,"])), max_size=4
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(when(), min_size=1, max_size=6), st.lists(TEXTS, min_size=1, max_size=6))
def test_the_index_passes_over_no_rule_that_matches(
    tmp_path_factory: pytest.TempPathFactory, whens: list[str], texts: list[str]
) -> None:
    lines = [f"  - {{name: r{n}, when: {one}, forward: sales, continue: true}}" for n, one in enumerate(whens)]
    rules: RuleSet = load(tmp_path_factory.mktemp("rules"), "\n".join(["rules:", *lines]))
    for text in texts:
        found = explain(rules, message(text, account="main"), NOW)
        assert all(one.reason.say("en") for one in found.tried)
        assert [one.rule for one in found.tried if one.matched] == [one.rule for one in found.decision.fired]


# ---------------------------------------------------------------- the words of reasons

PLACEHOLDER = re.compile(r"\{\w+\}")


def wordings() -> Iterator[Wording]:
    """Every wording of the conditions and of the explanation."""
    names = [each.name for each in pkgutil.iter_modules(conditions.__path__, f"{conditions.__name__}.")]
    for module in map(importlib.import_module, [*names, "bridge.rules.explain"]):
        for value in vars(module).values():
            for each in value.values() if isinstance(value, dict) else (value,):
                if isinstance(each, Wording):
                    yield each


def test_every_wording_has_the_same_placeholders_in_every_language() -> None:
    found = list(wordings())
    assert len(found) > 30
    for each in found:
        assert sorted(PLACEHOLDER.findall(each.en)) == sorted(PLACEHOLDER.findall(each.ru)), each
        assert re.search("[а-я]", each.ru) or each.en == "{fact} is {value}", each


def test_reasons_are_said_in_russian(tmp_path: Path) -> None:
    found = explain(load(tmp_path, RULES, ALWAYS), message("Стоп машина", account="main", receiver="5678"), NOW)
    said = {one.rule: one.reason.say("ru") for one in found.tried}
    assert said["stop"] == "only: кроме ключевого слова есть другие слова"
    assert said["either"] == "any: keyword: первое слово — CTOП, а не да; contains: в тексте нет ничего из этого: нет"
    assert said["rest"] == "условий нет: подходит любое сообщение"
