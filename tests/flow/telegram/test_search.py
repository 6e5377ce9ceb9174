"""A search goes through everything that is stored, the newest first, and says how far it got."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

from bridge.model.base import DAY, MINUTE, Ms
from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.markup import buttons
from bridge.telegram.buttons.kinds import ButtonKind
from bridge.telegram.commands.search import MAX_HITS, START, Position, search
from tests.flow.telegram.team import GROUP, Team, team


def number(of: int) -> str:
    return f"7900{of:07}"


async def asked(staff: Team, text: str) -> Message:
    staff.api.says(GROUP, f"/find {text}")
    return await staff.sees("• ")


async def pressed(staff: Team, message: Message) -> Message:
    [(_, data)] = buttons(message.reply_markup)
    before = len(staff.shown())
    await staff.answered(staff.api.presses(GROUP, message.id, data))
    await staff.until(lambda: len(staff.shown()) > before)
    return staff.shown()[-1]


async def test_more_than_one_answer_holds_is_shown_by_a_button(group: Team) -> None:
    group.stride = MINUTE
    for each in range(MAX_HITS + 3):
        await group.texted(f"Где заказ {each:02}?", subscriber=number(each))
        group.clock.set(group.clock.now() + MINUTE)
    await group.settled()
    first = await asked(group, "заказ")
    assert [f"заказ {each:02}" in first.text for each in range(MAX_HITS + 3)] == [False] * 3 + [True] * MAX_HITS
    assert "Searched back to" in first.text
    assert first.text.index("заказ 12") < first.text.index("заказ 11")
    older = await pressed(group, first)
    assert [f"заказ {each:02}" in older.text for each in range(MAX_HITS + 3)] == [True] * 3 + [False] * MAX_HITS
    assert list(buttons(older.reply_markup)) == []
    assert "Searched back" not in older.text


async def test_a_button_whose_question_is_gone_says_so(group: Team) -> None:
    for each in range(MAX_HITS + 1):
        await group.texted(f"Где заказ {each:02}?", subscriber=number(each))
    await group.settled()
    first = await asked(group, "заказ")
    assert first.reply_to is not None
    group.api.edits(GROUP, first.reply_to, "never mind")
    [(_, data)] = buttons(first.reply_markup)
    query = group.api.presses(GROUP, first.id, data)
    await group.answered(query)
    assert "Write /find again" in group.api.presses_by_id[query].answer


async def test_an_old_sms_is_found_behind_very_many_newer_ones(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as staff:
        await staff.texted("старинный вопрос", subscriber=number(1))
        await staff.settled()
        insert_many(tmp_path, ((number(2), "о другом", staff.clock.now()) for _ in range(25_000)))
        told = await asked(staff, "старинный")
        assert number(1) in told.text
        assert list(buttons(told.reply_markup)) == []


async def test_a_message_does_not_wait_for_a_search(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, running=False) as staff:
        await staff.texted("старинный вопрос", subscriber=number(1))
        insert_many(tmp_path, ((number(2), "о другом", staff.clock.now()) for _ in range(60_000)))
        staff.start()
        await staff.settled()
        question = staff.shown()[-1]
        staff.api.says(GROUP, "/find старинный")
        staff.api.says(GROUP, "ответ", reply_to=question.id)
        staff.api.says(GROUP, "/help find")
        found = await staff.sees("• ")
        [helped] = staff.shown(containing="/find TEXT")
        assert helped.id < found.id, "asked later, said earlier"
        assert [sms.text for sms in await staff.sms()] == ["ответ"]


async def test_a_search_that_stops_goes_on_where_it_stopped_and_tells_since_when_it_looked(
    group: Team, tmp_path: Path
) -> None:
    began = group.clock.now()
    await group.texted("word of the first", subscriber=number(1))
    await group.settled()
    insert_many(tmp_path, ((number(2), "nothing", began + each * DAY) for each in range(1, 20)))
    group.clock.set(began + 20 * DAY)
    await group.texted("word of the last", subscriber=number(3))
    await group.settled()
    sought = partial(search, group.store, "word", ["support"], page_rows=4, max_rows=12)
    first = await sought()
    assert [hit.text for hit in first.found] == ["word of the last"]
    assert first.back_to is not None
    assert began < first.back_to < began + 19 * DAY
    found, result, steps = list(first.found), first, 1
    while result.rest is not None:
        result, steps = await sought(result.rest), steps + 1
        found += result.found
        assert steps < 9
    assert [hit.text for hit in found] == ["word of the last", "word of the first"]
    assert steps == 3
    assert result.back_to is None


async def test_both_directions_are_searched_in_the_order_of_their_times(group: Team) -> None:
    for each in range(6):
        await group.texted(f"word in {each}", subscriber=number(each))
        await group.settled()
        group.clock.set(group.clock.now() + MINUTE)
        group.api.says(GROUP, f"/sms +{number(each + 50)} word out {each}")
        await group.has_now(each + 1)
        group.clock.set(group.clock.now() + MINUTE)
    sought = partial(search, group.store, "word", ["support"], page_rows=2)
    result = await sought()
    expected = [f"word {way} {each}" for each in reversed(range(6)) for way in ("out", "in")]
    assert [hit.text for hit in result.found] == expected[:MAX_HITS]
    assert result.rest is not None
    rest = await sought(result.rest)
    assert [hit.text for hit in rest.found] == expected[MAX_HITS:]


def test_a_position_fits_into_a_button_and_comes_back() -> None:
    assert len(f"{ButtonKind.SEARCH}:{START}") <= 64
    assert Position.parse(str(START)) == START
    for text in ("", "1.2", "1.2.3.4", "a.2.3", "-1.2.3", "1.2.99999999999999999999"):
        assert Position.parse(text) is None


def insert_many(folder: Path, rows: Iterable[tuple[str, str, Ms]]) -> None:
    """Routed messages, written past the bridge."""
    with closing(sqlite3.connect(folder / "bridge.db", isolation_level=None, timeout=10)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(
            "INSERT INTO inbound (account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw,"
            " raw_query, received_at, state) VALUES ('main', ?, x'00', ?, ?, '1234', '', ?, '', x'00', ?, 'routed')",
            ((f"c{at}.{each}", who, who, text, at) for each, (who, text, at) in enumerate(rows)),
        )
        db.execute("COMMIT")
