"""Each fault does what its name says, for a client of raw bytes; the book has what was taken."""

from __future__ import annotations

import asyncio

import pytest

from bridge.sandbox.faults import REFUSAL_WORDS
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import Fault, RequestKind, SimulatedPlatform
from bridge.sandbox.wire import MAX_HEAD
from tests.unit.sandbox.raw import Heard, SetClock, ask, connected, send_target, target


@pytest.mark.parametrize("fault", REFUSAL_WORDS)
async def test_a_refusal_says_its_words_once_and_charges_nothing(platform: SimulatedPlatform, fault: Fault) -> None:
    platform.misbehave(fault)
    heard = await ask(platform, send_target())
    assert (heard.status, heard.text) == (200, REFUSAL_WORDS[fault])
    assert platform.book == []
    assert platform.parked == (fault is Fault.PARKED)
    assert (await ask(platform, send_target())).text == platform.book[0].id


def test_every_wording_of_the_platforms_family_is_there() -> None:
    seen_in_the_field = """0|Неправильный логин или пароль|Error_Invalid_Login|Аккаунт заблокирован
        Ваш аккаунт заблокирован|Error_SMS_User_Disabled|Закончились SMS|У нас закончились SMS
        Error_Not_Enough_Credits|Недостаточно средств|Номер телефона присутствует в стоп-листе
        Данное направление закрыто|Данное направление закрыто для вас|Error_User_Destination_Blocked
        Текст SMS отклонен модератором|Error_SMS_Declined|Такого отправителя нет|Нет отправителя
        Отправитель не прошел модерацию|Отправитель не должен превышать|Error_Invalid_Source_Address
        Нет текста сообщения|Error_No_Text|Укажите номер телефона
        Номер телефона должен быть меньше 15 символов
        error: Попытка отправки более одного одинакового запроса в течение минуты|Flood SMS"""
    for words in seen_in_the_field.replace("\n", "|").split("|"):
        assert any(said.startswith(words.strip()) for said in REFUSAL_WORDS.values()), words


async def test_a_parked_message_goes_out_with_the_next_top_up(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.PARKED)
    await ask(platform, send_target())
    platform.top_up(10)
    assert [sms.text for sms in platform.book] == ["ибателеком"]


UNTOUCHED: list[tuple[Fault, int, bytes]] = [
    (Fault.EMPTY, 200, b""),
    (Fault.HTML, 200, b"<!DOCTYPE html>"),
    (Fault.GARBAGE_BODY, 200, b"\x80\x81"),
    (Fault.WRONG_ENCODING, 200, "Номер телефона присутствует".encode("cp1251")),
    (Fault.REDIRECT, 302, b"<html>"),
    (Fault.HTTP_429, 429, b"<html>"),
    (Fault.HTTP_500, 500, b"<html>"),
    (Fault.HTTP_502, 502, b"<html>"),
    (Fault.HTTP_503, 503, b"<html>"),
]


@pytest.mark.parametrize(("fault", "status", "begins"), UNTOUCHED)
@pytest.mark.parametrize("taken", [None, False, True])
async def test_an_ill_platform_may_or_may_not_have_taken_it(
    platform: SimulatedPlatform, fault: Fault, status: int, begins: bytes, taken: bool | None
) -> None:
    platform.misbehave(fault, taken=taken)
    heard = await ask(platform, send_target())
    assert heard.status == status
    assert heard.body.startswith(begins)
    assert len(platform.book) == bool(taken)
    assert platform.requests[0].fault is fault


async def test_a_redirect_points_at_the_same_request(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.REDIRECT)
    heard = await ask(platform, send_target())
    assert b"\r\nLocation: " + send_target().encode() + b"\r\n" in heard.raw


async def test_two_ids_for_one_sms(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.TWO_IDS)
    first, second = (await ask(platform, send_target())).text.split(",")
    (sms,) = platform.book
    assert sms.id == first != second
    assert (await ask(platform, target(smsid=second))).text.startswith("Send")


async def test_a_huge_body_looks_like_ids_wherever_one_stops(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.HUGE_BODY)
    heard = await ask(platform, send_target())
    assert len(heard.body) > 4_000_000
    assert set(heard.body[:65536].split(b"\n")[:-1]) == {b"1179038981"}


