"""Secrets, address lists, proxies and the number of connections."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address, ip_network

import pytest
import structlog

from bridge.web.access import Address, ConnectionCounter, Limits, client_address, parse_address
from bridge.web.answers import BODIES
from bridge.web.callback import Target
from tests.unit.web.conftest import SiteMaker, account
from tests.unit.web.wire import BOUND, callback, everything, exchange, request

pytestmark = pytest.mark.usefixtures("either_way")

SECRET = "s3cret+of ours/тайна"
QUOTED = "s3cret%2Bof%20ours%2F%D1%82%D0%B0%D0%B9%D0%BD%D0%B0"
PLUSSED = "s3cret%2Bof+ours%2F%D1%82%D0%B0%D0%B9%D0%BD%D0%B0"
ACK = b"smsid=5094"

QUERY = callback().partition(b"?")[2].decode()
WITH_SECRET = [
    pytest.param(f"/sms.php?key={QUOTED}&{QUERY}", id="first in the query"),
    pytest.param(f"/sms.php?{QUERY}&key={PLUSSED}", id="last in the query"),
    pytest.param(f"/sms.php?%6Bey={QUOTED}&{QUERY}", id="the name percent-encoded"),
    pytest.param(f"/sms.php/{QUOTED}?{QUERY}", id="last segment of the path"),
    pytest.param(f"http://bridge/sms.php/{QUOTED}?{QUERY}", id="absolute target"),
]
WITHOUT = [
    pytest.param(f"/sms.php?{QUERY}", id="none"),
    pytest.param(f"/sms.php?key=&{QUERY}", id="empty"),
    pytest.param(f"/sms.php?key=wrong&{QUERY}", id="wrong"),
    pytest.param(f"/sms.php?key={QUOTED}x&{QUERY}", id="one letter more"),
    pytest.param(f"/sms.php?key=wrong&key={QUOTED}&{QUERY}", id="the right one second"),
    pytest.param(f"/sms.php?KEY={QUOTED}&{QUERY}", id="the name in capitals"),
    pytest.param(f"/sms.php/wrong?{QUERY}", id="wrong segment"),
    pytest.param(f"/sms.php/?{QUERY}", id="empty segment"),
    pytest.param(f"/sms.php/wrong?key={QUOTED}&{QUERY}", id="wrong segment, right key"),
]


@pytest.mark.parametrize("target", WITH_SECRET)
async def test_the_secret_opens_in_either_place_and_is_kept_nowhere(
    make_site: SiteMaker, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site = await make_site(secret=SECRET)
    with structlog.testing.capture_logs() as logs:
        assert (await site.get(target)).body == ACK
        for bad in (target.replace("smsid=5094", "smsid="), "/x" + target[4:]):
            await site.get(bad)
        await everything(site.port, b"FROB " + target.encode() + b" HTTP/1.1\r\n\r\n")
    written = str(logs) + caplog.text
    for spelling in (SECRET, QUOTED, PLUSSED, "s3cret"):
        assert spelling not in written
        assert spelling.encode() not in site.files()
    [call] = site.inbox.calls
    assert b"key" not in call.raw_query
    assert b"s3cret" not in call.raw_query


@pytest.mark.parametrize("target", WITHOUT)
async def test_without_the_secret_nothing_is_taken(make_site: SiteMaker, target: str) -> None:
    site = await make_site(secret=SECRET)
    reply = await site.get(target)
    assert (reply.status, reply.body) == (403, BODIES[403])
    assert b"5094" not in reply.raw
    assert await site.stored() == []


async def test_a_key_that_no_account_asks_for_is_not_kept(make_site: SiteMaker) -> None:
    site = await make_site()
    assert (await site.get(f"/sms.php?key=old-secret&{QUERY}")).body == ACK
    assert b"old-secret" not in site.files()


async def test_accounts_on_one_path_are_told_apart_by_their_secrets(make_site: SiteMaker) -> None:
    site = await make_site({"one": account(secret="first"), "two": account(secret="second")})
    assert (await site.get(f"/sms.php?key=second&{QUERY}")).body == ACK
    assert (await site.get(f"/sms.php/first?{QUERY}")).body == ACK
    assert (await site.get(f"/sms.php?key=third&{QUERY}")).status == 403
    assert (await site.get(f"/sms.php?{QUERY}")).status == 403
    assert [row.account for row in await site.stored()] == ["two", "one"]


async def test_a_wrong_secret_does_not_fall_back_to_an_open_account(make_site: SiteMaker) -> None:
    site = await make_site({"open": account(), "guarded": account(secret="first")})
    assert (await site.get(f"/sms.php?key=fist&{QUERY}")).status == 403
    assert (await site.get(f"/sms.php?key=first&{QUERY}")).body == ACK
    assert (await site.get(f"/sms.php?{QUERY}")).body == ACK
    assert [row.account for row in await site.stored()] == ["guarded", "open"]


async def test_accounts_on_paths_of_their_own(make_site: SiteMaker) -> None:
    site = await make_site({"one": account(path="/a"), "two": account(path="/b/in.php", answer="id_sms={smsid}\n")})
    assert (await site.get(callback(path="/a"))).body == ACK
    assert (await site.get(callback(path="/b/in.php"))).body == b"id_sms=5094\n"
    assert (await site.get(callback(path="/b/%69n.php"))).body == b"id_sms=5094\n"
    assert (await site.get(callback(path="/b"))).status == 404


LOOPBACK = "127.0.0.0/8"


@pytest.mark.parametrize(
    ("allow", "proxies", "headers", "status"),
    [
        pytest.param([LOOPBACK], [], "", 200, id="the caller is listed"),
        pytest.param(["10.0.0.0/8"], [], "", 403, id="the caller is not listed"),
        pytest.param(["::1/128"], [], "", 403, id="a list of the other family"),
        pytest.param(["10.0.0.0/8"], [], "X-Forwarded-For: 10.1.1.1\r\n", 403, id="nobody is trusted"),
        pytest.param(["10.0.0.0/8"], [LOOPBACK], "X-Forwarded-For: 10.1.1.1\r\n", 200, id="a trusted proxy says so"),
        pytest.param(
            [LOOPBACK], [LOOPBACK], "X-Forwarded-For: 10.1.1.1\r\n", 403, id="the proxy itself does not count"
        ),
        pytest.param(
            ["10.0.0.0/8"],
            [LOOPBACK],
            "X-Forwarded-For: 10.1.1.1, 192.0.2.1\r\n",
            403,
            id="the caller wrote the left one",
        ),
        pytest.param(
            ["10.0.0.0/8"],
            [LOOPBACK, "192.0.2.0/24"],
            "X-Forwarded-For: 172.16.0.1, 10.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
            200,
            id="two trusted proxies, two header lines",
        ),
        pytest.param(["10.0.0.0/8"], [LOOPBACK], "X-Forwarded-For: 10.1.1.1, junk\r\n", 403, id="an unreadable hop"),
        pytest.param(["10.0.0.0/8"], [LOOPBACK], "X-Forwarded-For: 10.1.1.1:4711\r\n", 200, id="a hop with a port"),
    ],
)
async def test_only_listed_addresses_may_call(
    make_site: SiteMaker, allow: list[str], proxies: list[str], headers: str, status: int
) -> None:
    networks = [ip_network(text) for text in allow]
    site = await make_site(allow=networks, trusted_proxies=[ip_network(text) for text in proxies])
    reply = await site.get(callback(), headers=headers)
    assert reply.status == status
    assert len(await site.stored()) == (status == 200)
    if status != 200:
        assert reply.body == BODIES[status]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:80 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("", None),
        ("192.0.2.1, 192.0.2.2", None),
    ],
)
def test_addresses_as_proxies_write_them(text: str, address: str | None) -> None:
    assert parse_address(text) == (None if address is None else ip_address(address))


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [([], "10.0.0.1"), (["10.0.0.2"], "10.0.0.2"), (["10.0.0.3, 10.0.0.2"], "10.0.0.3"), ([""], None)],
)
def test_where_every_hop_is_a_trusted_proxy_the_first_one_counts(forwarded: list[str], expected: str | None) -> None:
    found: Address | None = client_address("10.0.0.1", forwarded, [ip_network("10.0.0.0/8")])
    assert found == (None if expected is None else ip_address(expected))


class TestTheConnectionLimits:
    def test_an_address_has_its_share_and_gets_it_back(self) -> None:
        guard = ConnectionCounter(Limits(per_address=2))
        assert [guard.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
        assert guard.admit("192.0.2.2")
        guard.leave("192.0.2.1")
        assert guard.admit("192.0.2.1")

    def test_loopback_and_trusted_proxies_have_no_share_but_the_total(self) -> None:
        guard = ConnectionCounter(Limits(per_address=1, total=5, exempt=(ip_network("10.0.0.0/8"),)))
        callers = ["127.0.0.1", "127.0.0.1", "10.0.0.1", "10.0.0.1", "192.0.2.1"]
        assert [guard.admit(caller) for caller in callers] == [True] * 5
        assert not guard.admit("127.0.0.1")


async def test_a_connection_too_many_is_closed_and_the_rest_works_on(make_site: SiteMaker) -> None:
    site = await make_site(limits=Limits(total=3))
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(BOUND):
            held = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(3)]
            for _ in range(20):
                assert await refused(site.port)
            for _, writer in held:
                writer.close()
            for reader, _ in held:
                await reader.read()
            [reply] = await exchange(site.port, request(callback()))
    assert reply.body == ACK
    assert [entry["event"] for entry in logs].count("connection_refused") == 1


async def refused(port: int) -> bool:
    """True if the server closes a new connection without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True
    finally:
        writer.close()


def test_the_key_is_out_of_the_query_before_anybody_parses_it() -> None:
    for query in (b"a=1&key=s3cret&b=2", b"a=1&k%65y=s3cret&b=2&key", b"key=s3cret&a=1&b=2&ke%79=s3cret"):
        target = Target.of(b"/sms.php?" + query)
        assert (target.path, target.query, target.key) == (b"/sms.php", b"a=1&b=2", b"s3cret")
