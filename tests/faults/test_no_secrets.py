"""In every failure, no password, token, secret address, text or whole number is written where logs are kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from telegram.error import BadRequest

from bridge.platforms.http import Answer
from bridge.platforms.iba_answers import classify
from bridge.telegram.client.errors import classify as trouble_of
from tests.chaos.canaries import leaks, planted, spellings, whole_numbers
from tests.chaos.planted_words import PASSWORD, TEXT
from tests.chaos.s14_secrets import a_little, clumsy, does_not_start, everything, searched

pytestmark = pytest.mark.faults


async def test_complaints_of_every_kind_show_nothing(tmp_path: Path) -> None:
    await everything(tmp_path, whole=False)
    assert searched(tmp_path).violations == []


async def test_faults_of_our_own_quote_nothing_of_what_they_were_at(tmp_path: Path) -> None:
    await clumsy(tmp_path)
    assert "Error handling request" in (tmp_path / "log.jsonl").read_text("utf-8")
    assert searched(tmp_path).violations == []


async def test_an_error_that_ends_the_start_quotes_nothing(tmp_path: Path) -> None:
    await does_not_start(tmp_path)
    assert "uncaught" in (tmp_path / "log.jsonl").read_text("utf-8")
    assert searched(tmp_path).violations == []


async def test_a_log_without_redaction_is_found_out(tmp_path: Path) -> None:
    await a_little(tmp_path, sabotage="unredacted")
    assert any("token" in violation for violation in searched(tmp_path).violations)


@pytest.mark.parametrize("misread", [False, True], ids=["as it is", "read as Windows-1251"])
def test_a_platform_that_quotes_a_request_with_its_escapes_undone_shows_nothing_of_it(misread: bool) -> None:
    quoted = f"pwd={PASSWORD}&dadr=79161234567&text={TEXT}"
    body = "Ошибка: ".encode("cp1251" if misread else "utf-8") + quoted.encode() + b" is wrong"
    (receipt,) = classify(Answer(status=200, body=body), ("79161234567",), secrets=(PASSWORD, TEXT))
    assert receipt.detail == "Ошибка: pwd=…&dadr=…&text=… is wrong"


@pytest.mark.parametrize(
    ("description", "detail"),
    [
        (
            'Bad Request: can\'t parse entities: unsupported start tag "x y"',
            "Can't parse entities: unsupported start tag …",
        ),
        ("Bad Request: Где мой заказ of 79161234567", "… … … of …"),
    ],
)
def test_what_telegram_may_quote_is_left_out(description: str, detail: str) -> None:
    assert trouble_of(BadRequest(description)).detail == detail


WORD = "Канарейка поёт, 7"


@pytest.mark.parametrize("how", spellings(WORD))
def test_a_word_is_found_in_every_spelling(tmp_path: Path, how: str) -> None:
    spelled = spellings(WORD)[how]
    (tmp_path / "a.log").write_text(f"before {spelled}& behind", encoding="utf-8")
    assert planted(tmp_path, {"word": WORD}, ("*.log",)) != []
    (tmp_path / "a.log").write_text("before & behind", encoding="utf-8")
    assert planted(tmp_path, {"word": WORD}, ("*.log",)) == []


@pytest.mark.parametrize(
    ("written", "found"), [("+79161234567", 1), ("89161234567,", 1), ("7916•••4567", 0), ("179161234567890", 0)]
)
def test_whole_numbers_are_found_and_masked_ones_are_not(written: str, found: int) -> None:
    assert len(whole_numbers(f"to {written}", {"79161234567"})) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"event": "routed", "subscriber": "7916•••4567"}', 0),
        ('{"event": "Где мой заказ 12?"}', 1),
        ('{"event": "\\u0413\\u0434\\u0435 \\u043c\\u043e\\u0439 \\u0437\\u0430\\u043a\\u0430\\u0437 12?"}', 1),
        ("text=%D0%93%D0%B4%D0%B5%20%D0%BC%D0%BE%D0%B9%20%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7%2012%3F", 1),
        ("79161234567 rang", 1),
        ("a-long-password", 1),
    ],
)
def test_a_log_is_searched_for_what_the_database_beside_it_holds(tmp_path: Path, line: str, found: int) -> None:
    with sqlite3.connect(tmp_path / "bridge.db") as db:
        db.execute("CREATE TABLE inbound (text, sender)")
        db.execute("CREATE TABLE sms (text, recipient)")
        db.execute("INSERT INTO inbound VALUES ('Где мой заказ 12?', '+79161234567')")
    db.close()
    (tmp_path / "config.yaml").write_text("accounts: {main: {password: a-long-password}}", encoding="utf-8")
    (tmp_path / "log.jsonl").write_text(line + "\n", encoding="utf-8")
    sentences, looked_for = leaks(tmp_path)
    assert (len(sentences), looked_for) == (found, 3)
