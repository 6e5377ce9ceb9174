"""Malformed requests: nothing looks acknowledged that is not stored, every text is read right in either encoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.cyrillic import LANGUAGES, letters, texts
from tests.chaos.hostile_calls import good_case, malformed_case
from tests.chaos.judged_calls import Row, Trial, answers, came_so, judge
from tests.chaos.s07_malformed import malformed

pytestmark = pytest.mark.faults


async def test_nothing_malformed_is_acknowledged_and_every_text_is_read_right(tmp_path: Path) -> None:
    findings = await malformed(tmp_path, requests=400, good=60, corpus=40)
    assert findings.violations == []


async def test_the_librarys_own_query_and_error_page_are_found_out(tmp_path: Path) -> None:
    findings = await malformed(tmp_path, requests=120, good=4, corpus=12, sabotage="framework_listener")
    found = "\n".join(findings.violations)
    assert "an answer holds an id that is not stored with that content" in found
    assert "a text was not decoded right" in found


def test_every_case_is_made_again_from_its_number() -> None:
    for number in range(200):
        assert malformed_case(7, number) == malformed_case(7, number)
        assert good_case(7, number) == good_case(7, number)
    assert len({malformed_case(7, number).kind for number in range(600)}) >= 19


def test_the_texts_are_cyrillic_long_and_short_in_four_languages() -> None:
    written = texts(400)
    assert {one.language for one in written} == set(LANGUAGES)
    assert min(letters(one.text) for one in written) >= 5
    assert max(len(one.text) for one in written) > 1_400
    assert not any(one.is_either for one in written)
    assert {one.fits_windows_1251 for one in written} == {True, False}


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "row", "right"),
    [
        (b"GET /sms.php?smsid=71&text=%EF%F0 HTTP/1.1", Row(b"smsid=71&text=%EF%F0", "пр", "", ""), True),
        (b"GET /sms.php?smsid=71&text=\xef\xf0 HTTP/1.1", Row(b"smsid=71&text=%EF%F0", "пр", "", ""), True),
        (b"GET /sms.php?smsid=71&text=%EF%F0 HTTP/1.1", Row(b"smsid=71&text=%EF%F0", "??", "", ""), False),
        (b"GET /sms.php?smsid=71&text=%EF HTTP/1.1", Row(b"smsid=71&text=%EF%F0", "пр", "", ""), False),
        (b"GET /sms.php?smsid=72&text=%EF%F0 HTTP/1.1", Row(b"smsid=72&text=%EF%F0", "пр", "", ""), False),
    ],
)
def test_what_came_is_compared_with_what_is_stored(sent: bytes, row: Row, right: bool) -> None:
    assert came_so(row, "71", sent.replace(b"\xef\xf0", b"%EF%F0")) is right


def test_answers_in_a_row_are_told_apart() -> None:
    first, second = HEAD + b"smsid=71", HEAD + b"smsid=72"
    assert list(answers(first + second + b"rest")) == [first, second, b"rest"]


def test_an_id_anywhere_in_an_answer_counts() -> None:
    case = malformed_case(7, 1)
    for answer in (
        b"HTTP/1.1 400\r\n\r\nno smsid=5",
        b"HTTP/1.1 400\r\nX: 700000010101\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\nid_sms=5",
    ):
        trial = Trial(name="", case=case, answer=answer, ended=True)
        assert [kind for kind, _ in judge(trial, {})] == ["an answer holds an id that is not stored with that content"]
