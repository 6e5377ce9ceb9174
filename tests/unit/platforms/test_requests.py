"""The exact bytes of the requests, in the encoding of the account."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote_to_bytes

import pytest

from bridge.errors import PlatformError
from bridge.model.answers import Balance, DeliveryReport, Receipt, ReportOutcome, SendOutcome
from bridge.platforms.iba import IbaPlatform
from tests.unit.platforms.conftest import LOGIN, NUMBER, PASSWORD, TEXT, Connect, Watch
from tests.unit.platforms.rawserver import Behaviour, Conn, RawServer

TEXTS = [
    "Привет, мир!",
    "Съешь же ещё этих мягких французских булок, да выпей чаю",
    "ЁЖИК № 5 «кавычки» — тире…",
    "a+b=c&d=e?f#g%20h;i/j",
    "Скидка 50%\nвторая строка\tтаб",
    "пробелы   по краям ",
    "ASCII only",
    "Рё",
    "я",
]
ONLY_UTF8 = ["Привет 😀", "Сәлем, қалай?", "Татарча: җ ң ү", "日本"]


def says(body: bytes) -> Behaviour:
    async def behave(conn: Conn) -> None:
        await conn.answer(body)

    return behave


def parameters(target: bytes) -> dict[str, bytes]:
    pairs = (pair.split(b"=", 1) for pair in target.partition(b"?")[2].split(b"&"))
    return {name.decode(): unquote_to_bytes(value.replace(b"+", b" ")) for name, value in pairs}


async def test_a_send_has_the_documented_parameters(server: RawServer, platform: IbaPlatform) -> None:
    await platform.send(NUMBER, "MyShop", TEXT)
    (target,) = server.targets
    assert target.startswith(b"/sendsms.php?")
    assert target.isascii()
    assert parameters(target) == {
        "user": LOGIN.encode(),
        "pwd": PASSWORD.encode(),
        "sadr": b"MyShop",
        "dadr": NUMBER.encode(),
        "text": TEXT.encode(),
    }


async def test_nothing_encodes_the_query_a_second_time(server: RawServer, connect: Connect) -> None:
    await connect(server.url, encoding="windows-1251").send(NUMBER, "My-Shop", "(Да)!+%41~")
    assert server.targets[0].endswith(b"&sadr=My-Shop&dadr=79001112233&text=%28%C4%E0%29%21%2B%2541~")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
async def test_a_text_arrives_in_the_account_s_encoding(
    server: RawServer, connect: Connect, text: str, encoding: str
) -> None:
    await connect(server.url, encoding=encoding).send(NUMBER, "MyShop", text)
    assert parameters(server.targets[0])["text"].decode(encoding) == text


@pytest.mark.parametrize("text", ONLY_UTF8)
async def test_a_text_that_windows_1251_lacks_goes_out_in_utf_8(server: RawServer, connect: Connect, text: str) -> None:
    await connect(server.url, encoding="windows-1251").send(NUMBER, "MyShop", text)
    sent = parameters(server.targets[0])["text"]
    assert sent.decode() == text
    assert b"?" not in sent or "?" in text


@pytest.mark.parametrize(
    ("path", "script", "expected"),
    [
        ("", "/sendsms.php", b"/sendsms.php?user="),
        ("/", "/get/", b"/get/?user="),
        ("/deep", "/send.php", b"/deep/send.php?user="),
    ],
)
async def test_host_and_path_are_settings(
    server: RawServer, connect: Connect, path: str, script: str, expected: bytes
) -> None:
    await connect(server.url + path, script=script).send(NUMBER, "MyShop", "x")
    assert server.targets[0].startswith(expected)


async def test_several_recipients_in_one_request(server: RawServer, platform: IbaPlatform) -> None:
    server.then(says(b"1<br>2<br>3"))
    receipts = await platform.send_many(["79001112233", "+79001112244", "79001112255"], "MyShop", "x")
    assert parameters(server.targets[0])["dadr"] == b"79001112233,79001112244,79001112255"
    assert [receipt.ids for receipt in receipts] == [("1",), ("2",), ("3",)]


async def test_a_recipient_named_twice_is_asked_for_once(server: RawServer, platform: IbaPlatform) -> None:
    server.then(says(b"1,2"))
    receipts = await platform.send_many(["79001112233", "+79001112233", "79001112244"], "MyShop", "x")
    assert parameters(server.targets[0])["dadr"] == b"79001112233,79001112244"
    assert [receipt.ids for receipt in receipts] == [("1",), ("1",), ("2",)]


async def test_ten_recipients_are_the_limit(server: RawServer, platform: IbaPlatform) -> None:
    with pytest.raises(ValueError, match="at most 10"):
        await platform.send_many([f"790011122{n:02}" for n in range(11)], "MyShop", "x")
    assert await platform.send_many([], "MyShop", "x") == ()
    assert server.targets == []


@pytest.mark.parametrize("recipient", ["", "TELE2", "7900,7901", "7900&dadr=1", "٧٩٠٠١١١٢٢٣٣", "7" * 16])
async def test_what_is_no_number_is_refused_without_asking(
    server: RawServer, platform: IbaPlatform, recipient: str
) -> None:
    receipt = await platform.send(recipient, "MyShop", "x")
    assert receipt == Receipt(outcome=SendOutcome.REFUSED, reason="bad_number")
    assert server.targets == []


async def test_one_bad_recipient_does_not_cost_the_others_their_sms(server: RawServer, platform: IbaPlatform) -> None:
    server.then(says(b"1,2"))
    receipts = await platform.send_many(["79001112233", "TELE2", "79001112255"], "MyShop", "x")
    assert [receipt.outcome for receipt in receipts] == [
        SendOutcome.ACCEPTED,
        SendOutcome.REFUSED,
        SendOutcome.ACCEPTED,
    ]


async def test_the_status_question(server: RawServer, platform: IbaPlatform) -> None:
    server.then(says(b"deliver 2026-01-01 10:00:00"))
    report = await platform.report("1179038981")
    assert report == DeliveryReport(outcome=ReportOutcome.DELIVERED, status="deliver", at_raw="2026-01-01 10:00:00")
    asked = parameters(server.targets[0])
    assert asked == {"user": LOGIN.encode(), "pwd": PASSWORD.encode(), "smsid": b"1179038981"}


async def test_the_balance_question(server: RawServer, platform: IbaPlatform) -> None:
    server.then(says(b"100.01 RUR"))
    assert await platform.balance() == Balance(amount=100.01, currency="RUR")
    asked = parameters(server.targets[0])
    assert asked == {"user": LOGIN.encode(), "pwd": PASSWORD.encode(), "balance": b"1"}


async def test_a_question_without_an_answer_is_a_platform_error(
    server: RawServer, platform: IbaPlatform, watch: Watch
) -> None:
    async def fin(conn: Conn) -> None:
        conn.close()

    server.then(fin)
    for question in (platform.report("1"), platform.balance()):
        with pytest.raises(PlatformError) as raised:
            await question
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None
        watch.seen.append(repr(raised.value))
    assert len(server.targets) == 2


async def test_an_echoed_request_shows_nothing_of_it(server: RawServer, platform: IbaPlatform, watch: Watch) -> None:
    async def echo(conn: Conn) -> None:
        await conn.answer(b"Bad: " + server.targets[-1] + f" {PASSWORD} {NUMBER} {TEXT}".encode(), "400 Bad Request")

    server.then(echo)
    watch.seen.append(repr(await platform.send(NUMBER, "MyShop", TEXT)))
    watch.seen.append(repr(platform) + repr(vars(platform)))


async def test_many_at_once_each_get_their_own_answer(server: RawServer, platform: IbaPlatform) -> None:
    async def its_own_id(conn: Conn) -> None:
        await conn.answer(parameters(server.targets[-1])["text"])

    server.then(its_own_id)
    receipts = await asyncio.gather(*(platform.send(NUMBER, "MyShop", str(n)) for n in range(1, 60)))
    assert [receipt.ids for receipt in receipts] == [(str(n),) for n in range(1, 60)]
