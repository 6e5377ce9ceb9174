"""Rules that change while the service runs: good ones are in force soon, bad ones change nothing and are told of."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model.base import InboundId
from bridge.sandbox.platform import SimulatedPlatform
from tests.clock import ManualClock
from tests.flow.harness import ADMINS, RULES, World, world
from tests.processes import sms_bridge
from tests.service import Service

NEW = RULES.replace("Работаем с 9 до 18.", "Работаем с 10 до 19.")
BROKEN = NEW.replace("drop: true", "drop: maybe")
FAILING = NEW + "tests: [{name: an old promise, sms: {text: часы}, expect: {reply_contains: с 9}}]\n"


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, clock=ManualClock()) as running:
        yield running


def write(around: World, text: str, file: str = "rules.yaml") -> None:
    """As an editor does it that nobody can catch half-way."""
    written = around.folder / "new"
    written.write_text(text, "utf-8")
    os.replace(written, around.folder / "rules" / file)


async def another_version(around: World, before: str) -> str:
    await around.until(lambda: around.bridge.rules.version != before)
    return around.bridge.rules.version


async def look(around: World) -> None:
    """As often as a change needs to be seen and loaded."""
    for _ in range(3):
        await around.bridge.reloader.step()


def said(around: World) -> list[str]:
    return [message.text for message in around.admins.from_bot]


async def test_a_changed_file_is_in_force_and_each_message_names_its_version(around: World) -> None:
    first = around.bridge.rules.version
    await around.text("часы")
    write(around, NEW)
    second = await another_version(around, first)
    await around.text("часы")
    await around.until(lambda: around.platform.taken == 2)
    assert [sms.text for sms in around.platform.book] == ["Работаем с 9 до 18.", "Работаем с 10 до 19."]
    stored = [await around.bridge.store.get_inbound(InboundId(number)) for number in (1, 2)]
    assert [row.rules_version for row in stored if row is not None] == [first, second]
    assert not said(around)


async def test_a_bad_file_leaves_the_old_rules_in_force_and_is_told_once_with_its_end(around: World) -> None:
    first = around.bridge.rules.version
    write(around, BROKEN)
    told = await around.post("rules.yaml:10:11", ADMINS)
    assert "true или false" in told.text or "true or false" in told.text
    await look(around)
    write(around, BROKEN + "# still wrong\n")
    await look(around)
    assert around.bridge.rules.version == first
    await around.text("часы")
    await around.until(lambda: around.platform.taken == 1)
    assert around.platform.book[0].text == "Работаем с 9 до 18."
    write(around, NEW)
    second = await another_version(around, first)
    await around.post(second, ADMINS)
    assert len(said(around)) == 2


async def test_rules_whose_own_tests_fail_are_not_loaded(around: World) -> None:
    write(around, FAILING)
    told = await around.post("rules.yaml:", ADMINS)
    assert "an old promise" in told.text
    done = await around.bridge.reloader.reload()
    assert [problem.path for problem in done.problems] == ["tests[0].expect"]
    assert not done.changed


async def test_a_complaint_of_the_last_run_ends_with_a_start_on_good_rules(around: World) -> None:
    write(around, BROKEN)
    await around.post("rules.yaml:10:11", ADMINS)
    await around.stop()
    write(around, RULES)
    await around.restart()
    await around.until(lambda: len(said(around)) == 2)
    assert around.bridge.rules.version in said(around)[1]


async def test_files_that_come_and_go_count(around: World) -> None:
    first = around.bridge.rules.version
    write(around, "rules: [{name: more, when: {keyword: ещё}, reply: Да.}]\n", "05-more.yaml")
    second = await another_version(around, first)
    assert around.bridge.rules.rules[0].name == "more"
    (around.folder / "rules" / "05-more.yaml").unlink()
    assert await another_version(around, second) == first


async def test_a_folder_that_is_a_link_to_another_one_now_is_seen(tmp_path: Path) -> None:
    releases = [tmp_path / name for name in ("one", "two")]
    for release, text in zip(releases, (RULES, NEW), strict=True):
        release.mkdir()
        (release / "rules.yaml").write_text(text, "utf-8")
    async with world(tmp_path, clock=ManualClock(), start=False) as around:
        link = tmp_path / "link"
        link.symlink_to(releases[0])
        around.settings = around.settings.model_copy(update={"rules": link})
        await around.start()
        first = around.bridge.rules.version
        (tmp_path / "next").symlink_to(releases[1])
        os.replace(tmp_path / "next", link)
        await another_version(around, first)


async def test_a_file_that_is_still_being_written_is_left_alone(around: World) -> None:
    reloader = around.bridge.reloader
    await around.bridge.stop("rules")  # this test looks instead of the loop
    first = reloader.rules.version
    for end in range(10, len(NEW), 40):
        write(around, NEW[:end])
        await reloader.step()
    write(around, NEW)
    await reloader.step()
    assert reloader.rules.version == first
    assert not said(around)
    await reloader.step()
    assert reloader.rules.version != first


async def test_touching_a_file_changes_nothing(around: World) -> None:
    first = around.bridge.rules.version
    write(around, RULES)
    await look(around)
    done = await around.bridge.reloader.reload()
    assert (done.changed, done.version) == (False, first)


async def test_a_folder_that_went_away_leaves_the_rules_in_force(around: World) -> None:
    first = around.bridge.rules.version
    (around.folder / "rules").rename(around.folder / "elsewhere")
    await around.post("no such folder", ADMINS)
    assert around.bridge.rules.version == first


@pytest.mark.parametrize("left", [None, "rules: []\n"])
async def test_a_folder_without_rules_leaves_the_old_ones_in_force(around: World, left: str | None) -> None:
    first = around.bridge.rules.version
    if left is None:
        (around.folder / "rules" / "rules.yaml").unlink()
    else:
        write(around, left)
    await around.post("no rules are left", ADMINS)
    assert around.bridge.rules.version == first
    write(around, RULES)
    await around.post("Правила загружены", ADMINS)


# ------------------------------------------------ by command and by signal


@pytest.fixture
async def service(tmp_path: Path, platform: SimulatedPlatform) -> AsyncIterator[Service]:
    made = Service(tmp_path, platform, None)
    yield made
    await made.close()


def rules_of(service: Service) -> Path:
    return service.folder / "rules" / "rules.yaml"


async def test_the_command_says_what_is_in_force_or_what_is_wrong(service: Service) -> None:
    config = ("-c", str(service.config))
    alone = await sms_bridge("reload", *config)
    assert (alone.code, "no service is running" in alone.err) == (1, True)
    await service.start()
    good = await sms_bridge("reload", *config)
    assert (good.code, "as before" in good.err) == (0, True)
    rules_of(service).write_text("rules: [{name: echo, replay: да}]\n", "utf-8")
    bad = await sms_bridge("reload", *config)
    assert bad.code == 1
    assert "rules.yaml:1:22" in bad.out
    assert "reply" in bad.out
    values = (await sms_bridge("reload", "--json", *config)).json()
    assert isinstance(values, dict)
    assert (values["loaded"], values["changed"], len(values["mistakes"])) == (False, False, 1)


async def test_a_hangup_loads_the_rules_and_says_that_the_configuration_is_not(service: Service) -> None:
    await service.start()
    with service.config.open("a", encoding="utf-8") as file:
        file.write("# a word more\n")
    os.kill(service.pid, signal.SIGHUP)
    await service.until_logged("rules_loaded")
    assert [event["event"] for event in service.events()].count("config_not_reloaded") == 1
    assert await service.stop() == 0
