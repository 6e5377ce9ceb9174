"""How the HTTP client uses connections and reads odd answers."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import pytest

from bridge.platforms import http_client
from bridge.platforms.http import Answer, HttpFault, HttpLimits, NoAnswer
from bridge.platforms.http_client import HttpClient
from tests.certificate import server_side, trusting
from tests.unit.platforms.conftest import LIMITS
from tests.unit.platforms.rawserver import PATIENCE, Behaviour, Conn, RawServer, ok, raw_server

ID = b"1179038981"
QUERY = "dadr=79001112233"
GIVEN = Answer(status=200, body=ID)

Ask = Callable[..., HttpClient]


@pytest.fixture
async def session(server: RawServer) -> AsyncIterator[Ask]:
    async with AsyncExitStack() as stack:

        def make(address: str = "", *, connections: int = 16, limits: HttpLimits = LIMITS) -> HttpClient:
            made = HttpClient(address or f"{server.url}/sendsms.php", connections=connections, limits=limits)
            stack.push_async_callback(made.close)
            return made

        yield make


async def get(session: HttpClient, query: str = QUERY) -> Answer | NoAnswer:
    async with asyncio.timeout(PATIENCE):
        return await session.get(query)


def writes(*pieces: bytes, close: bool = False) -> Behaviour:
    async def behave(conn: Conn) -> None:
        for piece in pieces:
            await conn.write(piece)
        if close:
            conn.close()

    return behave


async def hang(conn: Conn) -> None:
    await conn.gone()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


async def turns() -> None:
    """Give the loop some turns to notice what has happened on the sockets."""
    for _ in range(20):
        await asyncio.sleep(0)


class SocketTrigger:
    """Calls a function from a readable socket of the loop, in the order in which sockets became readable."""

    def __init__(self, rung: Callable[[], object]) -> None:
        self._rung = rung
        self._inside, self._outside = socket.socketpair()

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._inside, self._once)
        return self

    def _once(self) -> None:
        self._inside.recv(1)
        self._rung()

    def fire(self) -> None:
        self._outside.send(b"!")

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._inside)
        self._inside.close()
        self._outside.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


# ---------------------------------------------------------------- the request


async def test_the_request_is_these_bytes_and_no_others(server: RawServer) -> None:
    session = HttpClient(f"{server.url}/deep/send.php", connections=1, headers={"User-Agent": "sms-bridge"})
    assert await get(session, "user=a&text=%D0%9F,%2B") == GIVEN
    await session.close()
    assert server.heads == [
        b"GET /deep/send.php?user=a&text=%D0%9F,%2B HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(server.port).encode() + b"\r\n"
        b"Accept: */*\r\n"
        b"Accept-Encoding: identity\r\n"
        b"User-Agent: sms-bridge\r\n\r\n"
    ]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://sms.example", "sms.example"),
        ("http://sms.example:80/x", "sms.example"),
        ("http://sms.example:443", "sms.example:443"),
        ("http://sms.example:8080/x", "sms.example:8080"),
        ("http://смс.рф", "xn--l1ajb.xn--p1ai"),
    ],
)
async def test_the_host_header_names_a_port_only_where_it_is_not_the_usual_one(
    server: RawServer, session: Ask, monkeypatch: pytest.MonkeyPatch, address: str, host: str
) -> None:
    resolving(monkeypatch, ("127.0.0.1", server.port))
    assert await get(session(address)) == GIVEN
    assert f"\r\nHost: {host}\r\n".encode() in server.heads[0]


@pytest.mark.parametrize("bad", [" ", "\r\nX: y", "\n", "\t", "\x0b", "\x85", "я", " HTTP/1.1\r\n\r\nGET /?"])
@pytest.mark.parametrize("where", ["{}dadr=1", "dadr={}1", "dadr=1{}"])
async def test_a_query_that_is_not_percent_encoded_is_not_sent(
    server: RawServer, session: Ask, bad: str, where: str
) -> None:
    assert await get(session(), where.format(bad)) == NoAnswer(fault=HttpFault.INVALID_URL, left=False)
    assert server.accepted == 0


@pytest.mark.parametrize("name", ["X\r\nY", "Ключ"])
async def test_a_header_that_would_end_its_line_makes_no_request(server: RawServer, name: str) -> None:
    session = HttpClient(server.url, connections=1, headers={name: "1"})
    assert await get(session) == NoAnswer(fault=HttpFault.INVALID_URL, left=False)
    await session.close()


async def test_an_address_with_a_password_in_it_makes_no_request(server: RawServer) -> None:
    session = HttpClient(f"http://:secret@127.0.0.1:{server.port}", connections=1)
    assert await get(session) == NoAnswer(fault=HttpFault.INVALID_URL, left=False)
    await session.close()


# ---------------------------------------------------------------- odd answers


H = b"HTTP/1.1 200 OK\r\n"
CHUNKED = H + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = H + b"Content-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [LENGTH + ID],
        [LENGTH, ID[:3], ID[3:]],
        [LENGTH + ID + b"\r\n"],
        [b"\r\n" + LENGTH + ID],
        [CHUNKED + b"3\r\n117\r\n", b"7\r\n9038981\r\n", b"0\r\n\r\n"],
        [CHUNKED + b"a;part=1\r\n" + ID + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"],
        [CHUNKED + b"a  \r\n" + ID + b"\r\n0\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n", LENGTH + ID],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + LENGTH + ID],
        [b"HTTP/1.1 200 OK\nContent-Length: 10\n\n" + ID],
        [b"HTTP/1.1 200\r\nContent-Length: 10\r\n\r\n" + ID],
        [H + b"X-Empty:\r\nX-Cyrillic: \xd0\x9f\r\nContent-Length: 10\r\n\r\n" + ID],
        [H + b"Content-Length: 10\r\nConnection: close\r\n\r\n" + ID],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n" + ID],
        [H + b"X: " + b"x" * 8_000 + b"\r\nContent-Length: 10\r\n\r\n" + ID],
    ],
)
async def test_an_answer_is_understood_however_it_is_written(
    server: RawServer, session: Ask, pieces: list[bytes]
) -> None:
    server.then(writes(*pieces))
    client = session()
    assert await get(client) == GIVEN
    server.then(ok)
    assert await get(client) == GIVEN
    assert len(server.heads) == 2


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + LENGTH + ID,
        CHUNKED + b"3\r\n117\r\n7\r\n9038981\r\n0\r\n\r\n",
    ],
)
async def test_an_answer_may_come_in_pieces_of_any_size(
    server: RawServer, session: Ask, whole: bytes, step: int
) -> None:
    async def in_pieces(conn: Conn) -> None:
        for start in range(0, len(whole), step):
            conn.now(whole[start : start + step])
            await asyncio.sleep(0)

    server.then(in_pieces)
    client = session()
    assert [await get(client), await get(client)] == [GIVEN, GIVEN]
    assert server.accepted == 1


DOUBTFUL: dict[str, list[bytes]] = {
    "length-and-chunks": [H + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + ID + b"\r\n0\r\n\r\n"],
    "chunks-and-length": [H + b"Transfer-Encoding: chunked\r\nContent-Length: 10\r\n\r\n" + ID],
    "two-lengths": [H + b"Content-Length: 10\r\nContent-Length: 9\r\n\r\n" + ID],
    "negative-length": [H + b"Content-Length: -1\r\n\r\n" + ID],
    "switching-protocols": [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + ID],
    "bad-chunk": [CHUNKED + b"zz\r\n" + ID],
    "headers-without-end": [H, *[b"X: " + b"x" * 1_000 + b"\r\n"] * 200],
    "one-header-without-end": [H + b"X: ", *[b"x" * 1_000] * 200],
    "not-http": [b"220 smtp ready\r\n"],
    "http-0.9": [ID + b"\r\n"],
    "http-2": [b"HTTP/2 200\r\nContent-Length: 10\r\n\r\n" + ID],
}


@pytest.mark.parametrize("pieces", DOUBTFUL.values(), ids=DOUBTFUL)
async def test_a_doubtful_answer_is_none_and_its_connection_is_not_used_again(
    server: RawServer, session: Ask, pieces: list[bytes]
) -> None:
    server.then(writes(*pieces))
    client = session()
    result = await get(client)
    assert result in (NoAnswer(fault=fault, left=True) for fault in (HttpFault.BAD_HTTP, HttpFault.BROKEN_BODY))
    server.then(ok)
    assert await get(client) == GIVEN
    assert (len(server.heads), server.accepted) == (2, 2)


@pytest.mark.parametrize(
    "more", [ID, LENGTH + ID, b"H", b"<!-- -->"], ids=["digits", "second-answer", "half", "markup"]
)
@pytest.mark.parametrize("length", [b"1", b"5"])
async def test_an_answer_with_more_behind_it_than_it_announced_is_not_believed(
    server: RawServer, more: bytes, length: bytes
) -> None:
    # "0" of "0117…" would be the platform's error and the SMS sent again; "11790" would be another message's id.
    short = H + b"Content-Length: " + length + b"\r\n\r\n" + ID[: int(length)]
    server.then(writes(short + more))
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert await get(session) == NoAnswer(fault=HttpFault.BAD_HTTP, left=True)
    server.then(ok)
    assert await get(session) == GIVEN
    assert (len(server.heads), server.accepted) == (2, 2)
    await session.close()


async def test_a_body_whose_framing_is_not_known_is_not_believed_at_its_end(server: RawServer) -> None:
    server.then(writes(H + b"Transfer-Encoding: gzip\r\n\r\n" + ID, close=True))
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert await get(session) == NoAnswer(fault=HttpFault.BROKEN_BODY, left=True)
    await session.close()


# ---------------------------------------------------------------- connections


@pytest.mark.parametrize("closing", ["Connection: close\r\n", ""], ids=["close", "keep"])
async def test_a_connection_is_used_again_unless_the_answer_says_no(
    server: RawServer, session: Ask, closing: str
) -> None:
    async def answer(conn: Conn) -> None:
        await conn.answer(ID, headers=closing)

    server.then(answer)
    client = session()
    for _ in range(3):
        assert await get(client) == GIVEN
    assert server.accepted == (3 if closing else 1)


async def test_the_connection_used_last_is_used_first(server: RawServer) -> None:
    # So that those too many grow old, and the server's limit on idle connections is met by none in use.
    session = HttpClient(server.url, connections=4, limits=LIMITS)
    await asyncio.gather(*(get(session) for _ in range(4)))
    assert server.accepted == 4
    for _ in range(5):
        assert await get(session) == GIVEN
    assert set(server.served[4:]) == {server.served[4]}
    await session.close()


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_connection_that_ended_while_idle_is_not_used_again(server: RawServer, session: Ask, how: str) -> None:
    client = session()
    assert await get(client) == GIVEN
    (conn,) = server.conns
    conn.close() if how == "end" else conn.reset()
    await turns()
    assert await get(client) == GIVEN
    assert (len(server.heads), server.accepted) == (2, 2)


STRAY = H + b"Content-Length: 2\r\n\r\n66"


@pytest.mark.parametrize("said", [b"\r\n", STRAY], ids=["blank-line", "answer"])
async def test_a_connection_that_spoke_while_idle_is_not_used_again(server: RawServer, said: bytes) -> None:
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert await get(session) == GIVEN
    server.conns[0].now(said)
    await until(lambda: server.ended == 1)
    assert await get(session) == GIVEN
    assert (len(server.heads), server.accepted) == (2, 2)
    await session.close()


@pytest.mark.parametrize("how", ["end", "bytes"])
async def test_an_end_that_the_loop_has_not_noticed_is_found_before_the_request_is_written(
    server: RawServer, how: str
) -> None:
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert await get(session) == GIVEN
    if how == "end":
        server.conns[0].end_now()
    else:
        server.conns[0].now(STRAY)
    assert await session.get(QUERY) == GIVEN  # nothing waits between the end and the request
    assert (len(server.heads), server.accepted) == (2, 2)
    await session.close()


@pytest.mark.parametrize("how", ["answer", "end", "reset"])
async def test_a_connection_that_spoke_or_ended_before_it_was_asked_was_surely_not_asked(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async def too_early(conn: Conn) -> None:
        match how:
            case "answer":
                conn.now(LENGTH + ID)
            case "end":
                conn.end_now()
            case "reset":
                conn.reset()
        await conn.gone()

    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def slowly(*args: object, **more: object) -> object:
        made = await connect(*args, **more)  # type: ignore[arg-type]
        await turns()
        return made

    monkeypatch.setattr(loop, "create_connection", slowly)
    server.on_accept = too_early
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    for _ in range(3):  # and no place is lost by it
        assert await get(session) == NoAnswer(fault=HttpFault.NOT_CONNECTED, left=False)
    server.on_accept = None
    assert await get(session) == GIVEN
    assert len(server.heads) == 1
    await session.close()


async def test_an_answer_to_a_request_that_was_not_yet_written_whole_ends_the_connection(server: RawServer) -> None:
    async def without_reading(conn: Conn) -> None:
        await conn.readable_unread()
        conn.now(LENGTH + ID)
        await asyncio.Event().wait()

    server.on_accept = without_reading
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert await get(session, "a" * 20_000_000) == GIVEN  # more than the system takes
    server.on_accept = None
    assert await get(session) == GIVEN
    assert server.accepted == 2
    await session.close()


async def test_what_was_not_written_when_it_was_cancelled_is_not_written_any_more(server: RawServer) -> None:
    loop = asyncio.get_running_loop()
    began, go_on, came = asyncio.Event(), asyncio.Event(), loop.create_future()

    async def slow_reader(conn: Conn) -> None:
        await conn.readable_unread()
        began.set()
        await go_on.wait()
        came.set_result(await conn.rest())

    server.on_accept = slow_reader
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    asked = asyncio.create_task(get(session, "a" * 20_000_000))
    await began.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    go_on.set()
    async with asyncio.timeout(PATIENCE):
        assert await came < 20_000_000
    await session.close()


@pytest.mark.parametrize("when", ["just before", "after"])
async def test_a_connection_that_came_about_too_late_is_closed(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def just_before(*args: object, **more: object) -> None:
        await connect(*args, **more)  # type: ignore[arg-type]
        await asyncio.Event().wait()

    async def after(*args: object, **more: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            connecting.append(asyncio.create_task(connect(*args, **more)))  # type: ignore[arg-type]

    connecting: list[asyncio.Task[object]] = []
    monkeypatch.setattr(loop, "create_connection", just_before if when == "just before" else after)
    session = HttpClient(server.url, connections=1, limits=HttpLimits(connect=200))
    assert await get(session) == NoAnswer(fault=HttpFault.CONNECT_TIMEOUT, left=False)
    await until(lambda: server.ended == 1)
    await session.close()


@pytest.mark.parametrize("pieces", [2, 5])
async def test_an_answer_in_several_tls_records_is_read_whole(certificate: Path, pieces: int) -> None:
    whole = LENGTH + ID
    step = len(whole) // pieces

    async def in_records(conn: Conn) -> None:
        for start in range(0, len(whole), step):
            await conn.write(whole[start : start + step])

    async with raw_server(server_side(certificate)) as server:
        server.then(ok, in_records, ok)
        address = f"https://127.0.0.1:{server.port}"
        session = HttpClient(address, connections=1, limits=LIMITS, tls=trusting(certificate))
        assert [await get(session) for _ in range(3)] == [GIVEN] * 3
        assert server.accepted == 1
        await session.close()


async def test_an_idle_connection_is_given_up_before_the_server_would(
    server: RawServer, session: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "MAX_IDLE", 100)
    client = session()
    assert await get(client) == GIVEN
    await until(lambda: server.ended == 1)
    assert await get(client) == GIVEN
    assert server.accepted == 2


async def test_an_old_connection_is_not_used_even_if_nobody_has_swept_it_up(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "MAX_IDLE", 0)
    monkeypatch.setattr(http_client, "SWEEP_INTERVAL", 3_600)
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert [await get(session), await get(session)] == [GIVEN, GIVEN]
    assert server.accepted == 2
    await session.close()


async def test_a_request_in_need_of_a_connection_takes_the_first_that_gets_free(
    server: RawServer, session: Ask
) -> None:
    answering = asyncio.Event()

    async def when_told(conn: Conn) -> None:
        await answering.wait()
        await conn.answer(ID)

    server.then(when_told)
    client = session(connections=2)
    tasks = [asyncio.create_task(get(client)) for _ in range(10)]
    await until(lambda: len(server.heads) == 2)
    answering.set()
    assert await asyncio.gather(*tasks) == [GIVEN] * 10
    assert (len(server.heads), server.accepted) == (10, 2)


async def test_a_connection_that_ends_under_a_request_makes_room_for_another(server: RawServer, session: Ask) -> None:
    async def fin(conn: Conn) -> None:
        conn.close()

    server.then(fin, ok)
    client = session(connections=1)
    first, second = await asyncio.gather(get(client), get(client))
    assert isinstance(first, NoAnswer)
    assert first.left
    assert second == GIVEN


async def test_cancelled_between_its_answer_and_its_waking_it_leaves_the_next_request_alone(
    server: RawServer, session: Ask
) -> None:
    go_on = asyncio.Event()

    async def answered_by_the_test(conn: Conn) -> None:
        await go_on.wait()

    server.then(answered_by_the_test, ok)
    client = session(connections=1)
    first = asyncio.create_task(get(client, "n=1"))
    await until(lambda: len(server.heads) == 1)
    loop = asyncio.get_running_loop()
    start = loop.create_future()

    async def when_started() -> Answer | NoAnswer:
        await start
        return await get(client, "n=2")

    second = asyncio.create_task(when_started())
    await turns()
    # All three are ready in one turn of the loop, in this order: the second may ask as soon as there is a connection,
    # the first has its answer, and the first is cancelled. Its connection is the second's when it wakes.
    with SocketTrigger(lambda: start.set_result(None)) as starts, SocketTrigger(first.cancel) as cancels:
        starts.fire()
        server.conns[0].now(LENGTH + ID)
        cancels.fire()
        with suppress(asyncio.CancelledError):
            await first
    go_on.set()
    assert await second == GIVEN
    assert len(server.heads) == 2


@pytest.mark.parametrize("how", ["answer", "end"])
async def test_cancelled_while_it_is_given_a_connection_it_passes_that_on(
    server: RawServer, session: Ask, how: str
) -> None:
    go_on = asyncio.Event()

    async def answered_by_the_test(conn: Conn) -> None:
        await go_on.wait()

    server.then(answered_by_the_test, ok)
    client = session(connections=1)
    first = asyncio.create_task(get(client, "n=1"))
    await until(lambda: len(server.heads) == 1)
    second = asyncio.create_task(get(client, "n=2"))
    await turns()
    third = asyncio.create_task(get(client, "n=3"))
    await turns()
    # In one turn of the loop the second request gets the connection and is cancelled.
    with SocketTrigger(second.cancel) as cancels:
        if how == "answer":
            server.conns[0].now(LENGTH + ID)
        else:
            server.conns[0].end_now()
        cancels.fire()
        await first
    go_on.set()
    assert await third == GIVEN
    with pytest.raises(asyncio.CancelledError):
        await second
    assert [head.split()[1][-3:] for head in server.heads] == [b"n=1", b"n=3"]


async def test_a_connection_that_ends_while_it_is_handed_on_is_not_used(server: RawServer) -> None:
    async def answer_and_end(conn: Conn) -> None:
        conn.now(LENGTH + ID)
        conn.end_now()

    server.then(answer_and_end, ok)
    session = HttpClient(server.url, connections=1, limits=LIMITS)
    assert await asyncio.gather(get(session), get(session)) == [GIVEN, GIVEN]
    assert (len(server.heads), server.accepted) == (2, 2)
    await session.close()


async def test_closing_answers_everybody(server: RawServer, session: Ask) -> None:
    server.then(hang)
    client = session(connections=1)
    asked = asyncio.create_task(get(client))
    await until(lambda: len(server.heads) == 1)
    waiting = asyncio.create_task(get(client))
    await asyncio.sleep(0)
    await client.close()
    on_its_way, not_yet = await asked, await waiting
    assert isinstance(on_its_way, NoAnswer)
    assert on_its_way.left
    assert isinstance(not_yet, NoAnswer)
    assert not not_yet.left
    assert (len(server.heads), server.accepted) == (1, 1)


async def test_no_place_is_lost_however_requests_end(server: RawServer) -> None:
    """After answers, resets, ends and cancellations in any order, as many requests as before run in parallel."""
    chance = random.Random(7)
    places = 4

    async def anything(conn: Conn) -> None:
        match chance.randrange(6):
            case 0:
                conn.close()
            case 1:
                conn.reset()
            case 2:
                await conn.write(b"HTTP/1.1 2")
                conn.close()
            case 3:
                await conn.answer(ID, headers="Connection: close\r\n")
            case _:
                await asyncio.sleep(chance.random() / 500)
                await conn.answer(ID)

    server.then(anything)
    session = HttpClient(server.url, connections=places, limits=LIMITS)
    for _ in range(15):
        tasks = [asyncio.create_task(get(session)) for _ in range(12)]
        for _ in range(6):
            await asyncio.sleep(chance.random() / 500)
            chance.choice(tasks).cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, Answer | NoAnswer | asyncio.CancelledError)
            assert result == GIVEN or not isinstance(result, Answer)
    seen = len(server.heads)
    server.then(hang)
    asked = [asyncio.create_task(get(session)) for _ in range(places + 3)]
    await until(lambda: len(server.heads) == seen + places)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await session.close()
    assert len(server.heads) == seen + places


# ---------------------------------------------------------------- addresses


async def test_the_next_address_is_tried_where_one_refuses(
    server: RawServer, session: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ("127.0.0.9", server.port), ("127.0.0.1", server.port))
    assert await get(session(f"http://sms.example:{server.port}")) == GIVEN
    assert len(server.heads) == 1


async def test_an_address_that_answers_nothing_leaves_time_for_the_next(
    server: RawServer, session: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent, socket.socket() as first, socket.socket() as second:
        silent.bind(("127.0.0.9", server.port))
        silent.listen(0)
        for filler in (first, second):  # a full backlog answers no one
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        resolving(monkeypatch, ("127.0.0.9", server.port), ("127.0.0.1", server.port))
        assert await get(session(f"http://sms.example:{server.port}")) == GIVEN


async def test_ipv6(session: Ask) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    server = RawServer()
    try:
        listener = await asyncio.start_server(server.serve, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    async with listener:
        assert await get(session(f"http://[::1]:{listener.sockets[0].getsockname()[1]}/")) == GIVEN
        await server.stop()


# ---------------------------------------------------------------- the other loop


def test_on_uvloop_it_keeps_its_word() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def fin(conn: Conn) -> None:
        conn.close()

    async def run() -> None:
        async with raw_server() as server:
            session = HttpClient(server.url, connections=2, limits=LIMITS)
            server.then(ok, fin, hang, writes(H + b"\r\n" + ID, close=True), ok)
            assert await get(session) == GIVEN
            assert await get(session) == NoAnswer(fault=HttpFault.DISCONNECTED, left=True)
            assert await get(session) == NoAnswer(fault=HttpFault.READ_TIMEOUT, left=True)
            assert await get(session) == GIVEN
            assert await get(session) == GIVEN
            server.conns[-1].end_now()
            assert await session.get(QUERY) == GIVEN
            await session.close()
            assert (len(server.heads), server.accepted) == (6, 5)
        refused = HttpClient(server.url, connections=1, limits=LIMITS)
        assert await get(refused) == NoAnswer(fault=HttpFault.NOT_CONNECTED, left=False)
        await refused.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
