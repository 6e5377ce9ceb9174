"""The benchmark itself works from end to end, at sizes that say nothing about speed."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from bridge.store.migrate import shipped
from bridge.store.postgres.migrate import migrate
from tests.bench import postgres
from tests.bench.__main__ import main
from tests.bench.clients import Clients
from tests.bench.farside import FarSide
from tests.bench.gateway import Gateway
from tests.bench.load import SCRIPT, requests, subscriber
from tests.bench.prefill import Filling, fill
from tests.bench.processes import backends
from tests.bench.profile import shares
from tests.bench.tally import Tally
from tests.bench.whole import Setup, WholePath
from tests.postgres import SERVER, needs_postgres

WORD = "%C2%AB%D1%81%D0%BB%D0%BE%D0%B2%D0%BE0%C2%BB"


async def ask(url: str, *targets: str) -> bytes:
    """All requests at once over one connection, cut in the middle; the answers up to the last one's body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    raw = "".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n" for target in targets).encode()
    writer.write(raw[:40])
    await writer.drain()
    writer.write(raw[40:])
    said = b""
    async with asyncio.timeout(10):
        for _ in targets:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
            said += head + await reader.readexactly(length) + b"\n"
    writer.close()
    return said


async def test_the_gateway_counts_every_recipient_once_and_notices_what_is_wrong():
    gateway, tally = Gateway(), Tally(range(3), keywords=1)
    gateway.tally = tally
    url = await gateway.start()
    try:
        first, second = (f"{SCRIPT}?user=u&pwd=p&sadr=s&dadr={subscriber(number)}&text=" for number in (0, 1))
        said = await ask(url, first + WORD, f"{SCRIPT}?user=u&pwd=p&smsid=5", f"{SCRIPT}?user=u&pwd=p&balance=1")
        assert said.count(b"200 OK") == 3
        assert b"100000001\n" in said
        assert b"deliver\n" in said
        assert (len(tally.places), tally.replied[0] > 0, gateway.polls) == (3, True, 1)
        assert (tally.doubled, tally.strange) == (0, 0)

        await ask(url, first + WORD)
        assert tally.doubled == 1
        await ask(url, second + "%D0%BD%D0%B5%D1%82")
        assert tally.strange == 1, "a wrong text passed"
        await ask(url, f"{SCRIPT}?dadr=79999999999&text={WORD}", "/elsewhere")
        assert tally.strange == 3, "a stranger or another page passed"
        assert not tally.replied[1]
    finally:
        gateway.stop()


@pytest.mark.parametrize("rate", [None, 500.0])
async def test_the_clients_count_what_was_not_acknowledged_and_takes_the_time_from_when_a_message_was_due(rate):
    hold, connections = asyncio.Event(), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        while head := await reader.read(65536):
            await hold.wait()
            smsid = head.partition(b"smsid=")[2].partition(b"&")[0]
            body = b"smsid=" + (b"0" if smsid == b"5000003" else smsid)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sms.php"
    tally = Tally(range(10), keywords=2)
    for _ in range(10):
        tally.ended()  # replies are nobody's business here
    clients = Clients([url], requests(url, range(10), 2), tally, rate)
    await clients.connect(2)
    try:
        async with asyncio.timeout(10):
            bringing = asyncio.create_task(clients.bring())
            while not tally.due[9 if rate else 1]:
                await asyncio.sleep(0.001)
            hold.set()
            await bringing
    finally:
        hold.set()
        clients.close()
        server.close()
        await asyncio.gather(*connections)
    assert (sum(1 for at in tally.acked if at), tally.unanswered) == (9, 1)
    if rate is not None:
        # only two connections, and nothing was answered before the last message was due
        assert tally.acked[4] - tally.due[4] >= tally.due[9] - tally.due[4] > 0.005


