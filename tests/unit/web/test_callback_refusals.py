"""Refusals are constants: an id in an error page would be taken for an acknowledgement."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.web.access import Limits
from bridge.web.answers import BODIES
from tests.unit.web.conftest import Site, SiteMaker
from tests.unit.web.wire import BOUND, callback, everything, exchange, read_reply, request

pytestmark = pytest.mark.usefixtures("either_way")

ID = b"smsid=5094"


def assert_constant(answer: bytes, *statuses: int) -> None:
    """Check one whole answer: one of these statuses, the constant body, and no part of the call."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    assert status in statuses
    assert body == BODIES[status]
    assert b"5094" not in answer
    assert b"79001112233" not in answer


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03smsid=5094\r\n\r\n", id="TLS"),
        pytest.param(b"\x00\xff\xfe smsid=5094\r\n\r\n", id="noise"),
        pytest.param(b"GET /sms.php?smsid=5094 HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", id="a header without a colon"),
        pytest.param(b"GET /sms.php?smsid=5094 HTTP/1.1\nHost: a\n\n", id="bare line feeds"),
        pytest.param(b"GET /sms.php?smsid=5094 HTTP/9.9\r\nHost: a\r\n\r\n", id="an unknown version"),
        pytest.param(b"GET /sms.php?smsid=50\r94 HTTP/1.1\r\nHost: a\r\n\r\n", id="a bare carriage return"),
        pytest.param(b"GET http://[::smsid=5094/ HTTP/1.1\r\nHost: a\r\n\r\n", id="an impossible host"),
        pytest.param(b"GET smsid=5094 HTTP/1.1\r\nHost: a\r\n\r\n", id="a target without a slash"),
        pytest.param(b"GET * HTTP/1.1\r\nHost: smsid=5094\r\n\r\n", id="an asterisk"),
        pytest.param(b"FROB /sms.php?smsid=5094 HTTP/1.1\r\nHost: a\r\n\r\n", id="an unknown method"),
        pytest.param(
            b"GET /sms.php?smsid=5094 HTTP/1.1\r\nHost: a\r\nX: " + b"smsid=5094" * 900 + b"\r\n\r\n",
            id="a long header",
        ),
        pytest.param(
            b"GET /sms.php?smsid=5094 HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", id="an impossible length"
        ),
        pytest.param(
            b"GET /sms.php?smsid=5094 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
            id="two lengths",
        ),
        pytest.param(b"GET /sms.php?smsid=5094&x=" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="70 kB"),
        pytest.param(b"GET /sms.php?smsid=5094&x=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="100 kB"),
        pytest.param(
            b"GET /sms.php?smsid=5094&x=" + b"\xcf" * 30_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="30 kB raw"
        ),
        pytest.param(b"GET /sms.php?smsid=5094&x=" + b"a" * 1_200_000, id="a line that does not end"),
    ],
)
async def test_what_is_not_http_gets_a_constant_and_is_not_stored(site: Site, data: bytes) -> None:
    assert_constant(await everything(site.port, data), 400)
    assert await site.stored() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_nothing_but_get_is_taken(site: Site, method: str) -> None:
    [reply] = await exchange(site.port, request(callback(), method=method))
    assert_constant(reply.raw, 405)
    assert reply.headers["allow"] == "GET"
    assert await site.stored() == []


async def test_head_is_refused_without_a_body(site: Site) -> None:
    answer = await everything(site.port, request(callback(), method="HEAD"))
    assert answer.startswith(b"HTTP/1.1 405")
    assert answer.endswith(b"\r\n\r\n")
    assert await site.stored() == []


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("GET", "Content-Length: 10\r\n", b"smsid=5094", 413),
        ("GET", "Transfer-Encoding: chunked\r\n", b"a\r\nsmsid=5094\r\n0\r\n\r\n", 413),
        ("POST", "Content-Length: 10\r\n", b"smsid=5094", 405),
        ("POST", "Content-Length: 10\r\nExpect: 100-continue\r\n", b"smsid=5094", 405),
    ],
)
async def test_a_body_is_refused_and_what_follows_is_not_a_call(
    site: Site, method: str, headers: str, body: bytes, status: int
) -> None:
    smuggled = request(callback(smsid="666"))
    answer = await everything(site.port, request(callback(), method=method, headers=headers) + body + smuggled)
    assert_constant(answer, status)
    assert await site.stored() == []


async def test_a_body_that_looks_like_a_call_is_not_one(site: Site) -> None:
    smuggled = request(callback())
    headers = f"Content-Length: {len(smuggled)}\r\n"
    assert_constant(await everything(site.port, request("/sms.php", headers=headers) + smuggled), 413)
    assert await site.stored() == []


@pytest.mark.parametrize("path", ["/", "/sms", "/sms.php2", "/other.php", "//sms.php", "/sms.php/x", "/SMS.PHP"])
async def test_an_unknown_path_gets_a_constant(site: Site, path: str) -> None:
    assert_constant((await site.get(callback(path=path))).raw, 404)
    assert await site.stored() == []


async def test_garbage_after_a_good_call_costs_only_the_connection(site: Site) -> None:
    first, second = await exchange(site.port, request(callback()) + b"\x00smsid=1\r\n\r\n", replies=2)
    assert first.body == ID
    assert_constant(second.raw, 400)


async def test_half_sent_headers_are_closed_in_time(make_site: SiteMaker) -> None:
    site = await make_site(limits=Limits(head_timeout=0.05))
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(request(callback())[:-2])
        assert_constant(await reader.read(), 400)
        writer.close()
    assert await site.stored() == []


