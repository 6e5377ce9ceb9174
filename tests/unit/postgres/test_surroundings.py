"""What is wrong around a database is one sentence that says what to do, with no secret in it and no traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from bridge.errors import StoreError, StoreUnavailable
from bridge.store import check_shared_storage, open_queries, open_storage
from bridge.store.postgres import migrate, pool
from tests.contract.builders import NOW, SetClock, accept, call, opened
from tests.postgres_cluster import Cluster, cluster, needs_cluster
from tests.processes import sms_bridge
from tests.service import free_port

pytestmark = needs_cluster

SECRET = "s3cr3t-w0rd"


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
def database(server: Cluster, request: pytest.FixtureRequest) -> str:
    """Its own database for each test."""
    name = f"d{abs(hash(request.node.name))}"
    asyncio.run(do(server.url(), f"CREATE DATABASE {name}"))
    return name


async def do(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def with_password(url: str, password: str = SECRET) -> str:
    return url.replace("@127", f":{password}@127")


Opening = Callable[[str], Awaitable[object]]
OPENINGS: dict[str, Opening] = {
    "start": lambda url: open_storage(url, clock=SetClock()),
    "look": open_queries,
    "doctor": lambda url: check_shared_storage(url, now=NOW),
}


async def refusals(url: str, *names: str) -> set[str]:
    """What each way of opening says; no secret is in it, nor the user's name, and the server is."""
    said = set()
    for name in names or tuple(OPENINGS):
        with pytest.raises(StoreError) as told:
            await OPENINGS[name](url)
        words = str(told.value)
        assert SECRET not in words
        assert "\n" not in words
        assert words.startswith("postgresql://")
        said.add(words.partition(": ")[2])
    return said


# ------------------------------------------------ getting in


async def test_a_wrong_password(server: Cluster) -> None:
    await do(server.url(), "CREATE ROLE locked LOGIN PASSWORD 'another'")
    said = await refusals(with_password(server.url("locked")))
    assert said == {"the password is wrong or missing: check storage.url (28P01)"}
    assert await refusals(server.url("locked")) == said


async def test_no_such_database(server: Cluster) -> None:
    (said,) = await refusals(with_password(server.url(database="missing")))
    assert "there is no such database" in said


async def test_no_such_schema_and_one_that_may_not_be_used(server: Cluster, database: str) -> None:
    url = server.url(database=database)
    (missing,) = await refusals(f"{url}?search_path=missing")
    assert "there is no such schema" in missing
    await do(url, "CREATE SCHEMA closed", "CREATE ROLE outsider LOGIN PASSWORD 's3cr3t-w0rd'")
    outsider = f"{with_password(server.url('outsider', database))}?search_path=closed"
    assert await refusals(outsider) == {missing}


async def test_nobody_listens(server: Cluster) -> None:
    url = f"postgresql://postgres:{SECRET}@127.0.0.1:{free_port()}/test"
    assert await refusals(url) == {"nobody listens there: is PostgreSQL running, and is storage.url right?"}


