"""Processes on one database: by kind, and told of each other's orders; and what cannot be split."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner

from bridge.cli import main
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.platform import SimulatedPlatform
from tests import postgres
from tests.service import LOOK_AGAIN, SUPPORT, Service


@postgres.needs_postgres
async def test_one_process_takes_callbacks_and_another_answers_and_shows_them(tmp_path: Path) -> None:
    clock = SystemClock()
    platform = SimulatedPlatform(clock=clock, sender_names=None)
    telegram = SimulatedBotApi(clock=clock, group_budget=None, global_per_second=None, local=True)
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
        brought = await platform.bring(takes.callback_url, text="эхо раз", sender="79001112233")
        assert brought.acknowledged
        # Nobody answers it yet: the process that would is not there.
        assert postgres.rows(store["storage"]["url"], "SELECT state FROM inbound") == [("new",)]
        await does.start()
        await platform.bring(takes.callback_url, text="Вопрос", sender="79001112233")
        await platform.wait_for(lambda each: each.taken == 1, 30)
        await telegram.wait_for(lambda: any("Вопрос" in post.text for post in telegram.chats[SUPPORT].from_bot), 30)
        assert [sms.text for sms in platform.book] == ["Ответ раз"]
        taken = postgres.rows(store["storage"]["url"], "SELECT count(*) FROM bridge WHERE roles = 'intake'")
        assert taken == [(1,)]
    finally:
        for service in services:
            await service.close()
        await telegram.stop()
        await platform.stop()


@postgres.needs_postgres
async def test_an_order_to_load_the_rules_is_followed_by_all(tmp_path: Path) -> None:
    platform = SimulatedPlatform(clock=SystemClock(), sender_names=None)
    await platform.start()
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
        await platform.stop()


def test_an_sqlite_store_is_one_processs_and_roles_have_names(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("accounts: {main: {login: demo, password: demo, sender: MyShop}}\n", encoding="utf-8")
    for roles, words in (("intake", "an SQLite store belongs to one process"), ("sender,cook", "no such role: cook")):
        done = CliRunner().invoke(main, ["run", "-c", str(config), "--roles", roles])
        assert (done.exit_code, words in done.output) == (2, True), done.output
