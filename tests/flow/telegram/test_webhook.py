"""Updates by webhook: stored before the answer 200, each once, only with the secret, none lost on a change of mode."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from bridge.app.running import running
from bridge.app.service import Bridge
from bridge.config import Settings
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.model.sms import SmsState
from bridge.sandbox.botapi import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from bridge.telegram.client.api import ALLOWED_UPDATES
from bridge.telegram.updates.intake import WEBHOOK_PATH
from bridge.web.webhook import MAX_UPDATE, SECRET_HEADER
from tests.clock import ManualClock
from tests.flow.telegram.team import ADMINS, GROUP, locked
from tests.service import free_port

SECRET = "a-Secret_of-Telegram"
RULES = "rules:\n  - name: everything-else\n    forward: support\n"


class House:
    """The whole service, its listeners too, on a port that stays the same over restarts."""

    def __init__(self, folder: Path, *, local: bool = True) -> None:
        self.clock = ManualClock()
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{WEBHOOK_PATH}"
        self.api = SimulatedBotApi(
            clock=self.clock, options=ServerOptions(local=local, group_budget=None, global_per_second=None)
        )
        self.platform = SimulatedPlatform(clock=self.clock, account=SimulatedAccount(sender_names=None))
        self.api.add_chat(GROUP)
        self.api.add_chat(ADMINS, title="Admins")
        self._stack = AsyncExitStack()
        self._bridge: Bridge | None = None

    def settings(self, updates: str) -> Settings:
        rules = self.folder / "rules"
        rules.mkdir(exist_ok=True)
        (rules / "rules.yaml").write_text(RULES, encoding="utf-8")
        account = {"url": self.platform.url, "login": "demo", "password": "demo", "sender": "MyShop", "rate": "off"}
        telegram: dict[str, object] = {
            "token": self.api.token,
            "api_url": self.api.url,
            "updates": updates,
            "webhook_secret": SECRET,
            "language": "en",
            "chats": {"support": {"id": GROUP}, "admins": {"id": ADMINS}},
            "default_chat": "support",
            "admin_chat": "admins",
        }
        return Settings.model_validate(
            {
                "file": self.folder / "config.yaml",
                "server": {"port": 0, "shutdown": "1s"},
                "web": {"port": self.port, "public_url": f"http://127.0.0.1:{self.port}"},
                "accounts": {"main": {**account, "balance": {"every": "off"}}},
                "telegram": telegram,
                "storage": {"url": "sqlite:///bridge.db"},
            }
        )

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    async def start(self, updates: str = "webhook") -> None:
        self._bridge = await self._stack.enter_async_context(running(self.settings(updates), self.clock))

    async def stop(self) -> None:
        self._bridge = None
        await self._stack.aclose()

    async def until(self, holds: Callable[[], object], within_s: float = 15, *, step: Ms = 500) -> None:
        """Let time run in such steps until it holds."""
        async with asyncio.timeout(within_s):
            while True:
                value = holds()
                if await value if asyncio.iscoroutine(value) else value:
                    return
                try:
                    await self.api.wait_for(lambda: False, timeout_s=0.01)
                except TimeoutError:
                    await self.clock.advance(step)

    async def texted(self, text: str) -> int:
        """A subscriber writes; the id of what the team sees of it."""
        await self.platform.send_callback(self.bridge.callback_url, text=text, sender="79083730330", receiver="1234")
        found: list[int] = []

        def shown() -> bool:
            found[:] = [post.id for post in self.api.chats[GROUP].from_bot if text in post.text]
            return bool(found)

        await self.until(shown)
        return found[0]

    async def sms(self) -> list[str]:
        return [sms.text for sms in await self.bridge.store.list_sms(list(SmsState), limit=100)]

    async def has_sms(self, *texts: str) -> None:
        async def there() -> bool:
            return sorted(await self.sms()) == sorted(texts)

        await self.until(there)

    def warned(self, words: str) -> bool:
        return any(words in post.text for post in self.api.chats[ADMINS].from_bot)


@asynccontextmanager
async def at_home(folder: Path, updates: str = "webhook") -> AsyncIterator[House]:
    house = House(folder)
    async with AsyncExitStack() as stack:
        await house.api.start()
        stack.push_async_callback(house.api.stop)
        await house.platform.start()
        stack.push_async_callback(house.platform.stop)
        stack.push_async_callback(house.stop)
        await house.start(updates)
        yield house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with at_home(tmp_path) as built:
        await built.until(lambda: built.api.webhook.webhook)
        yield built


async def called(house: House, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(house.url, data=body, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_a_reply_that_telegram_brings_goes_out(house: House) -> None:
    post = await house.texted("Where is my order?")
    house.api.says(GROUP, "On its way", reply_to=post)
    await house.has_sms("On its way")
    assert not house.api.calls_of("getUpdates")
    assert house.api.updates.unconfirmed == []
    [told] = house.api.calls_of("setWebhook")
    assert told.params["secret_token"] == SECRET
    assert json.loads(told.params["allowed_updates"]) == list(ALLOWED_UPDATES)
    assert told.params.get("drop_pending_updates") in (None, "False", "false")


async def test_an_update_that_telegram_brings_again_has_no_second_effect(house: House) -> None:
    post = await house.texted("Where is my order?")
    house.api.webhook.lose_answers(2)
    house.api.says(GROUP, "On its way", reply_to=post)
    await house.until(lambda: not house.api.updates.unconfirmed)
    house.api.says(GROUP, "Till six", reply_to=post)
    await house.has_sms("On its way", "Till six")
    assert [status for _, status in house.api.webhook.calls] == [200] * 4


async def test_an_update_that_cannot_be_stored_is_refused(house: House, tmp_path: Path) -> None:
    post = await house.texted("Where is my order?")
    await house.until(lambda: not house.api.updates.unconfirmed)
    with locked(tmp_path):
        house.api.says(GROUP, "On its way", reply_to=post)
        await house.until(lambda: any(status == 503 for _, status in house.api.webhook.calls), within_s=40)
        assert house.api.updates.unconfirmed
    await house.has_sms("On its way")


STRANGERS: list[dict[str, str]] = [
    {},
    {SECRET_HEADER: ""},
    {SECRET_HEADER: SECRET[:-1]},
    {SECRET_HEADER: SECRET + "x"},
    {SECRET_HEADER: SECRET.upper()},
    {"Authorization": SECRET},
]


@pytest.mark.parametrize("headers", STRANGERS)
async def test_a_request_without_the_secret_is_refused(house: House, headers: dict[str, str]) -> None:
    status, _ = await called(house, json.dumps({"update_id": 5}).encode(), headers)
    assert status == 403
    assert (await house.bridge.store.queue_status()).updates_pending == 0
    assert not await house.bridge.store.pending_updates(house.api.bot.id, limit=5)


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"update_id": "5"}',
    b'{"update_id": true}',
    b'{"update_id": -1}',
    b'{"update_id": 99999999999999999999}',
    b'{"message": {}}',
    "{“update_id”: 5}".encode("cp1251", "replace"),
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:20]))
async def test_a_body_that_is_no_update_is_refused(house: House, body: bytes) -> None:
    status, said = await called(house, body, {SECRET_HEADER: SECRET})
    assert (status, said) == (400, b"bad request\n")
    post = await house.texted("Where is my order?")
    house.api.says(GROUP, "On its way", reply_to=post)
    await house.has_sms("On its way")
    assert (await house.bridge.store.queue_status()).updates_parked == 0


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_without_end_is_not_read(house: House, announced: bool) -> None:
    body = b'{"update_id": 5, "x": "' + b"x" * MAX_UPDATE + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(
                house.url, data=BytesIO(body) if announced else pieces(), headers={SECRET_HEADER: SECRET}
            ) as answer:
                assert answer.status == 413
        except aiohttp.ClientConnectionError:
            pass  # hung up on while still sending, which is as good
    assert not await house.bridge.store.pending_updates(house.api.bot.id, limit=5)


async def test_other_methods_and_other_paths_are_not_found(house: House) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(house.url) as answer:
            assert answer.status == 405
        async with session.post(house.bridge.callback_url, data=b"{}", headers={SECRET_HEADER: SECRET}) as answer:
            assert answer.status == 405
        async with session.post(f"http://127.0.0.1:{house.bridge.callback_port}{WEBHOOK_PATH}", data=b"{}") as answer:
            assert answer.status == 405


async def test_a_change_of_mode_loses_nothing_in_either_direction(tmp_path: Path) -> None:
    async with at_home(tmp_path) as house:
        post = await house.texted("Where is my order?")
        await house.stop()
        house.api.says(GROUP, "while away", reply_to=post)
        await house.until(lambda: house.api.webhook.calls)
        await house.start("polling")
        await house.has_sms("while away")
        assert house.api.updates.webhook_url == ""
        assert not house.warned("webhook")
        await house.stop()
        house.api.says(GROUP, "while away again", reply_to=post)
        await house.start("webhook")
        await house.has_sms("while away", "while away again")
        assert house.api.updates.webhook_url == house.url


async def test_another_programs_webhook_is_left_alone_and_reported(tmp_path: Path) -> None:
    async with at_home(tmp_path, "polling") as house:
        await house.until(lambda: house.api.updates.polled)
        async with aiohttp.ClientSession() as session:
            other = {"url": "https://shop.example.org/hook"}
            await session.post(f"{house.api.base_url}{house.api.token}/setWebhook", json=other)
        await house.until(lambda: house.warned("shop.example.org"))
        assert house.api.updates.webhook_url == other["url"]
        assert not house.api.calls_of("deleteWebhook")
        async with aiohttp.ClientSession() as session:
            await session.post(f"{house.api.base_url}{house.api.token}/deleteWebhook")
        await house.until(lambda: house.warned("foreign webhook is gone"))


async def test_calls_of_telegram_that_fail_are_reported_once_with_an_all_clear(house: House) -> None:
    await house.until(lambda: house.bridge.telegram and house.bridge.telegram.health().connected)
    real = house.api.webhook.webhook
    assert real is not None
    working, real.url = real.url, f"http://127.0.0.1:{free_port()}/"
    house.api.says(GROUP, "hello")
    await house.until(lambda: house.warned("cannot call"), within_s=30, step=5 * SECOND)
    assert any("Connection refused" in post.text for post in house.api.chats[ADMINS].from_bot)
    began = house.clock.now()
    await house.until(lambda: house.clock.now() > began + 3 * MINUTE)
    real.url = working
    await house.until(lambda: house.warned("calls the address in web.public_url again"))
    assert sum("cannot call" in post.text for post in house.api.chats[ADMINS].from_bot) == 1


async def test_a_webhook_that_was_removed_is_set_again_and_reported(house: House) -> None:
    await house.until(lambda: house.bridge.telegram and house.bridge.telegram.health().connected)
    async with aiohttp.ClientSession() as session:
        await session.post(f"{house.api.base_url}{house.api.token}/deleteWebhook")
    await house.until(lambda: house.warned("Another program takes"), within_s=30, step=5 * SECOND)
    assert house.api.updates.webhook_url == house.url
    await house.until(lambda: house.warned("Nobody else takes"), within_s=60, step=5 * SECOND)


async def test_an_address_that_telegram_refuses_is_reported(tmp_path: Path) -> None:
    house = House(tmp_path, local=False)  # as Telegram's own servers: https only
    async with house.api, AsyncExitStack() as stack:
        await house.platform.start()
        stack.push_async_callback(house.platform.stop)
        stack.push_async_callback(house.stop)
        await house.start()
        await house.until(lambda: house.warned("refuses to give messages"))


async def test_a_start_with_telegram_away_sets_the_webhook_later(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.api, AsyncExitStack() as stack:
        await house.platform.start()
        stack.push_async_callback(house.platform.stop)
        stack.push_async_callback(house.stop)
        house.api.down()
        await house.start()
        before = house.clock.now()
        await house.until(lambda: house.clock.now() > before + 10 * SECOND)
        house.api.up()
        post = await house.texted("Where is my order?")
        house.api.says(GROUP, "On its way", reply_to=post)
        await house.has_sms("On its way")


async def test_an_update_brought_by_the_webhook_counts_as_having_heard_telegram(house: House) -> None:
    side = house.bridge.telegram
    assert side is not None
    await house.until(lambda: side.health().heard_at)
    house.api.down()
    update: Json = {"update_id": 5}
    await house.clock.advance(5 * SECOND)
    status, _ = await called(house, json.dumps(update).encode(), {SECRET_HEADER: SECRET})
    assert status == 200
    assert side.health().heard_at == house.clock.now()
