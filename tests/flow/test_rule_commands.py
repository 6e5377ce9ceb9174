"""The commands around the rules as a person and a script use them: separate processes and real exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.test_commands import sms_bridge

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
    beside = next(line for line in result.out.splitlines() if "rule everything-else" in line)
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
    [difference] = values["tests"][0]["differences"]
    assert (difference["expected"], difference["actual"]) == ("rule everything-else", "`hours`")


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
