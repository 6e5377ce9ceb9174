"""The meanings of the platform's answers to a send, row by row, in both encodings."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model.answers import SendOutcome, SmsReason
from bridge.platforms.http import Answer, HttpFault, NoAnswer
from bridge.platforms.iba_answers import classify

ONE = ("79001112233",)
THREE = ("79001112233", "79001112244", "79001112255")

C = SendOutcome
R = SmsReason

WORDS: list[tuple[str, SendOutcome, SmsReason]] = [
    ("Неправильный логин или пароль", C.ACCOUNT_FAULT, R.BAD_LOGIN),
    ("Error_Invalid_Login", C.ACCOUNT_FAULT, R.BAD_LOGIN),
    ("Аккаунт заблокирован", C.ACCOUNT_FAULT, R.BLOCKED),
    ("Ваш аккаунт заблокирован", C.ACCOUNT_FAULT, R.BLOCKED),
    ("Error_SMS_User_Disabled", C.ACCOUNT_FAULT, R.BLOCKED),
    ("Закончились SMS", C.ACCOUNT_FAULT, R.NO_CREDIT),
    ("У нас закончились SMS", C.ACCOUNT_FAULT, R.NO_CREDIT),
    ("Error_Not_Enough_Credits", C.ACCOUNT_FAULT, R.NO_CREDIT),
    ("Недостаточно средств. SMS будет отправлена как только вы пополните счет", C.PARKED, R.PARKED),
    ("Недостаточно средств на балансе, SMS будет отправлена как только вы пополните счёт", C.PARKED, R.PARKED),
    ("Недостаточно средств", C.PARKED, R.PARKED),
    ("Номер телефона присутствует в стоп-листе", C.REFUSED, R.STOP_LIST),
    ("Данное направление закрыто", C.REFUSED, R.DIRECTION_CLOSED),
    ("Данное направление закрыто для вас", C.REFUSED, R.DIRECTION_CLOSED),
    ("Error_User_Destination_Blocked", C.REFUSED, R.DIRECTION_CLOSED),
    ("Текст SMS отклонен модератором", C.REFUSED, R.MODERATED),
    ("Текст SMS отклонён модератором", C.REFUSED, R.MODERATED),
    ("Error_SMS_Declined", C.REFUSED, R.MODERATED),
    ("Такого отправителя нет", C.REFUSED, R.BAD_SENDER),
    ("Нет отправителя", C.REFUSED, R.BAD_SENDER),
    ("Отправитель не прошел модерацию", C.REFUSED, R.BAD_SENDER),
    ("Отправитель не должен превышать 11 символов", C.REFUSED, R.BAD_SENDER),
    ("Error_Invalid_Source_Address", C.REFUSED, R.BAD_SENDER),
    ("Нет текста сообщения", C.REFUSED, R.NO_TEXT),
    ("Error_No_Text", C.REFUSED, R.NO_TEXT),
    ("Укажите номер телефона", C.REFUSED, R.BAD_NUMBER),
    ("Номер телефона должен быть меньше 15 символов", C.REFUSED, R.BAD_NUMBER),
    (
        "error: Попытка отправки более одного одинакового запроса в течение минуты",
        C.SAME_REQUEST,
        R.SAME_REQUEST,
    ),
    ("Flood SMS", C.SAME_REQUEST, R.SAME_REQUEST),
]

DRESSES = {
    "bare": "{}",
    "line": "{}\r\n",
    "breaks": " <br>{}<BR />\n",
    "more": "{}. Обратитесь в поддержку",
    "tag": "<b>{}</b>",
}


def encoded(text: str) -> list[bytes]:
    return [text.encode(), text.encode("utf-8-sig"), text.encode("cp1251")]


@pytest.mark.parametrize("case", [str.lower, str.upper, str], ids=["lower", "upper", "as-is"])
@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize(("words", "outcome", "reason"), WORDS, ids=[words[:30] for words, *_ in WORDS])
def test_every_row_in_both_encodings(
    words: str, outcome: SendOutcome, reason: SmsReason, dress: str, case: type[str]
) -> None:
    for body in encoded(DRESSES[dress].format(case(words))):
        (receipt,) = classify(Answer(status=200, body=body), ONE)
        assert (receipt.outcome, receipt.reason, receipt.ids) == (outcome, reason, ())
        assert words.casefold()[:10].replace("ё", "е") in receipt.detail.casefold().replace("ё", "е")


@given(
    st.text("0123456789 \t\r\n\v\f\x1c,", max_size=80).map(str.encode) | st.binary(max_size=4),
    st.sampled_from([200, 201, 500]),
    st.booleans(),
)
@example(b"0" * 32, 200, True)
@example(b"1" * 32, 200, True)
@example(b"1" * 33, 200, True)
@example(b"1" + b" " * 4_096, 200, True)
def test_the_short_way_of_a_bare_id_ends_where_the_long_one_does(body: bytes, status: int, whole: bool) -> None:
    short, long = (Answer(status=status, body=prefix + body, whole=whole) for prefix in (b"", b"<br>"))
    assert [r.ids for r in classify(short, ONE)] == [r.ids for r in classify(long, ONE)]
    assert [(r.outcome, r.reason) for r in classify(short, ONE)] == [(r.outcome, r.reason) for r in classify(long, ONE)]


@pytest.mark.parametrize("body", [b"0", b"\xef\xbb\xbf0", b"0\r\n", b"0<br>", b"00", b" 0 0 "])
def test_zero_is_the_document_s_only_error(body: bytes) -> None:
    (receipt,) = classify(Answer(status=200, body=body), ONE)
    assert (receipt.outcome, receipt.reason) == (C.ZERO, R.ZERO)


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (b"1179038981", ("1179038981",)),
        (b"\xef\xbb\xbf1179038981\r\n", ("1179038981",)),
        (b"1179038981<br>", ("1179038981",)),
        (b"<br/>\n 1179038981 ;", ("1179038981",)),
        (b"5", ("5",)),
        (b"1179038981,1179038982", ("1179038981", "1179038982")),
        (b"1179038981\n1179038981", ("1179038981",)),
        (b"1179038981&nbsp;", ("1179038981",)),
    ],
)
def test_ids_for_one_recipient_are_one_sms_that_was_sent(body: bytes, ids: tuple[str, ...]) -> None:
    (receipt,) = classify(Answer(status=200, body=body), ONE)
    assert (receipt.outcome, receipt.ids, receipt.reason, receipt.detail) == (C.ACCEPTED, ids, "", "")


@pytest.mark.parametrize(
    "body", [b"1,2,3", b"1;2;3", b"1 2 3", b"1\r\n2\r\n3\r\n", b"1<br>2<BR/>3<br />", b"\xef\xbb\xbf1, 2;<br>\n\t3"]
)
def test_an_id_for_each_of_several_recipients_with_any_separator(body: bytes) -> None:
    receipts = classify(Answer(status=200, body=body), THREE)
    assert [(receipt.outcome, receipt.ids) for receipt in receipts] == [
        (C.ACCEPTED, ("1",)),
        (C.ACCEPTED, ("2",)),
        (C.ACCEPTED, ("3",)),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "1,2",
        "1,2,3,4",
        "1,1,2",
        "1,0,3",
        "1179038981<br>Номер телефона присутствует в стоп-листе",
        "Номер телефона присутствует в стоп-листе<br>1179038981",
        "Номер телефона присутствует в стоп-листе",
        "Данное направление закрыто",
        "Закончились SMS<br>1179038981",
        "Что-то новое",
    ],
)
def test_several_recipients_and_not_an_id_for_each_is_unknown_for_all(body: str) -> None:
    for raw in encoded(body):
        receipts = classify(Answer(status=200, body=raw), THREE)
        assert [receipt.outcome for receipt in receipts] == [C.UNKNOWN] * 3


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("0", C.ZERO),
        ("0<br>0<br>0", C.ZERO),
        ("Неправильный логин или пароль", C.ACCOUNT_FAULT),
        ("Недостаточно средств … SMS будет отправлена как только вы пополните счет", C.PARKED),
        ("Такого отправителя нет", C.REFUSED),
        ("Flood SMS", C.SAME_REQUEST),
    ],
)
def test_what_concerns_the_whole_request_concerns_every_recipient(body: str, outcome: SendOutcome) -> None:
    receipts = classify(Answer(status=200, body=body.encode()), THREE)
    assert [receipt.outcome for receipt in receipts] == [outcome] * 3


@pytest.mark.parametrize(
    "words",
    [
        "Тариф не выбран",
        "Wrong parameter",
        "-1",
        "Error_New_Thing",
        "Неизвестная ошибка: 42",
        f"Плохой номер {ONE[0]}",
        '{"error": "bad"}',
        "Отправитель запрещен",
    ],
)
def test_plain_words_that_nobody_knows_are_an_error_and_shown(words: str) -> None:
    (receipt,) = classify(Answer(status=200, body=words.encode()), ONE)
    assert (receipt.outcome, receipt.reason) == (C.REFUSED, R.UNKNOWN_WORDS)
    assert receipt.detail[:7] == words[:7]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", R.EMPTY),
        (b" \r\n", R.EMPTY),
        (b"\xef\xbb\xbf", R.EMPTY),
        (b"<br><br>", R.EMPTY),
        ("\u2003\ufeff\u2003".encode(), R.GARBLED),
        (b"OK", R.POSSIBLY_TAKEN),
        (b"sent", R.POSSIBLY_TAKEN),
        ("Сообщение принято".encode(), R.POSSIBLY_TAKEN),
        ("Сообщение будет доставлено позже".encode(), R.POSSIBLY_TAKEN),
        (b"id: 1179038981", R.POSSIBLY_TAKEN),
        (b'{"id": 1179038981}', R.POSSIBLY_TAKEN),
        (b"1" * 33, R.GARBLED),
        ("١١٧٩٠٣٨٩٨١".encode(), R.GARBLED),
        (b"0 1179038981", R.COUNT_DIFFERS),
        (b"<p>1179038981</p>", R.HTML),
        (b"<br />\n<b>Warning</b>:  mysql_connect() in <b>/var/www/sendsms.php</b>", R.HTML),
        (b"PHP Fatal error: Uncaught Exception", R.HTML),
        (b"<html><head><title>0</title>", R.HTML),
        (bytes(range(128, 256)) + b"\x00\x01\x02", R.GARBLED),
        (b"\x98\x98\x98", R.GARBLED),
        (b"1179038981\n" * 1000, R.TOO_LONG),
    ],
)
def test_what_may_hide_a_message_that_was_taken_is_unknown(body: bytes, reason: SmsReason) -> None:
    (receipt,) = classify(Answer(status=200, body=body), ONE)
    assert (receipt.outcome, receipt.reason) == (C.UNKNOWN, reason)


def test_a_cut_body_is_never_a_list_of_ids() -> None:
    (receipt,) = classify(Answer(status=200, body=b"1179038981", whole=False), ONE)
    assert receipt.outcome is C.UNKNOWN


@pytest.mark.parametrize("fault", HttpFault)
@pytest.mark.parametrize("left", [True, False])
def test_every_fault_has_a_reason_and_only_the_mark_decides(fault: HttpFault, left: bool) -> None:
    (receipt,) = classify(NoAnswer(fault=fault, left=left), ONE)
    assert receipt.outcome is (C.UNKNOWN if left else C.NOT_SENT)
    assert receipt.reason == fault.value


def test_detail_is_one_short_line_without_markup_control_or_bidi_characters() -> None:
    page = "<style>b{}</style><script>evil()</script><h1>502\x00\x07 Bad\u202e</h1>\n<p>" + "слово " * 100
    (receipt,) = classify(Answer(status=502, body=page.encode()), ONE)
    assert receipt.detail.startswith("HTTP 502: 502 Bad слово слово")
    assert len(receipt.detail) == 200
    assert receipt.detail.isprintable()


def test_detail_does_not_echo_the_request() -> None:
    echo = (
        "Bad request: /sendsms.php?user=login-of-shop&pwd=hunter2&sadr=MyShop&dadr=79001112233&text=%D0%A2 "
        "password hunter2 number 79001112233 said\n Секретный   текст"
    )
    (receipt,) = classify(
        Answer(status=502, body=echo.encode()), ONE, secrets=("hunter2", "login-of-shop", "Секретный\nтекст")
    )
    for secret in ("hunter2", "login-of-shop", "79001112233", "%D0", "Секретный"):
        assert secret not in receipt.detail
    assert "7900•••2233" in receipt.detail


def test_a_short_text_does_not_turn_the_words_into_dots() -> None:
    (receipt,) = classify(Answer(status=200, body="Закончились SMS".encode()), ONE, secrets=("а", "SMS"))
    assert receipt.detail == "Закончились SMS"


@pytest.mark.parametrize("unit", [b"<a", b"<script", b"<br ", b"&#", b"error:", b"<style></", b" "])
def test_the_longest_answer_of_anything_has_an_unknown_outcome(unit: bytes) -> None:
    """Reading has to be linear in the length: this test does not end where it is not."""
    (receipt,) = classify(Answer(status=200, body=unit * (65_536 // len(unit))), ONE)
    assert (receipt.outcome, receipt.ids) == (C.UNKNOWN, ())
    assert receipt.reason in (SmsReason.HTML, SmsReason.TOO_LONG)


STATUS = st.integers(100, 599)
COUNT = st.integers(0, 10).map(lambda count: tuple(f"7900111{number:04}" for number in range(count)))


@given(body=st.binary(max_size=300), status=STATUS, recipients=COUNT, whole=st.booleans())
def test_classify_never_raises_on_any_bytes(body: bytes, status: int, recipients: tuple[str, ...], whole: bool) -> None:
    receipts = classify(Answer(status=status, body=body, whole=whole), recipients, secrets=("пароль", ""))
    assert len(receipts) == len(recipients)
    assert all(len(receipt.detail) <= 200 and receipt.detail.isprintable() for receipt in receipts)


@given(body=st.text(st.sampled_from("0123456789<br>/ ,;\n&абErro_:\ufeff"), max_size=60), recipients=COUNT)
def test_nothing_but_a_clean_list_of_ids_is_accepted(body: str, recipients: tuple[str, ...]) -> None:
    for receipt in classify(Answer(status=200, body=body.encode()), recipients):
        if receipt.outcome is C.ACCEPTED:
            left = body.replace("<br>", " ").replace("<br/>", " ").replace("<br >", " ").strip("\ufeff")
            assert not set(left) - set("0123456789<br>/ ,;\n\ufeff")
            assert all(one.strip("0") and one.isdecimal() for one in receipt.ids)
