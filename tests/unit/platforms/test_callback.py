"""Reading the platform's call for an inbound SMS from its raw bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote_from_bytes, unquote_to_bytes
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import CallbackSettings
from bridge.model.inbound import InboundCall
from bridge.platforms.iba import CallFault, CallRefused, acknowledgement, parse_callback
from bridge.platforms.iba_callback import parse_date
from tests.unit.platforms.test_requests import ONLY_UTF8, TEXTS

AUTO = CallbackSettings()
MOSCOW = ZoneInfo("Europe/Moscow")


def parse(query: bytes, settings: CallbackSettings = AUTO) -> InboundCall | CallRefused:
    return parse_callback(query, account="main", settings=settings, region="RU", received_at=1_767_250_800_000)


def call(query: bytes, settings: CallbackSettings = AUTO) -> InboundCall:
    parsed = parse(query, settings)
    assert isinstance(parsed, InboundCall)
    return parsed


def test_a_whole_call() -> None:
    query = b"date=2026-01-01+10:00:00&text=%D0%94%D0%B0+x&smsid=5094&sender=89001112233&receiver=1234&prefix=shop"
    got = call(query)
    assert (got.account, got.smsid, got.text, got.prefix) == ("main", "5094", "Да x", "shop")
    assert (got.sender, got.subscriber, got.receiver) == ("89001112233", "79001112233", "1234")
    assert got.date_raw == "2026-01-01 10:00:00"
    assert got.date == int(datetime(2026, 1, 1, 7, tzinfo=UTC).timestamp() * 1000)
    assert (got.received_at, got.fault, got.raw_query) == (1_767_250_800_000, None, query)


def test_only_the_id_is_required() -> None:
    got = call(b"smsid=1&sender=79001112233")
    assert (got.text, got.prefix, got.receiver, got.date_raw, got.date, got.fault) == ("", "", "", "", None, None)


@pytest.mark.parametrize("smsid", [b"5094", b"A-b_9", b"0", b"x" * 64, b"50%394"])
def test_ids_that_are_taken(smsid: bytes) -> None:
    assert call(b"sender=7&smsid=" + smsid).smsid == unquote_to_bytes(smsid).decode()


@pytest.mark.parametrize(
    "smsid", [b"", b"5+0", b"5%0A", b"5\n", b"x" * 65, "٥".encode(), b"%00", b"5;6", b"<b>", b"\xff", b"5 "]
)
def test_without_a_usable_id_the_call_is_refused(smsid: bytes) -> None:
    assert isinstance(parse(b"text=x&sender=7&smsid=" + smsid), CallRefused)


@pytest.mark.parametrize("query", [b"", b"&", b"=", b"smsid", b"SMSID=1", b"text=1&sender=2", b"?smsid=1"])
def test_a_call_without_an_id_is_refused(query: bytes) -> None:
    assert parse(query) == CallRefused(reason="no_smsid")


def wire_forms(raw: bytes) -> list[bytes]:
    """A value percent-encoded in full, as a form does it, and as little as a query allows."""
    full = "".join(f"%{byte:02x}" for byte in raw).encode()
    form = quote_from_bytes(raw, safe="").replace("%20", "+").encode()
    special = {byte: f"%{byte:02X}".encode() for byte in b" %&+#\n\t"}
    bare = b"".join(special.get(byte, bytes([byte])) for byte in raw)
    return [full, form, bare]


@pytest.mark.parametrize("text", [text for text in TEXTS if text != "Рё"])
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
def test_russian_texts_in_either_encoding_and_any_escaping(text: str, encoding: str) -> None:
    forced = CallbackSettings(encoding=encoding)  # type: ignore[arg-type]
    for form in wire_forms(text.encode(encoding)):
        for settings in (AUTO, forced):
            assert call(b"smsid=1&sender=7&text=" + form, settings).text == text


@pytest.mark.parametrize("text", ONLY_UTF8)
def test_other_letters_and_emoji_in_utf_8(text: str) -> None:
    for form in wire_forms(text.encode()):
        assert call(b"smsid=1&sender=7&text=" + form).text == text


def test_a_text_valid_in_both_encodings_is_read_as_the_setting_says() -> None:
    query = b"smsid=1&sender=7&text=" + "Рё".encode("cp1251")
    assert call(query).text == "и"
    assert call(query, CallbackSettings(encoding="windows-1251")).text == "Рё"


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_survives_in_utf_8(text: str) -> None:
    for form in wire_forms(text.encode()):
        assert call(b"smsid=1&sender=7&text=" + form).text == text


def test_nul_is_stripped_and_broken_escapes_stay_as_they_are() -> None:
    got = call(b"smsid=1&sender=7&text=a%00b%ZZ%4&prefix=%")
    assert (got.text, got.prefix) == ("ab%ZZ%4", "%")


def test_a_plus_that_nobody_escaped_is_still_a_plus() -> None:
    assert call(b"smsid=1&sender=+79001112233").sender == "+79001112233"
    assert call(b"smsid=1&sender=%2B79001112233").sender == "+79001112233"
    assert call(b"smsid=1&sender=+79001112233&receiver=+1234").receiver == "+1234"
    assert call(b"smsid=1&sender=+MyBank").sender == "MyBank"


def test_the_secret_is_not_kept() -> None:
    for query in (
        b"key=s3cret&smsid=1&sender=7",
        b"smsid=1&key=s3cret&sender=7",
        b"smsid=1&sender=7&k%65y=s3cret",
        b"key=s3cret&smsid=1&key=s3cret&sender=7",
    ):
        got = call(query)
        assert got.raw_query == b"smsid=1&sender=7"
        assert "s3cret" not in repr(got)


# ---------------------------------------------------------------- malformed, with an id: kept, not refused


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (b"smsid=1", CallFault.NO_SENDER),
        (b"smsid=1&sender=&text=x", CallFault.NO_SENDER),
        (b"smsid=1&sender=+%00", CallFault.NO_SENDER),
        (b"smsid=1&sender=7&text=a&text=b", CallFault.DUPLICATE_PARAMETER),
        (b"smsid=1&smsid=2&sender=7", CallFault.DUPLICATE_PARAMETER),
        (b"smsid=1&sender=7&text=" + b"x" * 65_537, CallFault.TOO_LONG),
        (b"smsid=1&sender=" + b"7" * 101, CallFault.TOO_LONG),
        (b"smsid=1&sender=7&text=a&text=a", None),
        (b"smsid=1&sender=7&sender=%37", None),
    ],
)
def test_a_malformed_call_with_an_id_is_marked(query: bytes, fault: CallFault | None) -> None:
    got = call(query)
    assert (got.fault, got.smsid, got.raw_query) == (fault, "1", query)


def test_of_a_doubled_parameter_the_first_is_kept() -> None:
    assert call(b"smsid=1&sender=7&text=a&text=b").text == "a"


# ---------------------------------------------------------------- what makes a duplicate


def test_the_hash_is_of_the_decoded_bytes_of_sender_receiver_and_text() -> None:
    base = call(b"smsid=1&sender=7&receiver=8&text=%D0%B0+b").content_hash
    assert len(base) == 32
    same = b"date=later&text=" + "а".encode() + b"%20%62&receiver=%38&prefix=p&smsid=1&sender=7&key=x"
    assert call(same).content_hash == base
    for other in (
        b"smsid=1&sender=7&receiver=8&text=%E0+b",
        b"smsid=1&sender=78&receiver=&text=%D0%B0+b",
        b"smsid=1&sender=7&receiver=&text=8%D0%B0+b",
        b"smsid=1&sender=&receiver=78&text=%D0%B0+b",
    ):
        assert call(other).content_hash != base


def test_doubled_parameters_count_in_the_hash() -> None:
    one = call(b"smsid=1&sender=7&text=a&text=b").content_hash
    assert one != call(b"smsid=1&sender=7&text=a&text=c").content_hash
    assert one != call(b"smsid=1&sender=7&text=a").content_hash


# ---------------------------------------------------------------- the date

TEN_IN_MOSCOW = int(datetime(2026, 1, 31, 7, 0, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "raw",
    [
        "2026-01-31 10:00:00",
        "2026-01-31 10:00",
        "31.01.2026 10:00:00",
        "31.1.2026 10:00",
        "31.01.2026, 10:00:00",
        "2026-01-31T10:00:00",
        "2026-01-31T10:00:00+03:00",
        "2026-01-31T10:00:00 03:00",
        "2026-01-31 07:00:00Z",
        "2026-01-31T07:00:00.000Z",
        "20260131T100000",
        str(TEN_IN_MOSCOW // 1000),
        str(TEN_IN_MOSCOW),
        " 2026-01-31 10:00:00 ",
    ],
)
def test_common_forms_of_a_date(raw: str) -> None:
    assert parse_date(raw, MOSCOW) == TEN_IN_MOSCOW


@pytest.mark.parametrize(
    "raw", ["", "yesterday", "31.02.2026 10:00:00", "99999999999999", "2026-13-01", "10:00", "1.1.1", "MSGDATE"]
)
def test_another_form_is_no_date_and_no_fault(raw: str) -> None:
    assert parse_date(raw, MOSCOW) is None
    got = call(b"smsid=1&sender=7&date=" + quote_from_bytes(raw.encode()).encode())
    assert (got.date, got.date_raw, got.fault) == (None, raw, None)


@given(raw=st.text(max_size=40) | st.from_regex(r"[0-9]{1,4}[-.][0-9]{1,2}[-.][0-9]{1,4}( [0-9:.+]{0,20})?"))
def test_a_date_never_raises(raw: str) -> None:
    parsed = parse_date(raw, MOSCOW)
    assert parsed is None or abs(parsed) < 2**63


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        ("0001-01-01 00:00:00", -62_135_605_817_000),
        ("01.01.0001 00:00:00", -62_135_605_817_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000),
    ],
)
def test_the_edges_of_the_calendar_are_dates(raw: str, date: int) -> None:
    assert parse_date(raw, MOSCOW) == date


# ---------------------------------------------------------------- any bytes, and the answer

PARTS = st.sampled_from(
    [b"smsid=", b"sender=", b"text=", b"date=", b"key=", b"&", b"=", b"+", b"%", b"%D0", b"%00", b"1", b"\xff", b"%ZZ"]
)


@given(query=st.binary(max_size=200) | st.lists(PARTS, max_size=30).map(b"".join))
@pytest.mark.parametrize("encoding", ["auto", "utf-8", "windows-1251"])
def test_any_bytes_are_a_call_or_refused(query: bytes, encoding: str) -> None:
    parsed = parse(query, CallbackSettings(encoding=encoding))  # type: ignore[arg-type]
    if isinstance(parsed, InboundCall):
        for value in (parsed.text, parsed.sender, parsed.receiver, parsed.prefix, parsed.date_raw, parsed.subscriber):
            assert "\0" not in value
            value.encode()  # no lone surrogate, which SQLite would refuse


def test_the_acknowledgement_holds_the_id() -> None:
    assert acknowledgement(AUTO, "5094") == b"smsid=5094"
    assert acknowledgement(CallbackSettings(answer="id_sms={smsid}\n"), "5094") == b"id_sms=5094\n"
