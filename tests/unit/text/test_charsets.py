from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.charsets import decode, encode_query


def test_auto_reads_both_encodings() -> None:
    assert decode("Привет, № 5".encode(), "auto") == "Привет, № 5"
    assert decode("Привет, № 5".encode("cp1251"), "auto") == "Привет, № 5"


def test_a_text_valid_in_both_is_utf8_unless_the_account_says_otherwise() -> None:
    raw = "Рё".encode("cp1251")
    assert decode(raw, "auto") == "и"
    assert decode(raw, "windows-1251") == "Рё"


def test_the_undefined_byte_of_windows_1251_stays_visible() -> None:
    assert decode(b"\xcf\x98\xf0", "auto") == "П\ufffdр"
    assert decode(b"\xcf\x98\xf0", "windows-1251") == "П\ufffdр"


def test_broken_utf8_is_replaced_if_utf8_is_configured() -> None:
    assert decode(b"ok \xff\xfe", "utf-8") == "ok \ufffd\ufffd"


def test_nul_is_stripped() -> None:
    assert decode(b"a\0b", "auto") == "ab"
    assert decode(b"a\0b", "utf-8") == "ab"
    assert decode(b"\xcf\0", "windows-1251") == "П"


@pytest.mark.parametrize("encoding", ["auto", "utf-8", "windows-1251"])
@given(raw=st.binary(max_size=200))
def test_any_bytes_become_a_text_that_can_be_stored(encoding: str, raw: bytes) -> None:
    text = decode(raw, encoding)  # type: ignore[arg-type]
    text.encode("utf-8")
    assert "\0" not in text


def test_surrogates_written_as_bytes_do_not_get_in() -> None:
    assert not any("\ud800" <= char <= "\udfff" for char in decode(b"\xed\xa0\xbd\xed\xb8\x80", "auto"))
    assert not any("\ud800" <= char <= "\udfff" for char in decode(b"\xed\xa0\xbd\xed\xb8\x80", "utf-8"))


def test_sending_takes_windows_1251_only_where_everything_fits() -> None:
    assert encode_query("Привет", "windows-1251") == ("Привет".encode("cp1251"), "windows-1251")
    assert encode_query("Привет 😀", "windows-1251") == ("Привет 😀".encode(), "utf-8")
    assert encode_query("Қазақ", "windows-1251") == ("Қазақ".encode(), "utf-8")
    assert encode_query("Привет", "utf-8") == ("Привет".encode(), "utf-8")


@given(text=st.text(), encoding=st.sampled_from(["utf-8", "windows-1251"]))
def test_an_encoded_text_decodes_to_itself(text: str, encoding: str) -> None:
    raw, used = encode_query(text, encoding)  # type: ignore[arg-type]
    assert raw.decode(used) == text


def test_half_a_surrogate_pair_is_sent_as_a_replacement_and_a_whole_one_as_its_character() -> None:
    assert encode_query("a\ud83db", "utf-8") == ("a\ufffdb".encode(), "utf-8")
    assert encode_query("\ud83d\ude00", "windows-1251") == ("😀".encode(), "utf-8")