async def test_a_server_that_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TIMEOUT", 50)
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        said = await refusals(f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/test")
    finally:
        ended.set()
        listening.close()
        await listening.wait_closed()
    assert said == {"the server does not answer in time"}


async def test_something_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(web, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        (said,) = await refusals(f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/test?sslmode=disable")
    finally:
        listening.close()
        await listening.wait_closed()
    assert "the connection broke off" in said


async def test_no_connection_is_left(server: Cluster, database: str) -> None:
    await do(server.url(), "CREATE ROLE crowded LOGIN PASSWORD 's3cr3t-w0rd' CONNECTION LIMIT 0")
    (said,) = await refusals(with_password(server.url("crowded", database)))
    assert "max_connections" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sslmode=perhaps", "storage.url cannot be understood"),
        ("serach_path=x", "storage.url names a setting that the server does not know"),
        ("work_mem=soon", "storage.url gives a setting a value that the server does not take"),
    ],
)
async def test_settings_in_the_url_that_nobody_understands(
    server: Cluster, database: str, words: str, sentence: str
) -> None:
    (said,) = await refusals(f"{server.url(database=database)}?{words}")
    assert sentence in said


# ------------------------------------------------ rights, and servers that take no writes


async def test_rights_to_look_and_none_to_write(server: Cluster, database: str) -> None:
    url = server.url(database=database)
    await do(url, "CREATE ROLE reader LOGIN PASSWORD 's3cr3t-w0rd'", "GRANT USAGE ON SCHEMA public TO reader")
    reader = with_password(server.url("reader", database))
    (empty,) = await refusals(reader, "start", "doctor")
    assert "this user may not do that: grant it the schema and its tables (42501)" in empty
    await (await open_storage(url, clock=SetClock())).close()
    assert await refusals(reader) == {empty}, "no right to the tables at all"
    await do(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    assert await refusals(reader, "start", "doctor") == {empty}
    await (await open_queries(reader)).close()


async def test_a_role_that_only_reads_is_told_as_a_standby_is(server: Cluster, database: str) -> None:
    url = server.url(database=database)
    await (await open_storage(url, clock=SetClock())).close()
    await do(url, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    (said,) = await refusals(url, "start", "doctor")
    assert "a standby?" in said
    await (await open_queries(url)).close()


async def test_a_standby_can_be_looked_at_and_not_started_on() -> None:
    with cluster() as server:
        await (await open_storage(server.url(), clock=SetClock())).close()
        server.stop()
        server.stand_by()
        server.start()
        (said,) = await refusals(server.url(), "start", "doctor")
        assert "it takes no writes (a standby?): point storage.url at the primary" in said
        async with opened(open_queries(server.url())) as queries:
            assert (await queries.queue_status()).inbound_new == 0


async def test_a_server_that_goes_and_comes_back_is_used_again() -> None:
    with cluster() as server:
        async with opened(open_storage(server.url(), clock=SetClock())) as store:
            await accept(store, call("1"))
            server.stop()
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await accept(store, call("2"))
                with pytest.raises(StoreUnavailable):
                    await store.queue_status()
            server.start()
            async with asyncio.timeout(10):
                while True:  # a moment of rest between two attempts to connect
                    try:
                        assert (await accept(store, call("2"))).new
                        break
                    except StoreUnavailable:
                        await asyncio.sleep(0.01)


async def test_what_a_start_sets_for_its_migrations_is_not_left_behind(server: Cluster, database: str) -> None:
    connection = await asyncpg.connect(server.url(database=database), server_settings={"lock_timeout": "1234"})
    try:
        await migrate.migrate(connection)
        assert await connection.fetchval("SHOW lock_timeout") == "1234ms"
        assert await connection.fetchval("SHOW statement_timeout") == "0"
    finally:
        await connection.close()


# ------------------------------------------------ what a person sees


@pytest.fixture
async def config(server: Cluster, tmp_path: Path) -> Path:
    await do(server.url(), "DROP ROLE IF EXISTS person", "CREATE ROLE person LOGIN PASSWORD 'another'")
    file = tmp_path / "config.yaml"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text("rules:\n  - {name: all, drop: true}\n")
    file.write_text(
        f"storage: {{url: '{with_password(server.url('person'))}'}}\n"
        "accounts: {main: {url: 'http://127.0.0.1:9', login: demo, password: demo, sender: Shop}}\n"
        f"server: {{port: {free_port()}}}\nweb: {{port: {free_port()}}}\n"
        "telegram: {token: '', chats: {support: {id: -1001}}, default_chat: support, admin_chat: support}\n"
    )
    return file


async def test_every_command_says_it_in_one_sentence_and_its_exit_code(config: Path) -> None:
    sentence = "the password is wrong or missing: check storage.url (28P01)"
    run = await sms_bridge("run", "-c", str(config))
    assert run.code == 1, "not 78: the server may be put right while systemd starts it again"
    assert run.err.rstrip().splitlines()[-1].startswith("cannot start: postgresql://127.0.0.1")
    status = await sms_bridge("status", "-c", str(config))
    assert status.code == 1
    doctor = await sms_bridge("doctor", "-c", str(config), "--json", "--language", "en")
    assert doctor.code == 1
    found = {each["finding"]: each["sentence"] for each in json.loads(doctor.out)}
    assert sentence in found["server_refused"]
    for result in (run, status, doctor):
        assert sentence in result.out + result.err
        assert SECRET not in result.out + result.err
        assert "Traceback" not in result.out + result.err
