"""However a request fails, the server sees each SMS at most once, and the outcome is right."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from bridge.model.answers import Receipt, SendOutcome
from bridge.platforms.http import HttpLimits, NoAnswer
from bridge.platforms.http_client import HttpClient
from bridge.platforms.iba import IbaPlatform
from tests.certificate import server_side, trusting
from tests.unit.platforms.conftest import NUMBER, TEXT, Connect, Watch
from tests.unit.platforms.rawserver import PATIENCE, Behaviour, Conn, RawServer, ok, raw_server

pytestmark = pytest.mark.usefixtures("watch")


async def send(platform: IbaPlatform, watch: Watch | None = None) -> Receipt:
    async with asyncio.timeout(PATIENCE):
        receipt = await platform.send(NUMBER, "MyShop", TEXT)
    if watch is not None:
        watch.seen.append(repr(receipt))
    return receipt


# ---------------------------------------------------------------- behaviours after the request was read


async def fin(conn: Conn) -> None:
    conn.close()


async def rst(conn: Conn) -> None:
    conn.reset()


async def half_status_line(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 2")
    conn.close()


async def half_headers(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    conn.close()


async def half_headers_rst(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    conn.reset()


async def headers_only(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    conn.close()


async def half_body(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n11790")
    conn.close()


async def half_chunked_body(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n11790\r\n")
    conn.close()


async def half_body_then_hang(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n11790")
    await conn.gone()


async def hang(conn: Conn) -> None:
    await conn.gone()


async def garbage(conn: Conn) -> None:
    await conn.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    conn.close()


async def binary_garbage(conn: Conn) -> None:
    await conn.write(bytes(range(256)))
    conn.close()


async def hints_without_end(conn: Conn) -> None:
    while not await conn.gone(within=0.02):
        await conn.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")


async def hint_then_fin(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    conn.close()


async def hint_then_half_body(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await conn.gone(within=0.01)
    await half_body(conn)


async def redirect_to_itself(conn: Conn) -> None:
    await conn.answer(b"", "302 Found", "Location: /sendsms.php?dadr=1&text=again\r\n")


async def moved(conn: Conn) -> None:
    await conn.answer(b"<h1>Moved</h1>", "301 Moved Permanently", "Location: /sendsms.php?dadr=1\r\n")


async def repeat_elsewhere(conn: Conn) -> None:
    await conn.answer(b"", "307 Temporary Redirect", "Location: /sendsms.php?dadr=1\r\n")


async def internal_error(conn: Conn) -> None:
    await conn.answer(b"1179038981", "500 Internal Server Error")


async def bad_gateway(conn: Conn) -> None:
    await conn.answer(b"<html><h1>502 Bad Gateway</h1></html>", "502 Bad Gateway")


async def unavailable(conn: Conn) -> None:
    await conn.answer(b"", "503 Service Unavailable", "Retry-After: 1\r\n")


async def html_page(conn: Conn) -> None:
    await conn.answer(b"<!DOCTYPE html><html><body>1179038981</body></html>")


async def empty(conn: Conn) -> None:
    await conn.answer(b"")


async def endless_body(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not await conn.gone(within=0.001):
        await conn.write(b"1179038981\n" * 6_000)


async def unframed_body_rst(conn: Conn) -> None:
    await conn.write(b"HTTP/1.1 200 OK\r\n\r\n11790")
    await conn.gone(within=0.05)
    conn.reset()


UNKNOWN: list[tuple[Behaviour, str]] = [
    (fin, "disconnected"),
    (rst, "disconnected"),
    (half_status_line, "disconnected"),
    (half_headers, "disconnected"),
    (half_headers_rst, "disconnected"),
    (headers_only, "broken_body"),
    (half_body, "broken_body"),
    (half_chunked_body, "broken_body"),
    (half_body_then_hang, "read_timeout"),
    (hang, "read_timeout"),
    (garbage, "bad_http"),
    (binary_garbage, "bad_http"),
    (hint_then_fin, "disconnected"),
    (hint_then_half_body, "broken_body"),
    (redirect_to_itself, "http_3xx"),
    (moved, "http_3xx"),
    (repeat_elsewhere, "http_3xx"),
    (internal_error, "http_5xx"),
    (bad_gateway, "http_5xx"),
    (unavailable, "http_5xx"),
    (html_page, "html_answer"),
    (empty, "empty_answer"),
    (endless_body, "long_answer"),
]


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize(("behaviour", "reason"), UNKNOWN, ids=[one.__name__ for one, _ in UNKNOWN])
async def test_a_failure_after_reading_is_unknown_and_asked_once(
    server: RawServer, platform: IbaPlatform, watch: Watch, behaviour: Behaviour, reason: str, reused: bool
) -> None:
    if reused:
        server.then(ok, behaviour)
        await platform.balance()
    else:
        server.then(behaviour)
    receipt = await send(platform, watch)
    assert (receipt.outcome, receipt.reason, receipt.ids) == (SendOutcome.UNKNOWN, reason, ())
    assert len(server.sends) == 1
    assert server.accepted == 1


@pytest.mark.parametrize("close", [fin, rst], ids=["FIN", "RST"])
async def test_closed_at_accept_is_never_called_not_sent_by_guessing(
    server: RawServer, platform: IbaPlatform, watch: Watch, close: Behaviour
) -> None:
    server.on_accept = close
    receipt = await send(platform, watch)
    assert receipt.outcome is SendOutcome.UNKNOWN
    assert server.accepted == 1


async def test_bytes_that_nobody_read_on_a_fresh_connection(server: RawServer, platform: IbaPlatform) -> None:
    server.close_unread_after = 0
    assert (await send(platform)).outcome is SendOutcome.UNKNOWN
    assert (server.unread, server.accepted) == (1, 1)


async def test_bytes_that_nobody_read_on_a_kept_connection(server: RawServer, platform: IbaPlatform) -> None:
    server.close_unread_after = 1
    await platform.balance()
    assert (await send(platform)).outcome is SendOutcome.UNKNOWN
    assert (server.unread, server.accepted, server.sends) == (1, 1, [])


async def test_an_answer_that_trickles_past_the_limit_is_unknown(server: RawServer, connect: Connect) -> None:
    async def trickle(conn: Conn) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1179038981":
            await conn.write(bytes([byte]))
            if await conn.gone(within=0.03):
                return

    server.then(trickle)
    receipt = await send(connect(server.url, limits=HttpLimits(total=300, sock_read=200)))
    assert (receipt.outcome, receipt.reason) == (SendOutcome.UNKNOWN, "read_timeout")
    patient = await send(connect(server.url, limits=HttpLimits(total=9_000, sock_read=1_000)))
    assert patient.outcome is SendOutcome.ACCEPTED
    assert len(server.sends) == 2


async def test_silence_past_the_limit_is_unknown_long_before_the_total_limit(
    server: RawServer, connect: Connect
) -> None:
    server.then(hang)
    receipt = await send(connect(server.url, limits=HttpLimits(total=60_000, sock_read=200)))
    assert (receipt.outcome, receipt.reason, len(server.sends)) == (SendOutcome.UNKNOWN, "read_timeout", 1)


async def test_interim_answers_without_end_meet_the_total_limit(server: RawServer, connect: Connect) -> None:
    server.then(hints_without_end)
    receipt = await send(connect(server.url, limits=HttpLimits(total=300, sock_read=200)))
    assert (receipt.outcome, len(server.sends)) == (SendOutcome.UNKNOWN, 1)


async def test_a_body_just_within_the_limit_is_read_and_one_past_it_is_not_believed(
    server: RawServer, connect: Connect
) -> None:
    limits = HttpLimits(total=5_000, sock_read=1_000, body=20)
    platform = connect(server.url, limits=limits)

    async def exactly(conn: Conn) -> None:
        await conn.answer(b"1179038981".ljust(20))

    async def one_more(conn: Conn) -> None:
        await conn.answer(b"1179038981".ljust(21))

    server.then(exactly, one_more)
    assert (await send(platform)).outcome is SendOutcome.ACCEPTED
    assert (await send(platform)).outcome is SendOutcome.UNKNOWN


# ---------------------------------------------------------------- answers with a meaning


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        ("429 Too Many Requests", b"", SendOutcome.TEMPORARY, "http_429"),
        ("404 Not Found", b"<h1>Not Found</h1>", SendOutcome.ACCOUNT_FAULT, "http_not_admitted"),
        ("403 Forbidden", b"", SendOutcome.ACCOUNT_FAULT, "http_not_admitted"),
        ("414 URI Too Long", b"", SendOutcome.REFUSED, "http_bad_request"),
        ("408 Request Timeout", b"", SendOutcome.UNKNOWN, "http_other"),
        ("401 Unauthorized", b"Error_Invalid_Login", SendOutcome.ACCOUNT_FAULT, "bad_login"),
    ],
)
async def test_other_statuses(
    server: RawServer, platform: IbaPlatform, status: str, body: bytes, outcome: SendOutcome, reason: str
) -> None:
    async def answer(conn: Conn) -> None:
        await conn.answer(body, status)

    server.then(answer)
    receipt = await send(platform)
    assert (receipt.outcome, receipt.reason) == (outcome, reason)
    assert receipt.detail.startswith(f"HTTP {status[:3]}")
    assert len(server.sends) == 1


async def test_accepted_over_one_kept_connection(server: RawServer, platform: IbaPlatform) -> None:
    receipts = [await send(platform) for _ in range(3)]
    assert receipts == [Receipt(outcome=SendOutcome.ACCEPTED, ids=("1179038981",))] * 3
    assert (len(server.sends), server.accepted) == (3, 1)


async def test_a_body_of_no_stated_length_ends_with_the_connection(server: RawServer, platform: IbaPlatform) -> None:
    async def unframed_body(conn: Conn) -> None:
        await conn.write(b"HTTP/1.1 200 OK\r\n\r\n1179038981")
        conn.close()

    server.then(unframed_body)
    receipt = await send(platform)
    assert (receipt.outcome, receipt.ids) == (SendOutcome.ACCEPTED, ("1179038981",))
    assert len(server.sends) == 1


async def test_a_reset_inside_a_body_of_no_stated_length_is_unknown(server: RawServer, platform: IbaPlatform) -> None:
    server.then(unframed_body_rst)
    receipt = await send(platform)
    assert (receipt.outcome, receipt.reason) == (SendOutcome.UNKNOWN, "broken_body")
    assert len(server.sends) == 1


# ---------------------------------------------------------------- surely not sent


async def test_a_refused_connection_is_not_sent(connect: Connect, watch: Watch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        receipt = await send(connect(f"http://127.0.0.1:{taken.getsockname()[1]}"), watch)
    assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "not_connected")


async def test_a_connection_that_does_not_come_about_in_time_is_not_sent(connect: Connect, watch: Watch) -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):  # a full backlog answers no one
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        limits = HttpLimits(total=5_000, connect=300, sock_connect=300)
        receipt = await send(connect(f"http://127.0.0.1:{listener.getsockname()[1]}", limits=limits), watch)
    assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "connect_timeout")


async def test_a_name_that_does_not_resolve_is_not_sent(
    connect: Connect, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    receipt = await send(connect("http://platform.invalid"), watch)
    assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "dns")


@pytest.mark.parametrize(
    "address",
    ["http://", "http://[::1", "ftp://127.0.0.1", "nonsense", "", "http://127.0.0.1:99999", "http://" + "a" * 70],
)
async def test_an_address_that_is_none_is_not_sent(address: str) -> None:
    session = HttpClient(address, connections=1)
    answer = await session.get(f"dadr={NUMBER}")
    await session.close()
    assert isinstance(answer, NoAnswer)
    assert not answer.left


async def test_waiting_for_a_connection_of_the_pool_is_not_sent(server: RawServer, connect: Connect) -> None:
    limits = HttpLimits(total=5_000, connect=200, sock_read=3_000)
    platform = connect(server.url, limits=limits, connections=1)
    server.then(hang)
    first = asyncio.create_task(send(platform))
    await asyncio.wait_for(server.asked.wait(), PATIENCE)
    second = await send(platform)
    assert (second.outcome, second.reason) == (SendOutcome.NOT_SENT, "connect_timeout")
    assert len(server.sends) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_name_that_takes_too_long_is_not_sent(
    connect: Connect, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    receipt = await send(connect("http://platform.invalid", limits=HttpLimits(connect=200)), watch)
    assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "connect_timeout")


async def test_the_total_limit_before_anything_left_is_not_sent(server: RawServer, connect: Connect) -> None:
    server.on_accept = hang  # a TLS handshake that never comes
    limits = HttpLimits(total=200, connect=3_000, sock_connect=3_000)
    receipt = await send(connect(f"https://127.0.0.1:{server.port}", limits=limits))
    assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "connect_timeout")


async def test_after_close_nothing_is_sent(server: RawServer, platform: IbaPlatform) -> None:
    await send(platform)
    await platform.close()
    assert (await send(platform)).outcome is SendOutcome.NOT_SENT
    assert len(server.sends) == 1


async def test_cancelling_propagates_and_the_client_goes_on(server: RawServer, platform: IbaPlatform) -> None:
    server.then(hang, ok)
    task = asyncio.create_task(send(platform))
    await asyncio.wait_for(server.asked.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await send(platform)).outcome is SendOutcome.ACCEPTED
    assert len(server.sends) == 2


async def test_a_cancelled_request_takes_its_connection_with_it_and_makes_room(
    server: RawServer, connect: Connect
) -> None:
    platform = connect(server.url, connections=1, limits=HttpLimits(total=60_000, connect=2_000, sock_read=60_000))
    server.then(hang, ok)
    task = asyncio.create_task(send(platform))
    await asyncio.wait_for(server.asked.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await send(platform)).outcome is SendOutcome.ACCEPTED
    assert (len(server.sends), server.accepted) == (2, 2)


async def test_the_environment_s_proxy_is_not_used(
    server: RawServer, platform: IbaPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await send(platform)).outcome is SendOutcome.ACCEPTED


async def test_no_more_connections_than_the_account_has(server: RawServer, connect: Connect) -> None:
    platform = connect(server.url, connections=3)
    receipts = await asyncio.gather(*(send(platform) for _ in range(20)))
    assert {receipt.outcome for receipt in receipts} == {SendOutcome.ACCEPTED}
    assert server.accepted <= 3


# ---------------------------------------------------------------- TLS


async def test_https_works_with_a_certificate_that_is_trusted(certificate: Path, connect: Connect) -> None:
    trust = trusting(certificate)
    async with raw_server(server_side(certificate)) as server:
        platform = connect(f"https://127.0.0.1:{server.port}", tls=trust)
        assert (await send(platform)).outcome is SendOutcome.ACCEPTED
        server.then(fin)
        assert (await send(platform)).outcome is SendOutcome.UNKNOWN
        assert len(server.sends) == 2
        await platform.close()


async def test_a_certificate_that_is_not_trusted_is_not_sent(certificate: Path, connect: Connect, watch: Watch) -> None:
    async with raw_server(server_side(certificate)) as server:
        receipt = await send(connect(f"https://127.0.0.1:{server.port}"), watch)
        assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "tls")
        assert server.targets == []


async def test_https_to_a_server_without_it_is_not_sent(server: RawServer, connect: Connect) -> None:
    async def plain(conn: Conn) -> None:
        await conn.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        conn.close()

    server.on_accept = plain
    receipt = await send(connect(f"https://127.0.0.1:{server.port}"))
    assert receipt.outcome is SendOutcome.NOT_SENT


async def test_a_handshake_that_hangs_is_not_sent(server: RawServer, connect: Connect) -> None:
    server.on_accept = hang
    limits = HttpLimits(total=5_000, connect=300, sock_connect=300)
    receipt = await send(connect(f"https://127.0.0.1:{server.port}", limits=limits))
    assert (receipt.outcome, receipt.reason) == (SendOutcome.NOT_SENT, "connect_timeout")


# ---------------------------------------------------------------- controls: aiohttp still does what we guard against


@pytest.mark.parametrize("behaviour", [fin, rst, half_headers], ids=lambda one: one.__name__)
async def test_aiohttp_alone_asks_twice(server: RawServer, behaviour: Behaviour) -> None:
    server.then(behaviour)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{server.url}/?dadr=1")
    assert len(server.sends) == 2


async def test_aiohttp_alone_follows_redirects_into_ten_requests(server: RawServer) -> None:
    server.then(redirect_to_itself)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.TooManyRedirects):
            await session.get(f"{server.url}/?dadr=1")
    assert len(server.sends) == 10


async def test_aiohttp_alone_takes_what_was_said_to_nobody_for_its_next_answer(server: RawServer) -> None:
    # An SMS got another one's id.
    async with aiohttp.ClientSession() as session:
        async with session.get(server.url) as first:
            assert await first.read() == b"1179038981"
        server.conns[0].now(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n66")
        for _ in range(20):
            await asyncio.sleep(0)
        async with session.get(server.url) as second:
            assert await second.read() == b"66"
