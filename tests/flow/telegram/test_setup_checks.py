"""The checks find each fault of the bot and its chats, and change nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

import bridge
from bridge.config import Settings
from bridge.model.base import HOUR, Ms
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi import FREE_REACTIONS, SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.botapi.webhooks import Webhook
from bridge.telegram.posts.render import REACTIONS
from bridge.telegram.setup.checks import examine, report_at_start
from bridge.telegram.setup.findings import Finding, Level
from bridge.telegram.updates.intake import WEBHOOK_PATH
from tests.flow.telegram.team import ADMINS, GROUP, settings
from tests.proxies import HttpProxy, proxy
from tests.service import free_port

LISTEN: Ms = 2_000


@pytest.fixture
async def api() -> AsyncIterator[SimulatedBotApi]:
    async with SimulatedBotApi(clock=SystemClock()) as simulated:
        simulated.add_chat(GROUP, forum=True)
        simulated.add_chat(ADMINS, title="Admins")
        yield simulated


def configured(api: SimulatedBotApi, mode: str = "topics", **telegram: object) -> Settings:
    made = settings(api.url, mode=mode)
    return made.model_copy(update={"telegram": made.telegram.model_copy(update=telegram)})


async def found(value: Settings, *, may_poll: bool = True) -> dict[str, Finding]:
    return {each.what: each for each in await examine(value, SystemClock(), may_poll=may_poll, listen=0)}


async def wrong(value: Settings) -> dict[str, Level]:
    return {what: each.level for what, each in (await found(value)).items() if each.level is not Level.OK}


async def test_a_good_setup_is_reported_and_nothing_is_written(api: SimulatedBotApi) -> None:
    update_id = api.says(GROUP, "a message that waits for the bridge")
    seen = await found(configured(api))
    assert {each.level for each in seen.values()} == {Level.OK}
    assert set(seen) == {"bot", "clock", "polling_alone", "chat"}
    assert update_id
    assert len(api.updates.unconfirmed) == 1, "what waits must still wait"
    asked = {call.method for call in api.calls}
    assert asked == {"getMe", "getWebhookInfo", "getUpdates", "getChat", "getChatMember"}


async def test_without_a_token_no_request_is_made(api: SimulatedBotApi) -> None:
    assert await wrong(configured(api, token=SecretStr(""))) == {"token_missing": Level.WARNING}
    assert api.calls == []


async def test_a_token_that_was_revoked(api: SimulatedBotApi) -> None:
    api.unauthorised()
    assert await wrong(configured(api)) == {"token_refused": Level.FAULT}


async def test_telegram_that_cannot_be_reached(api: SimulatedBotApi) -> None:
    api.down()
    assert await wrong(configured(api)) == {"telegram_away": Level.FAULT}


async def test_a_proxy_that_refuses(api: SimulatedBotApi) -> None:
    async with proxy(HttpProxy, "bridge", "right") as way:
        seen = await found(configured(api, proxy=way.url.replace(":right@", ":wrong@")))
    assert list(seen) == ["proxy_away"]
    assert "wrong" not in seen["proxy_away"].sentence("en")


async def test_another_program_that_polls(api: SimulatedBotApi) -> None:
    """It is seen by its next poll, which ends ours."""
    asked = asyncio.create_task(examine(configured(api), SystemClock(), may_poll=True, listen=LISTEN))
    await api.wait_for(lambda: api.updates.polled)
    api.conflict()
    assert {each.what: each.level for each in await asked}["polling_conflict"] is Level.FAULT


async def test_beside_a_running_service_no_poll_is_made(api: SimulatedBotApi) -> None:
    assert "polling" in await found(configured(api), may_poll=False)
    assert api.calls_of("getUpdates") == []


@pytest.mark.parametrize("short", [1234567890, -1234567890])
async def test_an_id_without_its_beginning_is_named_in_full(api: SimulatedBotApi, short: int) -> None:
    made = configured(api)
    chats = {**made.telegram.chats, "support": made.telegram.chats["support"].model_copy(update={"id": short})}
    found = await wrong(made.model_copy(update={"telegram": made.telegram.model_copy(update={"chats": chats})}))
    assert found == {"chat_id_short": Level.FAULT}


async def test_a_webhook_of_another_program(api: SimulatedBotApi) -> None:
    api.updates.set_webhook("https://shop.example.org/secret-path", drop_pending=False)
    seen = await found(configured(api))
    assert seen["webhook_foreign"].level is Level.FAULT
    assert seen["webhook_foreign"].params == {"host": "shop.example.org"}


async def test_a_webhook_left_by_an_earlier_mode_is_no_fault(api: SimulatedBotApi) -> None:
    api.updates.set_webhook(f"https://sms.example.org{WEBHOOK_PATH}", drop_pending=False)
    assert await wrong(configured(api)) == {"webhook_left": Level.WARNING}
    assert api.updates.webhook_url, "the service removes it, not the check-up"


def called_at(api: SimulatedBotApi, public_url: str) -> Settings:
    made = configured(api, updates="webhook", webhook_secret=SecretStr("abc"))
    return made.model_copy(update={"web": made.web.model_copy(update={"public_url": public_url})})


async def test_the_webhook_mode(api: SimulatedBotApi) -> None:
    ours = called_at(api, "https://sms.example.org")
    assert await wrong(ours) == {"webhook_unset": Level.WARNING}
    api.updates.set_webhook("https://shop.example.org/", drop_pending=False)
    assert await wrong(ours) == {"webhook_elsewhere": Level.WARNING}
    api.updates.set_webhook(f"https://sms.example.org{WEBHOOK_PATH}", drop_pending=False)
    assert await wrong(ours) == {}


async def test_a_webhook_that_telegram_cannot_call(api: SimulatedBotApi) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    api.updates.set_webhook(url + WEBHOOK_PATH, drop_pending=False)
    api.webhook.set(Webhook(url=url + WEBHOOK_PATH, secret="", max_connections=1))
    api.says(GROUP, "hello")
    await api.wait_for(lambda: api.webhook.calls)
    seen = await found(called_at(api, url))
    assert seen["webhook_failing"].params == {"detail": "Connection refused", "waiting": 1}


Change = Callable[[SimulatedBotApi], object]

CHATS: list[tuple[str, Change, str, dict[str, Level]]] = [
    ("kicked", lambda api: api.change_bot(GROUP, "kicked"), "topics", {"chat_gone": Level.FAULT}),
    ("left", lambda api: api.change_bot(GROUP, "left"), "topics", {"chat_gone": Level.FAULT}),
    ("a member", lambda api: api.change_bot(GROUP, "member"), "topics", {"chat_not_admin": Level.FAULT}),
    ("a member who hears all", lambda api: api.change_bot(GROUP, "member"), "replies", {}),
]


@pytest.mark.parametrize(("name", "change", "mode", "expected"), CHATS, ids=[each[0] for each in CHATS])
async def test_what_the_bot_is_in_a_chat(
    api: SimulatedBotApi, name: str, change: Change, mode: str, expected: dict[str, Level]
) -> None:
    change(api)
    assert await wrong(configured(api, mode)) == expected


async def test_an_unknown_chat_names_the_id_to_correct(api: SimulatedBotApi) -> None:
    del api.chats[GROUP]
    seen = await found(configured(api))
    assert seen["chat_gone"].params["id"] == GROUP
    sentence = seen["chat_gone"].sentence("ru")
    assert f"({GROUP}) боту недоступен: чат неизвестен, или бота в нём нет («" in sentence


async def test_a_group_without_topics(api: SimulatedBotApi) -> None:
    api.chats[GROUP].forum = False
    assert await wrong(configured(api)) == {"chat_not_forum": Level.FAULT}
    assert await wrong(configured(api, "replies")) == {}


async def test_an_administrator_who_may_not_make_topics(api: SimulatedBotApi) -> None:
    api.chats[GROUP].can_manage_topics = False
    assert await wrong(configured(api)) == {"chat_no_topics_right": Level.FAULT}


@pytest.mark.parametrize(("mode", "level"), [("topics", Level.FAULT), ("replies", Level.WARNING)])
async def test_privacy_mode_makes_a_plain_member_deaf(mode: str, level: Level) -> None:
    async with SimulatedBotApi(clock=SystemClock(), options=ServerOptions(privacy=True)) as api:
        api.add_chat(GROUP, forum=True, bot_is="member")
        api.add_chat(ADMINS)
        seen = await found(configured(api, mode))
        assert seen["chat_deaf"].level is level
        api.chats[GROUP].bot_is = "administrator"
        assert "chat_deaf" not in await found(configured(api, mode))


async def test_reactions_that_a_chat_does_not_allow(api: SimulatedBotApi) -> None:
    api.chats[GROUP].reactions = ("👍", "👀")
    seen = await found(configured(api))
    assert seen["chat_reactions"].level is Level.WARNING
    assert set(str(seen["chat_reactions"].params["missing"]).split()) == REACTIONS - {"👍", "👀"}
    assert set(FREE_REACTIONS) >= REACTIONS


async def test_a_group_that_moved_is_looked_at_where_it_is(api: SimulatedBotApi) -> None:
    api.migrate(GROUP, GROUP - 1, forum=False)
    assert await wrong(configured(api)) == {"chat_moved": Level.WARNING, "chat_not_forum": Level.FAULT}


class Wrong(SystemClock):
    def now(self) -> Ms:
        return super().now() + HOUR


async def test_a_clock_that_is_wrong(api: SimulatedBotApi) -> None:
    seen = await examine(configured(api), Wrong(), may_poll=False)
    [clock] = [each for each in seen if each.what == "clock_off"]
    assert abs(int(str(clock.params["seconds"])) - 3600) <= 2


async def test_every_finding_has_words_in_both_languages() -> None:
    named: set[str] = set()
    for path in Path(bridge.__file__).parent.rglob("*.py"):
        text = path.read_text("utf-8")
        if "findings import" in text:
            named |= set(
                re.findall(r'(?:(?<!log\.)\b(?:ok|warning|fault|found)|topics else warning\))\(\s*"([a-z_]+)"', text)
            )
            named |= set(re.findall(r'"(proxy_away|telegram_away)"', text))
    assert len(named) > 35
    for language in ("ru", "en"):
        for what in named:
            sentence = Finding(what=what, level=Level.OK).sentence(language)
            assert not sentence.startswith("doctor."), what


async def test_the_short_form_at_a_start_waits_for_telegram_and_only_logs(
    api: SimulatedBotApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.chats[GROUP].forum = False
    await report_at_start(configured(api), SystemClock())
    told = capsys.readouterr().out
    assert "chat_not_forum" in told
    assert "Turn topics on" in told
    assert api.calls_of("getUpdates") == []
    assert api.token not in told


@pytest.mark.parametrize("left", [True, False])
async def test_a_start_says_nothing_of_the_webhook_that_it_is_about_to_set_or_remove(
    api: SimulatedBotApi, capsys: pytest.CaptureFixture[str], left: bool
) -> None:
    made = configured(api) if left else configured(api, updates="webhook")
    if left:
        api.updates.set_webhook(f"https://sms.example.org{WEBHOOK_PATH}", drop_pending=False)
    await report_at_start(made, SystemClock())
    assert "webhook" not in capsys.readouterr().out
