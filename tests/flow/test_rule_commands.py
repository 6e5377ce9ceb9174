"""The commands around the rules as a person and a script use them: separate processes and real exit codes."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox.platform import SimulatedPlatform
from tests.processes import sms_bridge
from tests.service import Service

CONFIG = """\
accounts: {main: {login: demo, password: demo, sender: MyShop}}
telegram:
  chats: {support: {id: -1001234567890}}
  default_chat: support
"""
RULES = """\
rules:
  - name: hours
    when: {keyword: [часы, hours]}
    reply: "Работаем с 9 до 18."
  - name: everything-else
    forward: support
tests:
  - name: часы
    sms: {text: Часы!}
    expect: {rule: hours, reply_contains: с 9}
  - name: остальное людям
    sms: {text: привет}
    expect: {no_reply: true, forward: support}
"""
FAILING = RULES.replace("rule: hours", "rule: everything-else")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "10.yaml").write_text(RULES, "utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


def rewrite(config: Path, rules: str) -> None:
    (config.parent / "rules" / "10.yaml").write_text(rules, "utf-8")


# ------------------------------------------------ test


async def test_each_test_has_its_line_and_all_passed_is_0(config: Path) -> None:
    result = await sms_bridge("test", "-c", str(config))
    assert result.code == 0, result.err
    assert [line.split()[0] for line in result.out.splitlines()[1:3]] == ["✓", "✓"]
    assert "2 tests, all passed" in result.out


async def test_a_failure_shows_expected_beside_actual_and_both_places(config: Path) -> None:
    rewrite(config, FAILING)
    result = await sms_bridge("test", "-c", str(config))
    assert result.code == 1
    beside = next(line for line in result.out.splitlines() if "rule `everything-else`" in line)
    assert beside.index("everything-else") < beside.index("`hours`")
    assert "10.yaml:10" in result.out  # the test
    assert "by rule hours" in result.out
    assert "10.yaml:2" in result.out  # the rule
    assert "2 tests, 1 failed" in result.out


async def test_results_for_scripts(config: Path) -> None:
    rewrite(config, FAILING)
    values = (await sms_bridge("test", "--json", "-c", str(config))).json()
    assert isinstance(values, dict)
    assert (values["passed"], values["failed"]) == (1, 1)
    [difference] = values["tests"][0]["steps"][0]["differences"]
    assert (difference["expected"], difference["actual"]) == ("rule `everything-else`", "rule `hours`")


async def test_some_tests_are_chosen_by_their_names(config: Path) -> None:
    rewrite(config, FAILING)
    assert (await sms_bridge("test", "-k", "ЛЮДЯМ", "-c", str(config))).code == 0
    none = await sms_bridge("test", "-k", "кошки", "-c", str(config))
    assert none.code == 1
    assert "кошки" in none.err


async def test_mistakes_in_the_rules_are_named_instead(config: Path) -> None:
    rewrite(config, RULES.replace("reply:", "replay:"))
    result = await sms_bridge("test", "-c", str(config))
    assert result.code == 1
    assert "10.yaml:4:5" in result.err
    assert not result.out


# ------------------------------------------------ replay


@pytest.fixture
async def past(tmp_path: Path, platform: SimulatedPlatform) -> AsyncIterator[Service]:
    """A running service that has routed three messages."""
    service = Service(tmp_path, platform, None, rules=RULES)
    await service.start()
    for sender, text in (("79080000001", "часы"), ("79080000002", "Доставка? {{ text }}"), ("79080000003", "привет")):
        assert (await platform.send_callback(service.callback_url, text=text, sender=sender)).acknowledged
    await service.until("SELECT count(*) FROM inbound WHERE state = 'routed'", 3)
    yield service
    await service.close()


def other_rules(service: Service, rules: str) -> tuple[str, ...]:
    folder = service.folder / "other"
    folder.mkdir(exist_ok=True)
    (folder / "10.yaml").write_text(rules, "utf-8")
    return ("--rules", str(folder), "-c", str(service.config))


DELIVERY = RULES.replace(
    "rules:\n", "rules:\n  - name: delivery\n    when: {keyword: доставка}\n    reply: Завтра.\n", 1
)


async def test_replay_shows_which_stored_messages_would_go_elsewhere(past: Service) -> None:
    before = past.rows("SELECT * FROM inbound")
    result = await sms_bridge("replay", *other_rules(past, DELIVERY))
    assert result.code == 0, result.err
    assert "3 messages, 1 would go elsewhere" in result.out
    moved = next(line for line in result.out.splitlines() if "delivery" in line)
    assert "everything-else" in moved
    assert "7908•••0002" in moved
    assert "Доставка" not in result.out
    assert past.rows("SELECT * FROM inbound") == before
    with_texts = await sms_bridge("replay", "--show-texts", *other_rules(past, DELIVERY))
    assert "Доставка? {{ text }}" in with_texts.out


async def test_replay_of_the_rules_in_force_changes_nothing(past: Service) -> None:
    values = (await sms_bridge("replay", "--json", "-c", str(past.config))).json()
    assert isinstance(values, dict)
    assert (values["messages"], values["changed"], values["changes"]) == (3, 0, [])


async def test_replay_takes_the_newest_or_those_since(past: Service) -> None:
    other = other_rules(past, DELIVERY)
    newest = (await sms_bridge("replay", "--last", "1", "--json", *other)).json()
    assert isinstance(newest, dict)
    assert (newest["messages"], newest["changed"]) == (1, 0)
    lately = (await sms_bridge("replay", "--since", "1h", "--json", *other)).json()
    assert isinstance(lately, dict)
    assert [(row["then"], row["now"], row["messages"]) for row in lately["changes"]] == [
        ("everything-else", "delivery", 1)
    ]
    future = await sms_bridge("replay", "--since", "2100-01-01", *other)
    assert (future.code, "no message" in future.out) == (0, True)
    assert (await sms_bridge("replay", "--since", "вчера", *other)).code == 2


async def test_replay_refuses_rules_with_mistakes(past: Service) -> None:
    result = await sms_bridge("replay", *other_rules(past, RULES.replace("forward: support", "forward: nobody")))
    assert result.code == 1
    assert "10.yaml:6:14" in result.err


# ------------------------------------------------ explain

TOLD = """\
rules:
  - {name: vote, when: {prefix: "7722", keyword: голос}, reply: "Vote for {{ args }}: ok"}
  - {name: night, when: {keyword: часы, hours: {outside: office}}, reply: Закрыто. }
  - {name: hours, when: {keyword: часы}, reply: "Open 9-18, №{{ words[0] }}"}
  - {name: everything-else, forward: support, note: посмотрите}
