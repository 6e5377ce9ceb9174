from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.config.settings import HoursSettings
from bridge.model.base import Ms
from bridge.rules import RuleContext, RuleSet
from bridge.rules.schedule import hours_by_name
from tests.unit.rules.support import load, message, refuse

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = HoursSettings(timezone=MOSCOW, week={"mon-fri": ("09:00-18:00",)}, holidays="RU")
NIGHT = HoursSettings(timezone=BERLIN, week={"fri-sat": ("22:00-06:00",), "sun": ("00:00-24:00",)})
CONTEXT = RuleContext(
    chats=frozenset({"support"}), hours=hours_by_name({"office": OFFICE, "night": NIGHT}), timezone=MOSCOW
)


def ms(text: str, zone: ZoneInfo = MOSCOW) -> Ms:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def winner_at(rules: RuleSet, now: Ms) -> str:
    return rules.decide(message("x"), now).fired[-1].rule


def hours_rules(directory: Path, hours: str) -> RuleSet:
    return load(
        directory, f"rules: [{{name: in, when: {{hours: {hours}}}, reply: x}}, {{name: out, drop: true}}]", CONTEXT
    )


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("2026-03-02 08:59", "out"),
        ("2026-03-02 09:00", "in"),
        ("2026-03-02 17:59", "in"),
        ("2026-03-02 18:00", "out"),
        ("2026-03-01 12:00", "out"),
        ("2026-05-01 12:00", "out"),
        ("2026-01-05 12:00", "out"),
        ("2026-01-12 12:00", "in"),
    ],
)
def test_a_window_is_open_on_its_days_and_never_on_a_holiday(tmp_path: Path, at: str, rule: str) -> None:
    assert winner_at(hours_rules(tmp_path, "office"), ms(at)) == rule
    outside = {"in": "out", "out": "in"}[rule]
    assert winner_at(hours_rules(tmp_path, "{outside: office}"), ms(at)) == outside


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("2026-03-06 21:59", "out"),
        ("2026-03-06 23:00", "in"),
        ("2026-03-07 05:59", "in"),
        ("2026-03-07 06:00", "out"),
        ("2026-03-08 05:00", "in"),
        ("2026-03-08 23:59", "in"),
        ("2026-03-09 00:00", "out"),
        ("2026-03-06 05:00", "out"),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins(tmp_path: Path, at: str, rule: str) -> None:
    assert winner_at(hours_rules(tmp_path, "night"), ms(at, BERLIN)) == rule


def test_the_nights_of_the_summer_time_are_counted_by_the_wall_clock(tmp_path: Path) -> None:
    rules = hours_rules(tmp_path, "night")
    # On 29 March 2026 the clock goes from 02:00 to 03:00: the night before has an hour less.
    assert winner_at(rules, int(datetime(2026, 3, 29, 0, 59, tzinfo=UTC).timestamp() * 1000)) == "in"
    assert winner_at(rules, int(datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp() * 1000)) == "in"
    # On 24 October both hours between 02:00 and 03:00 belong to Saturday's night.
    for hour in (0, 1, 4):
        assert winner_at(rules, int(datetime(2026, 10, 25, hour, 30, tzinfo=UTC).timestamp() * 1000)) == "in"


def test_several_windows_are_one_of_these(tmp_path: Path) -> None:
    rules = hours_rules(tmp_path, "[office, night]")
    assert winner_at(rules, ms("2026-03-02 12:00")) == "in"
    assert winner_at(rules, ms("2026-03-08 04:00")) == "in"
    assert winner_at(rules, ms("2026-03-04 04:00")) == "out"
    assert winner_at(hours_rules(tmp_path, "{outside: [office, night]}"), ms("2026-03-08 04:00")) == "out"


def test_a_window_that_is_not_there(tmp_path: Path) -> None:
    for hours in ("ofice", "{outside: ofice}"):
        (problem,) = refuse(tmp_path, f"rules:\n  - name: a\n    reply: x\n    when: {{hours: {hours}}}\n", CONTEXT)
        assert problem.line == 4
        assert problem.message == "there is no window `ofice`; did you mean `office`?"


def test_without_the_package_only_rules_that_need_it_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    context = RuleContext(chats=frozenset({"support"}), hours=hours_by_name({"office": OFFICE, "night": NIGHT}))
    assert load(tmp_path, "rules: [{name: a, when: {hours: night}, reply: x}]", context).rules
    (problem,) = refuse(tmp_path, "rules: [{name: a, when: {hours: office}, reply: x}]", context)
    assert "pip install 'sms-bridge[holidays]'" in problem.message


def test_a_country_whose_holidays_nobody_knows(tmp_path: Path) -> None:
    nowhere = HoursSettings(timezone=MOSCOW, week={"mon": ("09:00-18:00",)}, holidays="XX")
    context = RuleContext(chats=frozenset(), hours=hours_by_name({"office": nowhere}))
    (problem,) = refuse(tmp_path, "rules: [{name: a, when: {hours: office}, reply: x}]", context)
    assert "nobody knows the holidays of `XX`" in problem.message


SALE = """
rules:
  - name: sale
    when: {keyword: x}
    from_date: 2026-06-01
    until_date: 2026-06-30
    reply: "Скидка"
    forward: support
    before: "Скоро"
    after: "Прошло"
  - {name: rest, drop: true}
"""


@pytest.mark.parametrize(
    ("at", "reply", "forwards"),
    [
        ("2026-05-31 23:59", "Скоро", 0),
        ("2026-06-01 00:00", "Скидка", 1),
        ("2026-06-30 23:59", "Скидка", 1),
        ("2026-07-01 00:00", "Прошло", 0),
    ],
)
def test_a_campaign_has_a_first_and_a_last_day_and_a_reply_for_those_who_miss_it(
    tmp_path: Path, at: str, reply: str, forwards: int
) -> None:
    (fired,) = load(tmp_path, SALE, CONTEXT).decide(message("x"), ms(at)).fired
    assert fired.rule == "sale"
    assert [one.text for one in fired.replies] == [reply]
    assert len(fired.forwards) == forwards


def test_without_such_a_reply_the_rule_does_not_match_outside_of_its_days(tmp_path: Path) -> None:
    text = SALE.replace('    before: "Скоро"\n', "").replace('    after: "Прошло"\n', "")
    rules = load(tmp_path, text.replace("2026-06-30", "2026-06-30 12:00"), CONTEXT)
    assert winner_at(rules, ms("2026-05-31 23:59")) == "rest"
    assert winner_at(rules, ms("2026-06-30 11:59")) == "sale"
    assert winner_at(rules, ms("2026-06-30 12:00")) == "rest"


@pytest.mark.parametrize(
    ("keys", "line", "words"),
    [
        ("    from_date: 2026-06-31\n", 4, "no such day"),
        ("    from_date: tomorrow\n", 4, "expected a day such as"),
        ("    until_date: 9999-12-31\n", 4, "expected a day such as"),
        ("    from_date: 2026-06-02\n    until_date: 2026-06-01\n", 5, "is before `from_date`"),
        ("    before: x\n", 4, "without `from_date`"),
        ("    after: x\n", 4, "without `until_date`"),
        ("    until_date: 2026-06-02\n    after: '{{ tekst }}'\n", 5, "did you mean `text`"),
    ],
)
def test_mistakes_about_days(tmp_path: Path, keys: str, line: int, words: str) -> None:
    (problem,) = refuse(tmp_path, f"rules:\n  - name: a\n    reply: x\n{keys}")
    assert problem.line == line
    assert words in problem.message
