"""PostgreSQL backed up as operators do it: a dump beside the running bridge, restored, and the question in the chat.

The bridge that was dumped goes on in between and does all that waits in the dump.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.config.settings import StorageSettings
from bridge.model.sms import SmsState
from bridge.store.postgres import identity
from tests import postgres
from tests.flow.harness import World, world
from tests.flow.test_restored import ASKER, FAST, OFF, QUEUED, SLOW, about, at_rest
from tests.postgres_cluster import needs, run_tool
from tests.unit.postgres.test_identity import do

pytestmark = [postgres.needs_postgres, needs("pg_dump", "pg_restore")]


def use(around: World, url: str) -> None:
    around.settings = around.settings.model_copy(update={"storage": StorageSettings(url=url)})


@asynccontextmanager
async def before_and_after(folder: Path) -> AsyncIterator[World]:
    """Stopped, its schema restored from a dump that was made while SMS waited; all of them have gone since."""
    url = await postgres.schema_of(folder)
    schema, dump = url.rpartition("=")[2], folder / "dump"
    async with world(folder, account=SLOW, guards=OFF, start=False) as around:
        use(around, url)
        await around.start()
        await around.text("часы", sender=ASKER)  # takes the only place
        await around.sms(SmsState.SENT)
        for number in QUEUED:
            await around.text("часы", sender=number)
        await around.text("Где мой заказ?", sender=ASKER)
        around.answer("Выезжает", await around.post("Где мой заказ?"))
        await around.sms(SmsState.QUEUED, 3)
        run_tool("pg_dump", "--format=custom", f"--schema={schema}", f"--file={dump}", f"--dbname={postgres.SERVER}")
        await around.stop()
        around.configure(account=FAST, guards=OFF)
        use(around, url)
        await around.start()
        await around.until(lambda: len(around.platform.book) == 4)
        await around.stop()
        await do(postgres.SERVER, f"DROP SCHEMA {schema} CASCADE")
        run_tool("pg_restore", "--exit-on-error", f"--dbname={postgres.SERVER}", dump)
        yield around


async def test_nothing_of_the_dump_is_sent_again_and_people_are_told_once(tmp_path: Path) -> None:
    async with before_and_after(tmp_path) as around:
        await around.start()
        await at_rest(around)
        assert len(around.platform.book) == 4, "all of it was sent before"
        rows = await around.sms(SmsState.UNCERTAIN, 3)
        assert {(sms.recipient, sms.reason) for sms in rows} == {(number, "restored") for number in (*QUEUED, ASKER)}
        [told] = about(around, "База восстановлена")
        assert told in around.admins.from_bot
        assert "могли уйти позже: 3." in told.text

        await around.text("часы", sender="79990000006")
        await around.until(lambda: len(around.platform.book) == 5)
        await around.restart()
        await at_rest(around)
        assert len(about(around, "База восстановлена")) == 1
        assert len(around.platform.book) == 5


async def test_without_the_comparison_everything_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the rule is good for."""
    monkeypatch.setattr(identity, "_is_same_place", lambda known, place: True)
    async with before_and_after(tmp_path) as around:
        await around.start()
        await around.until(lambda: len(around.platform.book) == 7)
        assert {sms.recipient for sms in around.platform.book[4:]} == {*QUEUED, ASKER}