async def test_an_idle_connection_is_closed_in_time(make_site: SiteMaker) -> None:
    site = await make_site(limits=Limits(keepalive=0.05))
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(request(callback()))
        assert (await read_reply(reader)).body == ID
        assert await reader.read() == b""
        writer.close()


async def test_the_time_for_a_head_starts_anew_with_each_call(make_site: SiteMaker) -> None:
    site = await make_site(limits=Limits(head_timeout=0.5))
    one = request(callback())
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(one[:30])
        while asyncio.get_running_loop().time() < began + 1.0:  # never a moment without a begun head
            writer.write(one[30:] + one[:30])
            assert (await read_reply(reader)).body == ID
        writer.close()


class TestTheStoreCannotCommit:
    async def test_503_without_the_id_and_recovery_by_itself(self, site: Site) -> None:
        locker = sqlite3.connect(site.path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        try:
            with structlog.testing.capture_logs() as logs:
                replies = await asyncio.gather(*(site.get(callback()) for _ in range(3)))
            for reply in replies:
                assert_constant(reply.raw, 503)
            assert await site.stored() == []
            assert [entry["event"] for entry in logs].count("callback_not_stored") == 1
        finally:
            locker.execute("ROLLBACK")
            locker.close()
        assert (await site.get(callback())).body == ID
        assert len(await site.stored()) == 1

    async def test_the_connection_stays_usable(self, site: Site) -> None:
        locker = sqlite3.connect(site.path, isolation_level=None)
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            locker.execute("BEGIN IMMEDIATE")
            writer.write(request(callback()))
            assert_constant((await read_reply(reader)).raw, 503)
            locker.execute("ROLLBACK")
            locker.close()
            writer.write(request(callback()))
            assert (await read_reply(reader)).body == ID
            writer.close()


async def test_an_unforeseen_error_gets_a_constant_and_leaves_no_text_in_the_log(site: Site) -> None:
    async def fail() -> None:
        raise RuntimeError("smsid=5094 from 79001112233")

    site.inbox.before = fail
    with structlog.testing.capture_logs() as logs:
        assert_constant((await site.get(callback())).raw, 500)
    [entry] = [entry for entry in logs if entry["event"] == "callback_failed"]
    assert entry["error"] == "RuntimeError"
    assert "5094" not in str(logs)


async def test_while_stopping_new_calls_are_sent_away_and_those_in_work_are_finished(site: Site) -> None:
    held = asyncio.Event()
    site.inbox.before = held.wait
    first = asyncio.create_task(site.get(callback()))
    async with asyncio.timeout(BOUND):
        while not site.listeners.in_progress:
            await asyncio.sleep(0)
    site.listeners.stop_intake()
    assert_constant((await site.get(callback(smsid="6"))).raw, 503)
    assert (await site.get("/readyz")).status == 503
    closing = asyncio.create_task(site.listeners.close(BOUND))
    held.set()
    assert (await first).body == ID
    await closing
    with pytest.raises(ConnectionRefusedError):
        await site.get(callback())


async def test_a_call_that_does_not_end_is_cut_off_at_the_deadline(site: Site) -> None:
    site.inbox.before = asyncio.Event().wait
    hanging = asyncio.create_task(everything(site.port, request(callback())))
    async with asyncio.timeout(BOUND):
        while not site.listeners.in_progress:
            await asyncio.sleep(0)
        with structlog.testing.capture_logs() as logs:
            await site.listeners.close(0.05)
    assert ID not in await hanging
    assert [entry["event"] for entry in logs] == ["callbacks_cut_off"]


LINES = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda method, target, version, rest: method + b" " + target + b" " + version + b"\r\n" + rest + b"\r\n\r\n",
        st.sampled_from([b"GET", b"GET ", b"HEAD", b"POST", b"get", b"G\xcfT", b"CONNECT", b"OPTIONS"]),
        st.one_of(
            st.binary(max_size=80).map(lambda tail: b"/sms.php?smsid=X&" + tail),
            st.binary(max_size=80).map(lambda tail: b"/sms.php?" + tail + b"&smsid=X"),
            st.binary(max_size=40).map(lambda host: b"http://" + host + b"/sms.php?smsid=X"),
            st.binary(max_size=40).map(lambda path: b"/" + path + b"?smsid=X"),
        ),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"", b"\xff"]),
        st.one_of(
            st.just(b"Host: smsid=X"),
            st.binary(max_size=60).map(lambda value: b"Host: a\r\nX-Any: " + value),
            st.just(b"Host: a\r\nContent-Length: 3\r\n\r\nabc"),
            st.just(b"Host: a\r\nUpgrade: websocket\r\nConnection: upgrade"),
        ),
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=LINES)
async def test_no_bytes_whatever_are_acknowledged_unless_stored(site: Site, data: bytes) -> None:
    before = len(site.inbox.accepted)
    answer = await everything(site.port, data)
    stored = [await site.store.get_inbound(accepted.id) for accepted in site.inbox.accepted[before:]]
    assert answer.count(b"smsid=X") <= sum(row is not None and row.smsid == "X" for row in stored)


async def test_a_path_that_is_too_long_is_refused_before_its_secret_is_looked_at(make_site: SiteMaker) -> None:
    site = await make_site(secret="s3cret-of-ours")
    assert_constant(await everything(site.port, request(callback(path="/sms.php/" + "x" * 70_000))), 400)
