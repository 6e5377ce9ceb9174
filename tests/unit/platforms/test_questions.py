"""Reading the answers to the two questions: the status of an SMS, and the balance."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import PlatformError
from bridge.model.answers import Balance, DeliveryReport, ReportOutcome, SmsReason
from bridge.platforms.http import Answer, HttpFault, NoAnswer
from bridge.platforms.iba_questions import parse_balance, parse_report
from tests.unit.platforms.test_answers import WORDS, encoded


def answer(body: str | bytes, status: int = 200) -> Answer:
    return Answer(status=status, body=body if isinstance(body, bytes) else body.encode())


TIME = "2026-01-01 10:00:00"


@pytest.mark.parametrize(
    ("body", "outcome", "word", "at"),
    [
        ("Send", ReportOutcome.SENT, "Send", ""),
        ("deliver", ReportOutcome.DELIVERED, "deliver", ""),
        (f"deliver {TIME}", ReportOutcome.DELIVERED, "deliver", TIME),
        (f"deliver<br>{TIME}<br>", ReportOutcome.DELIVERED, "deliver", TIME),
        (f"{TIME}\r\nDELIVER", ReportOutcome.DELIVERED, "DELIVER", TIME),
        (f"\ufeffsend;{TIME}", ReportOutcome.SENT, "send", TIME),
        ("deliver, 01.01.2026 10:00", ReportOutcome.DELIVERED, "deliver", "01.01.2026 10:00"),
        ("deliver (2026-01-01T10:00:00Z)", ReportOutcome.DELIVERED, "deliver", "2026-01-01T10:00:00Z"),
        (f"deliver: {TIME} MSK", ReportOutcome.DELIVERED, "deliver", f"{TIME} MSK"),
        ("deliver 1767250800", ReportOutcome.DELIVERED, "deliver", "1767250800"),
        (f"not_deliver {TIME}", ReportOutcome.UNDELIVERED, "not_deliver", TIME),
        ("Expired", ReportOutcome.EXPIRED, "Expired", ""),
        ("partly_deliver", ReportOutcome.PARTLY, "partly_deliver", ""),
        ("Buffered", ReportOutcome.OTHER, "Buffered", ""),
        (f"Доставляется {TIME}", ReportOutcome.OTHER, "Доставляется", TIME),
        ("in-flight", ReportOutcome.OTHER, "in-flight", ""),
    ],
)
def test_a_status_is_one_word_and_perhaps_a_time(body: str, outcome: ReportOutcome, word: str, at: str) -> None:
    assert parse_report(answer(body)) == DeliveryReport(outcome=outcome, status=word, at_raw=at)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "0",
        "1179038981",
        "not deliver",
        "deliver not_deliver",
        "SMS не найдена",
        "Error_Unknown_Id",
        "error",
        "<html>deliver</html>",
        b"\xff\x00\x98",
        b"\xff\xfe\x83\x84",
        TIME,
        "deliver\n" * 1000,
        *(words for words, *_ in WORDS),
    ],
)
def test_no_usable_status_is_an_error_and_no_status(body: str | bytes) -> None:
    for raw in encoded(body) if isinstance(body, str) else [body]:
        with pytest.raises(PlatformError):
            parse_report(answer(raw))


@pytest.mark.parametrize("status", [204, 302, 404, 429, 500, 503])
def test_a_status_with_any_other_http_status_is_an_error(status: int) -> None:
    with pytest.raises(PlatformError, match=f"HTTP {status}"):
        parse_report(answer("deliver", status))
    with pytest.raises(PlatformError, match=f"HTTP {status}"):
        parse_balance(answer("100", status))


@pytest.mark.parametrize("fault", HttpFault)
def test_no_answer_is_an_error_in_words(fault: HttpFault) -> None:
    for ask in (parse_report, parse_balance):
        with pytest.raises(PlatformError, match="no usable answer to the"):
            ask(NoAnswer(fault=fault, left=True))


@pytest.mark.parametrize(
    ("body", "amount", "currency", "directions"),
    [
        ("100.01 RUR", 100.01, "RUR", ()),
        ("100,01 RUR", 100.01, "RUR", ()),
        ("\ufeff100.01 RUR<br>", 100.01, "RUR", ()),
        ("0", 0.0, "", ()),
        ("0.00 RUR", 0.0, "RUR", ()),
        ("-5,5 руб.", -5.5, "руб.", ()),
        ("1 234 567,80 RUR", 1_234_567.8, "RUR", ()),
        ("1\u00a0234.5 ₽", 1234.5, "₽", ()),
        ("100.01RUR", 100.01, "RUR", ()),
        ("100.01\nRUR\nРоссия: 90.5\nМТС: 9,51", 100.01, "RUR", (("Россия", 90.5), ("МТС", 9.51))),
        ("Balance: 100.01<br>Currency: RUR<br>Direction: 7", 100.01, "RUR", (("Direction", 7.0),)),
        ("100\nRUR\nsomething else\nA: 1 RUR", 100.0, "RUR", (("A", 1.0),)),
    ],
)
def test_a_balance(body: str, amount: float, currency: str, directions: tuple[tuple[str, float], ...]) -> None:
    expected = Balance(amount=amount, currency=currency, directions=directions)
    assert parse_balance(answer(body)) == expected
    if "₽" not in body:
        assert parse_balance(answer(body.removeprefix("\ufeff").encode("cp1251"))) == expected


@pytest.mark.parametrize(
    "body",
    ["", " \n", "RUR", "Ошибка 404", "nan", "1e9", "inf RUR", "1.2.3", "<b>100</b>", "100 20", "Send", "1" * 400]
    + [words for words, *_ in WORDS],
)
def test_no_usable_balance_is_an_error(body: str) -> None:
    for raw in encoded(body):
        with pytest.raises(PlatformError):
            parse_balance(answer(raw))


@pytest.mark.parametrize(("words", "reason"), [(words, reason) for words, _, reason in WORDS])
def test_known_words_are_a_reason_and_a_quotation(words: str, reason: SmsReason) -> None:
    for ask in (parse_report, parse_balance):
        with pytest.raises(PlatformError) as raised:
            ask(answer(words))
        assert (raised.value.reason, raised.value.detail) == (reason, words)


@pytest.mark.parametrize(
    ("given", "reason", "detail"),
    [
        (NoAnswer(fault=HttpFault.DNS, left=False), SmsReason.DNS, ""),
        (answer(""), SmsReason.EMPTY, ""),
        (answer("<h1>Sorry</h1>"), SmsReason.HTML, "Sorry"),
        (answer("Приходите завтра"), SmsReason.UNKNOWN_WORDS, "Приходите завтра"),
        (answer("", 404), SmsReason.NOT_ADMITTED, "HTTP 404"),
        (answer("Неправильный логин или пароль", 403), SmsReason.BAD_LOGIN, "HTTP 403"),
        (answer("", 302), SmsReason.REDIRECTED, "HTTP 302"),
        (answer("", 503), SmsReason.SERVER_ERROR, "HTTP 503"),
        (answer("", 429), SmsReason.BUSY, "HTTP 429"),
        (answer("", 204), SmsReason.ODD_STATUS, "HTTP 204"),
    ],
)
def test_every_other_error_has_its_reason_too(given: Answer | NoAnswer, reason: SmsReason, detail: str) -> None:
    for ask in (parse_report, parse_balance):
        with pytest.raises(PlatformError) as raised:
            ask(given)
        assert (raised.value.reason, raised.value.detail) == (reason, detail)


def test_an_error_does_not_echo_the_password() -> None:
    echo = "Bad query user=shop&pwd=hunter2 or hunter2"
    for ask in (parse_report, parse_balance):
        with pytest.raises(PlatformError) as raised:
            ask(answer(echo), secrets=("hunter2",))
        assert "hunter2" not in str(raised.value)


@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_an_answer_or_a_platform_error(body: bytes) -> None:
    for ask in (parse_report, parse_balance):
        with suppress(PlatformError):
            ask(answer(body))
