"""``sms-bridge store`` as a person types it: a service moves from SQLite to PostgreSQL and goes on there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config.settings import StorageSettings
from bridge.model.sms import SmsState
from tests import postgres
from tests.flow.harness import SUBSCRIBER, World, world
from tests.flow.test_restored import FAST, OFF, QUEUED, SLOW, about, at_rest
from tests.processes import sms_bridge

pytestmark = postgres.needs_postgres


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[World]:
    """Running on SQLite, with two SMS in its queue."""
    async with world(tmp_path, account=SLOW, guards=OFF) as made:
        await made.text("часы")  # takes the only place
        await made.sms(SmsState.SENT)
        for number in QUEUED:
            await made.text("часы", sender=number)
        await made.sms(SmsState.QUEUED, 2)
        await made.text("Где мой заказ?")
        await made.post("Где мой заказ?")
        yield made


async def test_a_service_moves_and_goes_on_and_its_old_file_asks(around: World, tmp_path: Path) -> None:
    url = await postgres.schema_of(tmp_path)
    file = f"sqlite:///{tmp_path / 'data' / 'bridge.db'}"
    words = ("store", "copy", "--from", file, "--to", url)
    refused = await sms_bridge(*words)
    assert refused.code == 1
    assert "in use by another running bridge" in refused.err

    topic = (await around.post("Где мой заказ?")).thread_id
    await around.stop()
    done = await sms_bridge(*words)
    assert done.code == 0, done.err
    assert "inbound" in done.out
    assert "Do not start a bridge on the old store again" in done.out
    again = await sms_bridge(*words)
    assert again.code == 1
    assert "not empty" in again.err

    around.configure(account=FAST, guards=OFF)
    old = around.settings
    around.settings = old.model_copy(update={"storage": StorageSettings(url=url)})
    await around.start()
    await around.until(lambda: len(around.platform.book) == 3)
    await around.text("А теперь?")
    assert (await around.post("А теперь?")).thread_id == topic, "the conversation is the same one"
    await at_rest(around)
    assert about(around, "База восстановлена") == [], "it is no copy"
    assert [sms.recipient for sms in around.platform.book] == [SUBSCRIBER, *QUEUED]
    await around.stop()

    around.settings = old
    await around.start()
    await at_rest(around)
    assert len(around.platform.book) == 3, "started by mistake it sends nothing of what waited"
    assert len(about(around, "База восстановлена")) == 1


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("copy", "--from", "sqlite:///a.db"), 2, "--to"),
        (("copy", "--from", "mysql://a/b", "--to", "sqlite:///a.db"), 2, "expected sqlite:///"),
        (("copy", "--from", "sqlite:///a.db", "--to", "sqlite:///a.db"), 1, "the same store"),
        (("copy", "--from", "sqlite:////nowhere/a.db", "--to", postgres.SERVER), 1, "there is no file"),
        (("restored", "-c", "CONFIG", "--at", "yesterday"), 2, "is no date"),
        (("restored", "-c", "CONFIG", "--at", "2999-01-01"), 1, "in the future"),
        (("restored", "-c", "CONFIG", "--at", "2026-01-01"), 1, "there is no store"),
        (("adopt", "-c", "CONFIG"), 1, "for PostgreSQL alone"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_sentence(
    tmp_path: Path, words: tuple[str, ...], code: int, complaint: str
) -> None:
    (tmp_path / "rules").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(
        "accounts: {main: {login: demo, password: demo, sender: Shop}}\n"
        "telegram: {token: '', chats: {support: {id: -1001}}, default_chat: support, admin_chat: support}\n"
    )
    result = await sms_bridge("store", *(str(config) if word == "CONFIG" else word for word in words))
    assert result.code == code, result
    assert complaint in result.err
    assert "Traceback" not in result.err


async def test_people_say_that_a_store_was_put_back_or_was_not(tmp_path: Path) -> None:
    url = await postgres.schema_of(tmp_path)
    async with world(tmp_path, account=SLOW, guards=OFF, start=False) as around:
        around.settings = around.settings.model_copy(update={"storage": StorageSettings(url=url)})
        await around.start()
        await around.text("часы")
        await around.sms(SmsState.SENT)
        await around.text("часы", sender=QUEUED[0])
        await around.sms(SmsState.QUEUED)
        await around.stop()
        config = tmp_path / "stored.yaml"
        config.write_text(
            f"storage: {{url: '{url}'}}\naccounts: {{main: {{login: demo, password: demo, sender: Shop}}}}\n"
            "telegram: {token: '', chats: {support: {id: -1001}}, default_chat: support, admin_chat: support}\n"
        )
        adopted = await sms_bridge("store", "adopt", "-c", str(config))
        assert adopted.code == 0, adopted.err
        restored = await sms_bridge("store", "restored", "--at", "2026-01-02 03:04", "-c", str(config))
        assert restored.code == 0, restored.err
        assert "2026-01-02 03:04:00" in restored.out
        await around.start()
        await at_rest(around)
        assert len(around.platform.book) == 1
        assert len(about(around, "База восстановлена")) == 1