"""
OFFICE = 'hours: {office: {timezone: Europe/Moscow, week: {mon-fri: "09:00-18:00"}}}\n'


@pytest.fixture
def told(config: Path) -> Path:
    rewrite(config, TOLD)
    config.write_text(CONFIG + OFFICE, "utf-8")
    return config


async def test_explain_names_each_rule_tried_and_the_winner_with_its_place(told: Path) -> None:
    result = await sms_bridge("explain", "Чaсы 5", "--at", "2026-03-02 12:00", "-c", str(told))
    assert result.code == 0, result.err
    assert "ЧACЫ 5" in result.out
    lines = result.out.splitlines()
    assert next(line for line in lines if " vote " in line).startswith("–")
    night = next(line for line in lines if " night " in line)
    assert "hours" in night
    assert "10.yaml:4" in next(line for line in lines if line.startswith("rule "))
    assert "Open 9-18, №5" in result.out
    assert "UCS-2, 70 characters a part because of: №\n" in result.out
    assert "sent as  MyShop" in result.out


async def test_explain_takes_the_time_it_is_told(told: Path) -> None:
    result = await sms_bridge("explain", "часы", "--at", "2026-03-01 22:15", "-c", str(told))
    assert "rule     night" in result.out
    assert "22:15, Sunday (Europe/Moscow)" in result.out
    assert (await sms_bridge("explain", "часы", "--at", "завтра", "-c", str(told))).code == 2


async def test_explain_shows_what_a_guard_would_do_and_who_sees_it(told: Path) -> None:
    result = await sms_bridge("explain", "часы 1", "--from", "900", "--at", "2026-03-02 12:00", "-c", str(told))
    assert "unanswerable" in next(line for line in result.out.splitlines() if line.startswith("guards"))
    assert "forward  support" in result.out
    assert "sent as" not in result.out


async def test_explain_for_scripts(told: Path) -> None:
    at = ("--at", "2026-03-02 12:00")
    values = (await sms_bridge("explain", "голос Анна", "--prefix", "7722", "--json", *at, "-c", str(told))).json()
    assert isinstance(values, dict)
    assert values["winner"]["rule"] == "vote"
    assert values["prefix"] == "7722"
    assert [reply["text"] for reply in values["replies"]] == ["Vote for Анна: ok"]
    other = (await sms_bridge("explain", "привет", "--json", *at, "-c", str(told))).json()
    assert isinstance(other, dict)
    assert [each["matched"] for each in other["tried"]] == [False, False, False, True]
    assert all(each["reason"] for each in other["tried"])
    assert other["forwards"] == [{"chat": "support", "note": "посмотрите"}]


async def test_explain_knows_what_the_store_knows_of_the_number(past: Service) -> None:
    config = ("-c", str(past.config))
    await past.stop()
    with sqlite3.connect(past.database) as database:
        database.execute("UPDATE contact SET opted_out = 1 WHERE subscriber = '79080000001'")
    database.close()
    result = await sms_bridge("explain", "часы", "--from", "8 908 000-00-01", *config)
    assert "opted_out" in result.out
    assert "opted_out" not in (await sms_bridge("explain", "часы", "--from", "8 908 000-00-02", *config)).out