@pytest.mark.parametrize("filling", [Filling(messages=1000), Filling(conversations=20)])
def test_a_filled_store_is_one_that_the_bridge_could_have_written(tmp_path: Path, filling: Filling):
    fill(tmp_path / "filled.db", filling)
    with closing(sqlite3.connect(tmp_path / "filled.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("PRAGMA user_version").fetchone() == (shipped()[-1].version,)
        count = filling.messages or filling.conversations
        assert database.execute("SELECT count(*) FROM sms JOIN inbound USING (id)").fetchone() == (count,)
        assert database.execute("SELECT count(*) FROM conversation").fetchone() == (filling.conversations,)
        indexes = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = 'sms_poll'"
        assert database.execute(indexes).fetchone() == (1,)


@needs_postgres
def test_a_filled_schema_is_one_that_the_bridge_could_have_written():
    constraints = (
        "SELECT count(*) FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND convalidated"
    )
    indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema()"
    with postgres.schema() as empty, postgres.schema() as filled:
        asyncio.run(brought_up(empty))
        postgres.fill(filled, 1000)
        for made_again in (constraints, indexes):
            assert postgres.ask(filled, made_again) == postgres.ask(empty, made_again) > 0
        answered = "SELECT count(*) FROM sms JOIN inbound ON inbound.id = inbound_id AND subscriber = recipient"
        assert postgres.ask(filled, answered) == 1000
        assert postgres.ask(filled, "SELECT nextval(pg_get_serial_sequence('sms', 'id'))") == 1001
        assert postgres.ask(filled, "SELECT count(*) FROM sms WHERE state = 'sent' AND poll_at IS NOT NULL") == 2


@needs_postgres
def test_two_bridges_on_one_schema_are_both_called(tmp_path: Path):
    with (
        FarSide() as far_side,
        postgres.schema() as url,
        WholePath(far_side.platform_url, tmp_path, Setup(processes=2, storage=url)) as whole,
    ):
        assert len(set(whole.subject.callback_urls)) == len(set(whole.subject.pids)) == 2


@needs_postgres
async def test_the_backends_that_work_for_a_process_are_found_by_its_connections():
    connection = await asyncpg.connect(SERVER)
    try:
        backend = connection.get_server_pid()
        title = Path(f"/proc/{backend}/cmdline")
        if not title.exists() or not title.read_bytes().startswith(b"postgres"):
            pytest.skip("the server runs on another machine")
        assert backends(os.getpid()) == [backend]
    finally:
        await connection.close()
    assert backend not in backends(os.getpid())


def test_without_a_server_its_figures_are_left_out_and_that_is_said(unused_tcp_port: int):
    nobody = {**os.environ, "SMS_BRIDGE_TEST_POSTGRES": f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/test"}
    command = [sys.executable, "-m", "tests.bench", "--only", "postgres", "--runs", "1", "--messages", "20"]
    sizes = ["--rates", "100", "--seconds", "0.2"]
    done = subprocess.run([*command, *sizes], env=nobody, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert f"PostgreSQL is left out: none answers at postgresql://127.0.0.1:{unused_tcp_port}/test" in done.stdout
    assert "run 1: SQLite:" in done.stdout


async def brought_up(url: str) -> None:
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()


def test_all_of_it_runs_and_every_message_is_answered_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sizes = ["--messages", "60", "--rates", "200", "--seconds", "0.5", "--runs", "1"]
    code = main([*sizes, "--only", "bare-200", "few-conversations", "--json", str(tmp_path / "figures.json")])
    said = capsys.readouterr().out
    assert code == 0, said
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {key: len(series["runs"]) for key, series in figures["series"].items()} == {
        "bare-200": 1,
        "few-conversations": 1,
    }
    for series in figures["series"].values():
        (run,) = series["runs"]
        assert run["replied"] == run["acknowledged"] == run["wanted"] > 0
        assert run["faults"] == run["missing"] == 0
        assert run["cpu_us"] > 0
    assert "bare, 200/s" in said


def test_a_profile_is_summed_up_by_thread_and_area_without_those_that_wait():
    lines = [
        "thread (1): MainThread;Router.step (bridge/pipeline/router.py:5);info (structlog/x.py:1) 3",
        "thread (1): MainThread;Inbox.accept (bridge/pipeline/inbox.py:5);fold (bridge/text/f.py:1) 4",
        "thread (2): store;_connection_worker_thread (aiosqlite/core.py:9);Tx.all (bridge/store/tx.py:1) 5",
        "thread (2): store;_connection_worker_thread (aiosqlite/core.py:9) 90",
    ]
    assert shares(lines) == {("loop", "log"): 3, ("loop", "rules and texts"): 4, ("other threads", "store"): 5}
