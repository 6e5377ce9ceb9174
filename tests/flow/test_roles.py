"""Processes on one database: by kind, and told of each other's orders; and what cannot be split."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bridge.app.sending import open_sending
from bridge.cli import main
from bridge.cli.service import nodes
from bridge.config import load
from bridge.pipeline.clock import SystemClock
from bridge.pipeline.cluster import SENDER
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from bridge.web.admin import service_sockets
from bridge.web.health import NOT_HERE
from tests import postgres
from tests.service import LOOK_AGAIN, SUPPORT, Service, free_port


@postgres.needs_postgres
async def test_one_process_takes_callbacks_and_another_answers_and_shows_them(tmp_path: Path) -> None:
    clock = SystemClock()
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None))
    telegram = SimulatedBotApi(
        clock=clock, options=ServerOptions(group_budget=None, global_per_second=None, local=True)
    )
    telegram.add_chat(SUPPORT, forum=True)
    await platform.start()
    await telegram.start()
    store = {"storage": {"url": await postgres.schema_of(tmp_path)}}
    services = []
    for roles in ("intake", "router,sender,telegram,status"):
        folder = tmp_path / roles[:6]
        folder.mkdir()
        services.append(Service(folder, platform, telegram, settings=store, roles=roles))
    takes, does = services
    try:
        await takes.start()
        brought = await platform.send_callback(takes.callback_url, text="эхо раз", sender="79001112233")
        assert brought.acknowledged
        # Nobody answers it yet: the process that would is not there.
        assert postgres.rows(store["storage"]["url"], "SELECT state FROM inbound") == [("new",)]
        await does.start()
        await platform.send_callback(takes.callback_url, text="Вопрос", sender="79001112233")
        await platform.wait_for(lambda each: each.taken == 1, 30)
        await telegram.wait_for(lambda: any("Вопрос" in post.text for post in telegram.chats[SUPPORT].from_bot), 30)
        assert [sms.text for sms in platform.book] == ["Ответ раз"]
        taken = postgres.rows(store["storage"]["url"], "SELECT count(*) FROM node WHERE roles = 'intake'")
        assert taken == [(1,)]
    finally:
        for service in services:
            await service.close()
        await telegram.stop()
        await platform.stop()


@postgres.needs_postgres
async def test_processes_of_one_machine_share_a_configuration_and_commands_find_any_of_them(tmp_path: Path) -> None:
    clock = SystemClock()
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None))
    telegram = SimulatedBotApi(
        clock=clock, options=ServerOptions(group_budget=None, global_per_second=None, local=True)
    )
    telegram.add_chat(SUPPORT, forum=True)
    await platform.start()
    await telegram.start()
    settings: Mapping[str, Mapping[str, object]] = {
        "storage": {"url": await postgres.schema_of(tmp_path)},
        "server": {"port": free_port()},
        "web": {"port": "${WEB_PORT}"},
    }
    ports = [str(free_port()) for _ in range(3)]
    services = [
        Service(tmp_path, platform, telegram, settings=settings, roles=roles, environment={"WEB_PORT": port})
        for roles, port in zip(("intake", "telegram", "router,sender,status"), ports, strict=True)
    ]
    takes, talks, does = services
    config, env = ("-c", str(takes.config)), {"WEB_PORT": ports[0]}

    async def sms_bridge(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, [*words, *config], env=env)

    try:
        for service in services:
            await service.start()
        await telegram.wait_for(lambda: telegram.calls_of("getUpdates"), 30)
        said = json.loads((await sms_bridge("status", "--json")).stdout)
        assert said["running"]
        assert said["live"]["telegram"].startswith("ok"), "of those that could say, the one who knows"
        roles = sorted(each["roles"] for each in said["bridges"])
        assert roles == [["intake"], ["router", "sender", "status"], ["telegram"]]
        found = await sms_bridge("doctor", "--language", "en")
        assert "link to Telegram: it stands" in found.output, found.output
        for service in (takes, talks):
            await service.kill()
            assert (await sms_bridge("reload")).exit_code == 0
        sent = await sms_bridge("send", "79001112233", "Раз")
        assert (sent.exit_code, [sms.text for sms in platform.book]) == (0, ["Раз"]), sent.output
        said = json.loads((await sms_bridge("status", "--json")).stdout)
        assert said["live"]["telegram"] == NOT_HERE
        await does.stop()
        assert not json.loads((await sms_bridge("status", "--json")).stdout)["running"]
        assert service_sockets(load(takes.config, env)) == [], "nothing is left, not even of those that were killed"
    finally:
        for service in services:
            await service.close()
        await telegram.stop()
        await platform.stop()


@postgres.needs_postgres
async def test_a_command_where_no_bridge_runs_tells_those_that_share_the_store(
    tmp_path: Path, platform: SimulatedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {"storage": {"url": await postgres.schema_of(tmp_path)}}
    service = Service(tmp_path, platform, None, settings=store)
    (tmp_path / "elsewhere").mkdir()
    try:
        await service.start()
        # Another machine: its temporary directory is another one.
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
        config = ("-c", str(service.config))
        sent = await asyncio.to_thread(CliRunner().invoke, main, ["send", "79001112233", "Раз", *config])
        assert sent.exit_code == 0, sent.output
        await service.until_logged("sms_accepted")
        found = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--language", "en", *config])
        assert "No bridge of this user runs on this machine. These share the store" in found.output
        said = await asyncio.to_thread(CliRunner().invoke, main, ["status", *config])
        assert "no service of this user is running on this machine" in said.output
    finally:
        await service.close()


@postgres.needs_postgres
@pytest.mark.parametrize("left", ["killed", "roles"])
async def test_send_does_it_itself_once_no_sender_is_left(
    tmp_path: Path, platform: SimulatedPlatform, left: str
) -> None:
    store = {"storage": {"url": await postgres.schema_of(tmp_path)}}
    service = Service(tmp_path, platform, None, settings=store, roles="intake,router" if left == "roles" else "")
    try:
        await service.start()
        if left == "killed":
            await service.kill()
            assert any(SENDER in member.roles for member in await nodes(load(service.config, {}))), "for some seconds"
        words = ["send", "79001112233", "Раз", "-c", str(service.config)]
        sent = await asyncio.to_thread(CliRunner().invoke, main, words)
        assert (sent.exit_code, [sms.text for sms in platform.book]) == (0, ["Раз"]), sent.output
        assert postgres.rows(store["storage"]["url"], "SELECT state FROM sms") == [("sent",)]
    finally:
        await service.close()


@postgres.needs_postgres
async def test_send_does_it_itself_once_another_command_that_sent_has_gone(
    tmp_path: Path, platform: SimulatedPlatform
) -> None:
    url = await postgres.schema_of(tmp_path)
    service = Service(tmp_path, platform, None, settings={"storage": {"url": url}})
    try:
        async with open_sending(load(service.config, {}), roles=frozenset({SENDER})):
            words = ["send", "79001112233", "Раз", "-c", str(service.config)]
            command = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, main, words))
            async with asyncio.timeout(30):
                while postgres.rows(url, "SELECT state FROM sms") != [("queued",)]:
                    await asyncio.sleep(LOOK_AGAIN)
        sent = await command
        assert (sent.exit_code, [sms.text for sms in platform.book]) == (0, ["Раз"]), sent.output
    finally:
        await service.close()


@postgres.needs_postgres
async def test_a_command_means_what_its_own_configuration_says_whichever_process_it_asks(
    tmp_path: Path, platform: SimulatedPlatform
) -> None:
    service = Service(tmp_path, platform, None, settings={"storage": {"url": await postgres.schema_of(tmp_path)}})
    config = yaml.safe_load(service.config.read_text())
    account = config["accounts"]["main"]

    async def sms_bridge(*words: str, **changed: object) -> Result:
        own = tmp_path / "own.yaml"
        own.write_text(yaml.safe_dump({**config, **changed}))
        return await asyncio.to_thread(CliRunner().invoke, main, [*words, "-c", str(own)])

    try:
        await service.start()
        # A number as it is written in Germany; the process asked counts it among the Russian ones.
        sent = await sms_bridge("send", "0151 23456789", "Раз", region="DE")
        assert (sent.exit_code, [sms.recipient for sms in platform.book]) == (0, ["4915123456789"]), sent.output
        shop = await sms_bridge("send", "79001112233", "Раз", accounts={"shop": account})
        assert f"there is no account 'shop' in {service.config}; configured: main" in shop.output
        which = await sms_bridge(
            "send", "79001112233", "Раз", accounts={"main": account, "shop": {**account, "callback": {"path": "/shop"}}}
        )
        assert "which account?" in which.output
        loaded = await sms_bridge("reload")
        assert f"no service with {tmp_path / 'own.yaml'} is running here" in loaded.output
        assert [each.exit_code for each in (shop, which, loaded)] == [1, 1, 1]
        assert len(platform.book) == 1
    finally:
        await service.close()


@postgres.needs_postgres
async def test_an_order_to_load_the_rules_is_followed_by_all(tmp_path: Path, platform: SimulatedPlatform) -> None:
    store = {"storage": {"url": await postgres.schema_of(tmp_path)}}
    services = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        services.append(Service(tmp_path / name, platform, None, settings=store))
    one, two = services
    try:
        await one.start()
        await two.start()
        async with asyncio.timeout(30):
            while not any(event.get("alive") == 2 for event in one.events()):  # else there is nobody to tell
                await asyncio.sleep(LOOK_AGAIN)
        done = await asyncio.to_thread(CliRunner().invoke, main, ["reload", "-c", str(one.config)])
        assert done.exit_code == 0, done.output
        await one.until_logged("rules_loaded")
        await two.until_logged("rules_loaded")
    finally:
        for service in services:
            await service.close()


def test_an_sqlite_store_is_one_processs_and_roles_have_names(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("accounts: {main: {login: demo, password: demo, sender: MyShop}}\n", encoding="utf-8")
    for roles, words in (("intake", "an SQLite store belongs to one process"), ("sender,cook", "no such role: cook")):
        done = CliRunner().invoke(main, ["run", "-c", str(config), "--roles", roles])
        assert (done.exit_code, words in done.output) == (2, True), done.output
