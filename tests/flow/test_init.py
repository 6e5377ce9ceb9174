"""What ``init`` writes works as it is, in both languages and for every kind, and nothing of a person's is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from bridge.app.rulebook import rules_of
from bridge.cli.init import RULES, contents, language_of, write, zone_of
from bridge.config import load
from tests.processes import sms_bridge


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("kind", list(RULES))
def test_it_passes_the_check_without_a_warning_and_has_tests(
    tmp_path: Path, kind: str, language: Literal["ru", "en"]
) -> None:
    write(tmp_path, contents(kind, language))
    settings = load(tmp_path / "config.yaml", {})
    assert not settings.warnings
    rules = rules_of(settings)
    assert not rules.warnings
    for file in (tmp_path / "rules").iterdir():
        text = file.read_text("utf-8")
        assert "tests:" in text
        named = text.splitlines()[0].rpartition("$schema=")[2]
        assert (file.parent / named).exists(), text.splitlines()[0]


def test_both_languages_have_the_same_rules_and_settings(tmp_path: Path) -> None:
    shapes = []
    for language in ("ru", "en"):
        folder = tmp_path / language
        for kind in RULES:
            write(folder / kind, contents(kind, language))  # type: ignore[arg-type]
        settings = load(folder / "both" / "config.yaml", {})
        names = [[rule.name for rule in rules_of(load(folder / kind / "config.yaml", {})).rules] for kind in RULES]
        shapes.append((names, set(settings.hours), set(settings.lists), set(settings.telegram.chats)))
    assert shapes[0] == shapes[1]


def test_each_configuration_has_a_secret_of_its_own_and_is_its_owners_alone(tmp_path: Path) -> None:
    secrets = set()
    for name in ("one", "two"):
        write(tmp_path / name, contents("both", "en"))
        path = tmp_path / name / "config.yaml"
        assert path.stat().st_mode & 0o777 == 0o600
        secrets.add(load(path, {}).accounts["main"].callback.secret.get_secret_value())
    assert len(secrets) == 2
    assert min(map(len, secrets)) >= 32


async def test_nothing_that_exists_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    mine = tmp_path / "rules" / "20-support.yaml"
    mine.write_text("# mine\n", "utf-8")
    result = await sms_bridge("init", "--kind", "support", str(tmp_path))
    assert result.code == 1
    assert str(mine) in result.err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["20-support.yaml"]
    assert mine.read_text("utf-8") == "# mine\n"


async def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path: Path) -> None:
    result = await sms_bridge("init", "--language", "ru", str(tmp_path / "new"))
    assert result.code == 0, result.err
    assert str(tmp_path / "new" / "config.yaml") in result.out
    assert "sms-bridge check -c" in result.err
    assert (await sms_bridge("check", "-c", str(tmp_path / "new" / "config.yaml"))).code == 0
    assert (await sms_bridge("test", "-c", str(tmp_path / "new" / "config.yaml"))).code == 0


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "", "LC_MESSAGES": "ru_RU"}, "ru"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_locale(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


def test_the_time_zone_is_the_machines(tmp_path: Path) -> None:
    local = tmp_path / "localtime"
    local.symlink_to("/usr/share/zoneinfo/Asia/Omsk")
    assert zone_of({}, local) == "Asia/Omsk"
    assert zone_of({"TZ": "Asia/Yekaterinburg"}, local) == "Asia/Yekaterinburg"
    assert zone_of({}, tmp_path / "nothing") == "Europe/Moscow"
    assert zone_of({"TZ": "Etc/UTC"}, local) == "Europe/Moscow"
