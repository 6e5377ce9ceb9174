"""Callbacks that the platform may send: what is stored, and what is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.web.answers import BODIES
from tests.unit.web.conftest import Site, SiteMaker, counting_requests
from tests.unit.web.wire import callback, everything, exchange, read_reply, request

pytestmark = pytest.mark.usefixtures("either_way")

ACK = b"smsid=5094"


async def only_text(site: Site) -> str:
    [row] = await site.stored()
    return row.text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"%CF%F0%E8%E2%E5%F2+%EC%E8%F0", "Привет мир", id="windows-1251 percent-encoded"),
        pytest.param("Привет".encode("cp1251"), "Привет", id="windows-1251 as raw bytes"),
        pytest.param("Привет мир".encode("cp1251"), "Привет мир", id="raw bytes and raw spaces"),
        pytest.param("Привет".encode(), "Привет", id="utf-8 as raw bytes"),
        pytest.param(b"%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82", "Привет", id="utf-8 percent-encoded"),
        pytest.param("При".encode("cp1251") + b"%E2%E5%F2", "Привет", id="half raw, half percent-encoded"),
        pytest.param(b"a%00b", "ab", id="NUL"),
        pytest.param(b"100%ZZ", "100%ZZ", id="no hexadecimal digits"),
        pytest.param(b"", "", id="empty text"),
        pytest.param("🙂 ok".encode(), "🙂 ok", id="emoji"),
        pytest.param(b"a#b", "a#b", id="a raw #"),
        pytest.param(b"why?", "why?", id="a raw ?"),
        pytest.param(b'"<>^`{|}\\~[]', '"<>^`{|}\\~[]', id="signs a URL may not hold"),
        pytest.param(b"\x01\t\x7f", None, id="raw control characters"),
        pytest.param(b"%ED%A0%80", None, id="lone surrogate"),
        pytest.param("‏שלום‎".encode(), "‏שלום‎", id="right-to-left marks"),
        pytest.param(b"smsid=777", "smsid=777", id="an id in the text"),
    ],
)
async def test_a_text_in_any_bytes_is_stored_and_acknowledged(site: Site, raw: bytes, text: str | None) -> None:
    reply = await site.get(callback(raw=raw))
    assert (reply.status, reply.body) == (200, ACK)
    stored = await only_text(site)
    assert text is None or stored == text
    stored.encode()  # no lone surrogate got through


async def test_an_answer_is_plain_text_of_a_known_length_that_no_cache_keeps(site: Site) -> None:
    reply = await site.get(callback())
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["content-length"] == str(len(ACK))
    assert reply.headers["cache-control"] == "no-store"
    assert "transfer-encoding" not in reply.headers
    assert "aiohttp" not in reply.headers["server"]


async def test_a_new_message_wakes_the_router_and_a_repeat_does_not(site: Site) -> None:
    await site.get(callback())
    assert site.signals.inbound.is_set()
    site.signals.inbound.clear()
    assert (await site.get(callback())).body == ACK
    assert not site.signals.inbound.is_set()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"text": None}, id="no text"),
        pytest.param({"sender": "Bank"}, id="a name as the sender"),
        pytest.param({"sender": "1234"}, id="a short number as the sender"),
        pytest.param({"sender": ""}, id="no sender"),
        pytest.param({"date": "yesterday"}, id="an unknown date"),
    ],
)
async def test_anything_but_the_id_may_be_missing_or_odd(site: Site, values: dict[str, Any]) -> None:
    reply = await site.get(callback(**values))
    assert (reply.status, reply.body) == (200, ACK)
    assert len(await site.stored()) == 1


async def test_a_call_that_holds_nothing_but_an_id_is_taken(site: Site) -> None:
    assert (await site.get("/sms.php?smsid=5094")).body == ACK


async def test_a_parameter_that_comes_twice_is_stored_and_acknowledged(site: Site) -> None:
    reply = await site.get(callback() + b"&text=other")
    assert (reply.status, reply.body) == (200, ACK)
    [row] = await site.stored()
    assert row.fault


async def test_the_longest_sms_in_percent_encoded_utf8_is_taken(site: Site) -> None:
    text = "щ" * 1600
    target = callback(text=text)
    assert len(target) > 9_600
    assert (await site.get(target)).body == ACK
    assert await only_text(site) == text


async def test_one_id_with_another_text_is_a_second_message(site: Site) -> None:
    assert (await site.get(callback(text="one"))).body == ACK
    assert (await site.get(callback(text="two"))).body == ACK
    assert [row.text for row in await site.stored()] == ["one", "two"]


async def test_ten_copies_at_once_are_one_message_and_ten_acknowledgements(site: Site) -> None:
    replies = await asyncio.gather(*(site.get(callback()) for _ in range(10)))
    assert [reply.body for reply in replies] == [ACK] * 10
    [row] = await site.stored()
    assert row.repeats == 9


async def test_the_answer_is_the_form_that_the_account_wants(make_site: SiteMaker) -> None:
    site = await make_site(answer="id_sms={smsid}\n")
    assert (await site.get(callback())).body == b"id_sms=5094\n"


@pytest.mark.parametrize("query", ["", "?", "?text=hello", "?smsid=", "?smsid=%00", "?smsid=12%0A34", "?smsid=a b"])
async def test_a_call_without_a_usable_id_is_refused_and_not_stored(site: Site, query: str) -> None:
    reply = await site.get("/sms.php" + query)
    assert (reply.status, reply.body) == (400, BODIES[400])
    assert await site.stored() == []


async def test_five_calls_in_one_segment_are_answered_in_their_order(site: Site) -> None:
    calls = b"".join(request(callback(smsid=str(n), raw=b"\xcf" * n)) for n in range(5))
    replies = await exchange(site.port, calls, replies=5)
    assert [reply.body for reply in replies] == [b"smsid=%d" % n for n in range(5)]
    assert [row.text for row in await site.stored()] == ["П" * n for n in range(5)]


async def test_more_calls_than_the_parser_queues_are_all_answered(site: Site) -> None:
    calls = b"".join(request(callback(smsid=str(n), raw=b"\xcf\xf0")) for n in range(100))
    replies = await exchange(site.port, calls, replies=100)
    assert [reply.body for reply in replies] == [b"smsid=%d" % n for n in range(100)]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
async def test_raw_bytes_are_understood_wherever_the_network_cuts(site: Site, size: int) -> None:
    data = request(callback(raw="Привет мир".encode("cp1251"))) + request(callback(smsid="6", raw=b"\xcf\xf0"))
    replies = await exchange(site.port, [data[at : at + size] for at in range(0, len(data), size)], replies=2)
    assert [reply.body for reply in replies] == [ACK, b"smsid=6"]
    assert [row.text for row in await site.stored()] == ["Привет мир", "Пр"]


async def test_empty_lines_between_calls_are_skipped(site: Site) -> None:
    replies = await exchange(site.port, b"\r\n" + request(callback()) + b"\r\n\r\n" + request(callback()), replies=2)
    assert [reply.body for reply in replies] == [ACK, ACK]


async def test_raw_bytes_in_header_lines_are_left_alone(site: Site) -> None:
    [reply] = await exchange(site.port, b"GET " + callback() + b" HTTP/1.1\r\nHost: a\r\nX-Name: \xcf\xf0\r\n\r\n")
    assert reply.body == ACK


@pytest.mark.parametrize("host", ["http://bridge", "http://bridge:8080", "HTTP://127.0.0.1"])
async def test_an_absolute_target_is_understood(site: Site, host: str) -> None:
    assert (await site.get(host.encode() + callback(raw=b"\xcf http://x/y?z"))).body == ACK
    assert await only_text(site) == "П http://x/y?z"


async def test_http_1_0_is_answered_and_closed(site: Site) -> None:
    answer = await everything(site.port, b"GET " + callback() + b" HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200")
    assert answer.endswith(ACK)


async def test_a_request_line_without_a_version_is_a_call_too(site: Site) -> None:
    answer = await everything(site.port, b"GET " + callback() + b"\r\n\r\n")
    assert answer.endswith(ACK)
    assert len(await site.stored()) == 1


async def test_who_shuts_the_sending_side_down_still_gets_the_answer(site: Site) -> None:
    held = asyncio.Event()
    site.inbox.before = held.wait
    asking = asyncio.create_task(everything(site.port, request(callback(), headers="Connection: close\r\n")))
    await until_in_work(site)
    held.set()
    assert (await asking).endswith(ACK)


async def test_a_caller_that_leaves_does_not_undo_the_message(site: Site) -> None:
    held = asyncio.Event()
    site.inbox.before = held.wait
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request(callback()))
    await until_in_work(site)
    writer.transport.abort()
    held.set()
    async with asyncio.timeout(10):
        await site.signals.inbound.wait()
        while not site.inbox.accepted:
            await asyncio.sleep(0)
    assert len(await site.stored()) == 1


async def test_a_request_for_an_upgrade_gets_its_answer(site: Site) -> None:
    reply = await site.get(callback(), headers="Connection: Upgrade\r\nUpgrade: websocket\r\n")
    assert reply.body == ACK


async def test_calls_on_one_connection_after_a_pause_in_the_head(site: Site) -> None:
    async with asyncio.timeout(15):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        for number in range(3):
            data = request(callback(smsid=str(number), raw=b"\xcf"))
            writer.write(data[:20])
            await writer.drain()
            writer.write(data[20:])
            assert (await read_reply(reader)).body == b"smsid=%d" % number
        writer.close()


async def until_in_work(site: Site) -> None:
    async with asyncio.timeout(10):
        while not site.listeners.in_progress:
            await asyncio.sleep(0)


async def test_an_ordinary_call_is_answered_without_a_request_of_aiohttp(
    site: Site, either_way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_aiohttp = counting_requests(monkeypatch)
    for number in range(3):
        assert (await site.get(callback(smsid=str(number)))).status == 200
    assert len(by_aiohttp) == (0 if either_way == "ordinary" else 3)
