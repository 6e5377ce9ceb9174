"""How the simulated platform calls the bridge, and what it takes for an acknowledgement."""

from __future__ import annotations

import pytest

from bridge.sandbox.platform import CallEncoding, EventKind, PlatformEvent, SimulatedPlatform
from tests.unit.sandbox.raw import Callback, SetClock, http


async def test_a_call_has_the_documents_fields_in_its_order(platform: SimulatedPlatform) -> None:
    async with Callback(http(b"smsid=5094")) as bridge:
        result = await platform.send_callback(
            bridge.url, text="Заказ 5", sender="79083730330", smsid="5094", prefix="77"
        )
    assert (result.status, result.body, result.acknowledged) == (200, "smsid=5094", True)
    assert bridge.targets == [
        b"/sms.php?date=2026-11-21%2012%3A00%3A00"
        b"&text=%D0%97%D0%B0%D0%BA%D0%B0%D0%B7%205&smsid=5094&sender=79083730330&receiver=1234&prefix=77"
    ]


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [
        (CallEncoding.WINDOWS_1251, b"%D0%E5%26%20%ED"),
        (CallEncoding.RAW_1251, "Ре%26%20н".encode("cp1251")),
        (CallEncoding.RAW_UTF_8, "Ре%26%20н".encode()),
        ("utf-8", b"%D0%A0%D0%B5%26%20%D0%BD"),
    ],
)
async def test_text_comes_in_each_encoding_escaped_or_bare(
    platform: SimulatedPlatform, encoding: CallEncoding | str, wanted: bytes
) -> None:
    async with Callback(http(b"")) as bridge:
        await platform.send_callback(bridge.url, text="Ре& н", sender="7900", encoding=encoding)
    assert b"&text=" + wanted + b"&smsid=" in bridge.targets[0]


async def test_a_secret_in_the_callbacks_query_stays_in_front(platform: SimulatedPlatform) -> None:
    async with Callback(http(b"")) as bridge:
        await platform.send_callback(bridge.url + "?key=s3cret", text="a", sender="7900", date="")
    assert bridge.targets[0].startswith(b"/sms.php?key=s3cret&date=&text=a&")


@pytest.mark.parametrize(
    ("answer", "acknowledged"),
    [
        (http(b"smsid=77"), True),
        (http(b"id_sms=77\n"), True),
        (http(b"<html>Bad line: GET /sms.php?smsid=77&x=1</html>", "400 Bad Request"), True),
        (http(b"OK"), False),
        (http(b"smsid = 77"), False),
        (http(b"", "503 Service Unavailable"), False),
        (b"HTTP/1.1 200 OK\r\nX-Id: smsid=77\r\n\r\n", False),
    ],
)
async def test_the_id_anywhere_in_the_body_is_an_acknowledgement_whatever_the_status(
    platform: SimulatedPlatform, answer: bytes, acknowledged: bool
) -> None:
    async with Callback(answer) as bridge:
        result = await platform.send_callback(bridge.url, text="a", sender="7900", smsid="77")
    assert result.acknowledged is acknowledged


async def test_it_calls_again_until_the_id_comes_with_the_gap_between(
    platform: SimulatedPlatform, clock: SetClock
) -> None:
    start = clock.now()
    async with Callback(http(b"sorry")) as bridge:
        unheard = await platform.send_callback(bridge.url, text="a", sender="7900", attempts=3, gap=60_000)
    assert (unheard.calls, unheard.acknowledged) == (3, False)
    assert len(set(bridge.targets)) == 1
    assert clock.now() - start == 120_000
    async with Callback(http(b"smsid=8")) as bridge:
        heard = await platform.send_callback(bridge.url, text="a", sender="7900", smsid="8", attempts=3)
        assert (heard.calls, len(bridge.heads)) == (1, 1)


async def test_a_redelivery_is_the_same_call_byte_by_byte(platform: SimulatedPlatform, clock: SetClock) -> None:
    async with Callback(http(b"smsid=9")) as bridge:
        await platform.send_callback(bridge.url, text="привет", sender="7900", smsid="9", encoding="raw-1251")
        clock.at += 3_600_000
        again = await platform.redeliver("9", 2)
    assert [result.acknowledged for result in again] == [True, True]
    assert len(bridge.targets) == 3
    assert len(set(bridge.targets)) == 1


@pytest.mark.parametrize(
    "query",
    [
        b"smsid=5&text=%00%ZZ%",
        b"smsid=5&text=" + b"%D0%90" * 10_000,
        "smsid=5&text=Привет\xff".encode("cp1251", "replace") + b"\x98",
        b"",
    ],
)
async def test_any_bytes_can_be_brought_as_they_are(platform: SimulatedPlatform, query: bytes) -> None:
    async with Callback(http(b"smsid=5")) as bridge:
        result = await platform.send_raw_callback(bridge.url, query)
        assert (await platform.send_raw_callback(bridge.url, query, method="POST")).status == 200
    assert bridge.heads[0].startswith(b"GET /sms.php" + (b"?" + query if query else b"") + b" HTTP/1.1\r\n")
    assert bridge.heads[1].startswith(b"POST /sms.php")
    assert result.acknowledged is bool(query)


async def test_ids_of_messages_are_numbers_and_never_repeat(platform: SimulatedPlatform) -> None:
    async with Callback(http(b"")) as bridge:
        ids = [(await platform.send_callback(bridge.url, text="a", sender="7900")).smsid for _ in range(3)]
    assert all(smsid.isdigit() for smsid in ids)
    assert len(set(ids)) == 3


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"\x15\x03\x01\r\n\r\n", b"FTP 1 2\r\n\r\nsmsid=5"])
async def test_a_broken_bridge_is_an_unacknowledged_call_not_an_exception(
    platform: SimulatedPlatform, answer: bytes
) -> None:
    async with Callback(answer) as bridge:
        result = await platform.send_callback(bridge.url, text="a", sender="7900", smsid="5")
    assert result.status == 0
    assert result.error
    dead = await platform.send_callback(bridge.url, text="a", sender="7900")
    assert (dead.status, dead.error) == (0, "ConnectionRefusedError")
    assert platform.callback_results == [result, dead]


async def test_events_tell_of_every_call_and_of_the_platforms_own_thanks(clock: SetClock) -> None:
    events: list[PlatformEvent] = []
    platform = SimulatedPlatform(clock=clock, on_event=events.append)
    async with Callback(http(b"smsid=1")) as bridge:
        await platform.send_callback(bridge.url, text="a", sender="7900", smsid="1")
    assert [event.kind for event in events] == [EventKind.THANKED, EventKind.CALLED_BACK]
    assert events[0].recipient == "7900"