CUTS: list[tuple[Fault, bool]] = [
    (Fault.CUT_AFTER_READING, False),
    (Fault.CUT_AFTER_TAKING, True),
    (Fault.RESET, False),
    (Fault.RESET_AFTER_TAKING, True),
    (Fault.HALF_HEADERS, True),
    (Fault.HALF_BODY, True),
    (Fault.GARBAGE, False),
]


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize(("fault", "taken"), CUTS)
async def test_a_cut_connection_and_what_became_of_the_sms(
    platform: SimulatedPlatform, fault: Fault, taken: bool, reused: bool
) -> None:
    platform.misbehave(fault, recipient="79000000009")
    async with connected(platform) as client:
        if reused:
            await client.get(send_target())
        heard = await client.get(send_target(dadr="79000000009"))
    assert not heard.whole
    assert heard.reset is (fault in (Fault.RESET, Fault.RESET_AFTER_TAKING))
    assert len(platform.sent_to("79000000009")) == taken
    assert platform.requests[-1].fault is fault
    _assert_remains(fault, heard, platform)


def _assert_remains(fault: Fault, heard: Heard, platform: SimulatedPlatform) -> None:
    if fault is Fault.HALF_BODY:
        given = platform.book[-1].id.encode()
        assert heard.body == given[: len(given) // 2]
    elif fault is Fault.HALF_HEADERS:
        assert heard.raw.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\n\r\n" not in heard.raw
    elif fault is Fault.GARBAGE:
        assert heard.raw
        assert not heard.raw.startswith(b"HTTP")
    else:
        assert heard.raw == b""


async def test_a_connection_cut_before_reading_leaves_no_request(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.CUT_BEFORE_READING, times=2)
    async with connected(platform) as client:
        assert await client.closed() == b""
    async with connected(platform) as client:
        assert await client.closed() == b""
    assert (platform.connections, platform.requests, platform.book) == (2, [], [])
    assert (await ask(platform, send_target())).text.isdigit()


async def test_an_open_connection_is_cut_when_the_next_request_comes(platform: SimulatedPlatform) -> None:
    async with connected(platform) as client:
        await client.get(send_target())
        platform.misbehave(Fault.CUT_BEFORE_READING)
        heard = await client.get(send_target())
    assert heard.status == 0
    assert (len(platform.requests), len(platform.book)) == (1, 1)


async def test_cutting_one_recipients_requests_leaves_the_others_alone(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.CUT_BEFORE_READING, recipient="79000000009", times=None)
    assert (await ask(platform, send_target())).text.isdigit()
    assert (await ask(platform, send_target(dadr="79000000009"))).status == 0
    assert platform.sent_to("79000000009") == []


@pytest.mark.parametrize(("fault", "taken"), [(Fault.HANG, 0), (Fault.HANG_AFTER_TAKING, 1)])
async def test_a_hanging_request_ends_only_with_the_platform(
    platform: SimulatedPlatform, fault: Fault, taken: int
) -> None:
    platform.misbehave(fault)
    async with connected(platform) as client:
        hanging = asyncio.create_task(client.get(send_target()))
        await platform.wait_for(lambda platform: bool(platform.requests))
        assert (await ask(platform, send_target(dadr="79000000001"))).text.isdigit()
        assert not hanging.done()
        await platform.stop()
        assert (await hanging).status == 0
    assert len(platform.sent_to("79083730330")) == taken


async def test_a_slow_answer_is_the_right_one_and_the_sms_is_taken_before_it(
    platform: SimulatedPlatform,
) -> None:
    platform.misbehave(Fault.SLOW, delay=50)
    async with connected(platform) as client:
        answer = asyncio.create_task(client.get(send_target()))
        await platform.wait_for(lambda platform: platform.taken == 1)
        assert not answer.done()
        assert (await answer).text == platform.book[0].id
        assert (await client.get(send_target())).text == platform.book[1].id


async def test_a_trickle_comes_byte_by_byte_and_is_whole(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.TRICKLE, delay=1)
    async with connected(platform) as client:
        pieces = 0
        client.writer.write(f"GET {send_target()} HTTP/1.1\r\n\r\n".encode())
        raw = b""
        while not raw.endswith(b"\r\n\r\n" + str(platform.book[0].id if platform.book else "-").encode()):
            raw += await asyncio.wait_for(client.reader.read(65536), 10)
            pieces += 1
        assert pieces > 20
        assert (await client.get(send_target())).text == platform.book[1].id


async def test_a_pipelined_request_waits_for_the_slow_one_before_it(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.SLOW, delay=30)
    async with connected(platform) as client:
        client.writer.write(f"GET {send_target()} HTTP/1.1\r\n\r\n".encode())
        client.writer.write(f"GET {target(balance='1')} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        raw = await client.closed()
    assert raw.index(platform.book[0].id.encode()) < raw.index(b"997.50")


async def test_times_recipient_and_kind_say_whom_a_fault_meets(platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.STOP_LIST, recipient="79000000001", times=None)
    platform.misbehave(Fault.ZERO, times=2)
    assert (await ask(platform, send_target(dadr="79000000001"))).text == REFUSAL_WORDS[Fault.STOP_LIST]
    assert (await ask(platform, target(balance="1"))).text.startswith("1000.00")
    assert [(await ask(platform, send_target())).text == "0" for _ in range(3)] == [True, True, False]
    assert (await ask(platform, send_target(dadr="79000000001"))).text == REFUSAL_WORDS[Fault.STOP_LIST]
    platform.behave()
    assert (await ask(platform, send_target(dadr="79000000001"))).text.isdigit()


async def test_a_fault_of_the_whole_account_meets_balance_and_status_too(platform: SimulatedPlatform) -> None:
    given = (await ask(platform, send_target())).text
    platform.misbehave(Fault.BLOCKED, times=None, on=None)
    assert (await ask(platform, target(balance="1"))).body == b""
    assert (await ask(platform, target(smsid=given))).text == REFUSAL_WORDS[Fault.BLOCKED]
    platform.behave()
    platform.misbehave(Fault.HTTP_502, on=RequestKind.STATUS, recipient="79083730330")
    assert (await ask(platform, target(smsid=given))).status == 502
    assert (await ask(platform, target(smsid=given))).text.startswith("Send")


async def test_the_same_request_is_refused_only_if_the_cut_one_was_taken(clock: SetClock) -> None:
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(same_request_window=60_000))
    await platform.start()
    platform.misbehave(Fault.CUT_AFTER_READING)
    platform.misbehave(Fault.CUT_AFTER_TAKING)
    await ask(platform, send_target(text="раз"))
    assert (await ask(platform, send_target(text="два"))).status == 0
    assert (await ask(platform, send_target(text="раз"))).text.isdigit()
    assert (await ask(platform, send_target(text="два"))).text == REFUSAL_WORDS[Fault.SAME_REQUEST]
    await platform.stop()
    assert [sms.text for sms in platform.book] == ["два", "раз"]


# ---------------------------------------------------------------- plain HTTP


async def test_a_connection_is_kept_and_one_that_asks_for_its_end_is_closed(
    platform: SimulatedPlatform,
) -> None:
    async with connected(platform) as client:
        for _ in range(3):
            assert b"\r\nConnection: keep-alive" in (await client.get(send_target())).raw
        assert b"\r\nConnection: close" in (await client.get(send_target(), headers=b"Connection: close\r\n")).raw
        assert await client.closed() == b""
    assert platform.connections == 1
    assert {request.connection for request in platform.requests} == {1}


async def test_idle_connections_can_be_closed_under_the_client(platform: SimulatedPlatform) -> None:
    async with connected(platform) as client:
        await client.get(send_target())
        assert platform.close_idle() == 1
        assert await client.closed() == b""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /sendsms.php SPDY/3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        # Just too long: unread bytes would turn the end into a reset, and the answer would be lost.
        (b"GET /" + b"a" * (MAX_HEAD - 1), 431),
    ],
)
async def test_what_is_no_request_ends_the_connection(platform: SimulatedPlatform, head: bytes, status: int) -> None:
    async with connected(platform) as client:
        client.writer.write(head)
        assert (await client.read()).status == status
        assert await client.closed() == b""


async def test_a_body_is_read_over_and_a_head_may_come_in_pieces(platform: SimulatedPlatform) -> None:
    async with connected(platform) as client:
        client.writer.write(b"POST /sendsms.php HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /")
        assert (await client.read()).status == 405
        wanted = f"GET {send_target()} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        for piece in (wanted[:20], wanted[20:-3], wanted[-3:]):
            client.writer.write(piece)
            await client.writer.drain()
            # a whole round trip of another client: by then the piece has been read
            assert (await ask(platform, target(balance="1"))).body
        assert (await client.read()).text == platform.book[0].id
