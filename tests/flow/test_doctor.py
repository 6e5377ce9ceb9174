"""``sms-bridge doctor`` as a person and a script use it: a separate process, beside a service and without one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.platform import SimulatedPlatform
from tests.clock import ShortWaits
from tests.processes import Result, sms_bridge
from tests.service import SUPPORT, Service, free_port

SECRET = "callback-secret-of-this-test"


@pytest.fixture
async def telegram() -> AsyncIterator[SimulatedBotApi]:
    async with SimulatedBotApi(clock=ShortWaits()) as api:
        api.add_chat(SUPPORT, forum=True)
        yield api


@pytest.fixture
async def service(tmp_path: Path, platform: SimulatedPlatform, telegram: SimulatedBotApi) -> AsyncIterator[Service]:
    made = Service(tmp_path, platform, telegram, callback={"secret": SECRET})
    yield made
    await made.close()


async def asked(service: Service, *words: str) -> Result:
    return await sms_bridge("doctor", "-c", str(service.config), *words)


async def levels(service: Service) -> dict[str, str]:
    result = await asked(service, "--json")
    found = result.json()
    assert isinstance(found, list)
    assert result.code == (1 if any(each["level"] == "fault" for each in found) else 0)
    return {each["finding"]: each["level"] for each in found}


async def test_beside_a_running_service_it_finds_all_well_and_disturbs_nothing(
    service: Service, platform: SimulatedPlatform, telegram: SimulatedBotApi
) -> None:
    await service.start()
    await telegram.wait_for(lambda: telegram.updates.polled)
    result = await asked(service, "--language", "en")
    assert result.code == 0, result.out + result.err
    assert "path and secret fit, nothing was stored" in result.out
    assert "All is well." in result.err
    for secret in (SECRET, telegram.token, "demo"):
        assert secret not in result.out.replace("demo-", "") + result.err
    assert not any(call.status == 409 for call in telegram.calls)
    assert service.count("SELECT count(*) FROM inbound") == 0
    assert platform.taken == 0


async def test_without_a_service_it_says_so_and_looks_for_other_pollers(
    service: Service, telegram: SimulatedBotApi
) -> None:
    found = await levels(service)
    assert found["service_off"] == "ok"
    assert found["callback_down"] == "warning"
    assert found["polling_alone"] == "ok"
    assert found["account"] == "ok"
    assert not service.database.exists(), "it must not make a store"


async def test_what_is_wrong_is_a_sentence_in_the_language_of_the_bot(
    service: Service, telegram: SimulatedBotApi
) -> None:
    telegram.unauthorised()
    config = yaml.safe_load(service.config.read_text(encoding="utf-8"))
    config["accounts"]["main"] |= {"password": "not-the-one", "sender": "TESTSMS"}
    service.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    result = await asked(service)
    assert result.code == 1
    assert "✗ Telegram не принимает токен бота. Возьмите токен у @BotFather" in result.out
    assert "Проверьте url, login и password." in result.out
    assert "имя отправителя — TESTSMS" in result.out
    assert "not-the-one" not in result.out
    assert "Исправьте отмеченное" in result.err


@pytest.mark.parametrize(
    ("words", "language", "sentence"),
    [
        (
            "Error_Invalid_Login",
            "ru",
            "остаток: платформа не принимает логин или пароль («Error_Invalid_Login»). Проверьте",
        ),
        ("Аккаунт заблокирован", "en", "the balance: the account is blocked (“Аккаунт заблокирован”). Check"),
        ("", "ru", "остаток: платформа ответила пустотой. Проверьте"),
    ],
)
async def test_the_platforms_own_words_are_quoted_behind_what_they_mean(
    service: Service, words: str, language: str, sentence: str
) -> None:
    """The document knows no words for an error here; hosts of the family have them."""

    async def said(request: web.Request) -> web.Response:
        return web.Response(text=words)

    host = web.Application()
    host.router.add_get("/sendsms.php", said)
    async with TestServer(host) as server:
        config = yaml.safe_load(service.config.read_text(encoding="utf-8"))
        config["accounts"]["main"]["url"] = str(server.make_url(""))
        service.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        assert sentence in (await asked(service, "--language", language)).out


async def test_no_answer_of_anybody_puts_foreign_words_into_a_sentence(
    service: Service, platform: SimulatedPlatform, telegram: SimulatedBotApi
) -> None:
    telegram.down()
    await platform.stop()
    (service.folder / "data").write_text("a file where the folder should be", encoding="utf-8")
    result = await asked(service)
    assert "не показала остаток: не удалось соединиться с платформой. Проверьте" in result.out
    assert "не достучаться: соединиться не удалось («ConnectError»). Проверьте сеть" in result.out
    assert "нельзя писать: на пути к базе файл, а не папка. Дайте" in result.out
    outside = re.sub(r"«[^»]*»", "", result.out)
    assert re.findall(r"[A-Za-z]+(?: [A-Za-z]+){2,}", outside) == []


async def test_a_running_service_tells_of_its_link_in_the_same_language(
    service: Service, telegram: SimulatedBotApi
) -> None:
    await service.start()
    await telegram.wait_for(lambda: telegram.updates.polled)
    assert "Мост запущен. Связь с Telegram: есть." in (await asked(service)).out


async def test_a_service_with_another_secret_is_found_out(service: Service) -> None:
    await service.start()
    config = yaml.safe_load(service.config.read_text(encoding="utf-8"))
    config["accounts"]["main"]["callback"]["secret"] = "another"
    service.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert (await levels(service))["callback_refused"] == "fault"


async def test_callbacks_that_only_some_addresses_may_make_are_not_called_wrong(service: Service) -> None:
    config = yaml.safe_load(service.config.read_text(encoding="utf-8"))
    config["accounts"]["main"]["callback"]["allow"] = ["203.0.113.7"]
    service.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    await service.start()
    assert (await levels(service))["callback_guarded"] == "ok"


async def test_mistakes_of_the_configuration_are_findings_with_their_place(service: Service) -> None:
    service.config.write_text("accounts: {}\n", encoding="utf-8")
    found = await asked(service, "--json")
    assert found.code == 1
    assert '"finding": "config_problem"' in found.out
    assert "config.yaml:1:" in found.out


async def test_mistakes_of_the_rules_are_found_beside_all_else(service: Service) -> None:
    (service.folder / "rules" / "rules.yaml").write_text("rules: [{name: x}]\n", encoding="utf-8")
    found = await levels(service)
    assert found["config_problem"] == "fault"
    assert found["account"] == "ok"


async def test_a_store_where_nothing_can_be_written(service: Service) -> None:
    (service.folder / "data").write_text("a file where the folder should be", encoding="utf-8")
    assert (await levels(service))["store_refused"] == "fault"


async def test_in_webhook_mode_it_calls_the_public_address_as_telegram_would(
    tmp_path: Path, platform: SimulatedPlatform
) -> None:
    port = free_port()
    async with SimulatedBotApi(clock=ShortWaits(), options=ServerOptions(local=True)) as telegram:
        telegram.add_chat(SUPPORT, forum=True)
        called: dict[str, dict[str, object]] = {
            "web": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
            "telegram": {"updates": "webhook", "webhook_secret": "known-to-Telegram"},
        }
        service = Service(tmp_path, platform, telegram, settings=called)
        try:
            assert (await levels(service))["webhook_unreachable"] == "warning"
            await service.start()
            await telegram.wait_for(lambda: telegram.webhook.webhook)
            found = await levels(service)
            assert (found["webhook_answers"], found["webhook"]) == ("ok", "ok")
            assert service.count("SELECT count(*) FROM tg_update") == 0
            text = service.config.read_text(encoding="utf-8")
            service.config.write_text(text.replace("known-to-Telegram", "another"), encoding="utf-8")
            assert (await levels(service))["webhook_refused"] == "fault"
        finally:
            await service.close()
