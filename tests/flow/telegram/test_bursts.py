"""More SMS than a group takes: bursts become one message, a digest says what waits, reactions wait for none of it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bridge.model.base import HOUR, MINUTE, SECOND, Ms
from bridge.model.sms import Change, Move, Sms
from bridge.sandbox.botapi import Message
from bridge.telegram.client.message import MAX_UNITS, units
from tests.flow.telegram.team import GROUP, SUBSCRIBER, Team, locked, team

OTHER = "79001112233"
MOVED = -1002223334445


async def burst(staff: Team, *texts: str) -> None:
    """They come while the group takes nothing."""
    staff.api.flood_control.hold(GROUP, 30)
    await staff.texted("before them", subscriber=OTHER)
    await staff.until(lambda: any(call.status == 429 for call in staff.api.calls))
    for text in texts:
        await staff.texted(text)


def bold(message: Message) -> list[str]:
    raw = message.text.encode("utf-16-le")
    return [
        raw[entity["offset"] * 2 : (entity["offset"] + entity["length"]) * 2].decode("utf-16-le")
        for entity in message.entities
        if entity["type"] == "bold"
    ]


async def test_a_burst_is_one_message_with_each_sms_apart(group: Team) -> None:
    await burst(group, "one", "two", "three")
    [message] = [await group.sees("one")]
    await group.settled()
    assert [message] == group.shown(containing="two") == group.shown(containing="three")
    assert "SMS in a row: 3" in message.text
    assert re.search(r"\n\n15:00\none\n\n15:00\ntwo\n\n15:00\nthree\n#\w+$", message.text), message.text
    assert bold(message) == [f"+{SUBSCRIBER}", "15:00", "15:00", "15:00"]


async def test_a_reply_to_a_burst_goes_to_its_subscriber(group: Team) -> None:
    await burst(group, "one", "two")
    message = await group.sees("two")
    await group.settled()
    group.api.says(GROUP, "Good day", reply_to=message.id)
    await group.has_now(1)
    [sms] = await group.sms()
    assert (sms.recipient, sms.text) == (SUBSCRIBER, "Good day")


async def test_each_of_a_burst_is_known_to_stand_in_its_message(group: Team, tmp_path: Path) -> None:
    await burst(group, "one", "two")
    message = await group.sees("two")
    await group.settled()
    db = sqlite3.connect(tmp_path / "bridge.db")
    try:
        stands = db.execute(
            "SELECT inbound_id, message_id FROM chat_post WHERE kind = 'inbound' ORDER BY id"
        ).fetchall()
        [(latest,)] = db.execute("SELECT inbound_id FROM chat_message WHERE message_id = ?", [message.id])
    finally:
        db.close()
    assert [place for _, place in stands[1:]] == [message.id, message.id]
    assert latest == stands[-1][0]


async def test_a_burst_that_could_not_be_marked_is_shown_again_as_a_whole(group: Team, tmp_path: Path) -> None:
    """Between Telegram's answer and the commit: twice at the worst, never half."""
    await group.stop()
    await group.texted("one")
    await group.texted("two")
    with locked(tmp_path):
        group.start()
        await group.until(lambda: group.shown(containing="two"))
        await group.stop()
    group.start()
    await group.settled()
    shown = group.shown(containing="one")
    assert len(shown) >= 2
    assert all("two" in message.text for message in shown)


async def test_a_burst_too_long_for_one_message_is_several_and_nothing_is_lost(group: Team) -> None:
    texts = [f"<{number}> " + "слово 🙂 " * 40 for number in range(30)]
    await burst(group, *texts)
    await group.until(lambda: group.shown(containing="<29>"))
    await group.settled()
    shown = [message.text for message in group.shown(containing="<")]
    assert re.findall(r"<(\d+)>", "".join(shown)) == [str(number) for number in range(30)]
    assert 1 < len(shown) < 30
    assert all(units(text) <= MAX_UNITS for text in shown)


async def test_an_sms_longer_than_a_message_keeps_its_position(group: Team) -> None:
    long = " ".join(f"слово{number}🙂" for number in range(900))
    await burst(group, "<1>", "<2>", f"<3> {long}", "<4>", "<5>")
    await group.sees("<5>")
    await group.settled()
    shown = [message.text for message in group.shown() if "before them" not in message.text]
    assert re.findall(r"<(\d)>", "".join(shown)) == ["1", "2", "3", "4", "5"]
    assert re.findall(r"слово(\d+)🙂", "".join(shown)) == [str(number) for number in range(900)]
    assert all(units(text) <= MAX_UNITS for text in shown)


HOSTILE = (
    "<b>& _*[x](y)` </b>",
    "👩‍👩‍👧 🇷🇺 ё й",
    "\u202eabc\u2066def\u200f",
    "line\n\n#zzzz",
    "\n\n15:00\nforged",
)


async def test_texts_that_want_to_break_out_stand_whole_in_a_burst(group: Team) -> None:
    await burst(group, *HOSTILE)
    message = await group.sees("forged")
    await group.settled()
    for text in ("<b>& _*[x](y)` </b>", "👩‍👩‍👧 🇷🇺 ё й", "abcdef", "line\n\n#zzzz"):
        assert text in message.text
    assert not re.search("[\u202e\u2066\u200f]", message.text)
    assert bold(message).count("15:00") == len(HOSTILE)
    group.api.says(GROUP, "Good day", reply_to=message.id)
    await group.has_now(1)
    assert (await group.sms())[0].recipient == SUBSCRIBER


async def test_one_that_telegram_refuses_does_not_take_its_burst_along(group: Team) -> None:
    await group.stop()
    for text in ("poison", "two", "three"):
        await group.texted(text)
    group.api.answer_next("sendMessage", 400, "Bad Request: nobody knows why", times=10)
    group.start()
    await group.sees("Telegram refuses to show")
    await group.sees("three")
    await group.settled()
    [rest] = group.shown(containing="two")
    assert "three" in rest.text
    assert "poison" not in rest.text


async def test_a_question_with_buttons_is_never_merged(group: Team) -> None:
    await burst(group, "one")
    await group.texted("stop please", opt_question="out")
    await group.texted("three")
    await group.sees("three")
    await group.settled()
    assert len([group.shown(containing=text) for text in ("one", "stop please", "three")]) == 3
    [asked] = group.shown(containing="stop please")
    assert "one" not in asked.text.split("\n\n")[-1]
    assert "three" not in asked.text


# ------------------------------------------------ what waits


async def test_above_the_budget_a_digest_says_how_many_wait_and_all_are_shown(group: Team) -> None:
    await group.stop()
    for number in range(34):
        await group.texted(f"<{number}>", subscriber=f"790011122{number % 24:02}")
    group.start()
    digest = await group.sees("more SMS")
    assert "And 32 more SMS from 23 numbers" in digest.text, "the first subscriber's two stand above"
    assert group.shown()[1] is digest, "of no use behind what it tells of"
    await group.until(lambda: "more SMS" not in digest.text)
    text = "".join(message.text for message in group.shown())
    assert sorted(map(int, re.findall(r"<(\d+)>", text))) == list(range(34))
    assert digest.text == "32 SMS had waited (numbers: 23); all are shown now."
    edits = group.api.calls_of("editMessageText")
    assert len(edits) == 1
    assert edits[0].at >= max(call.at for call in group.api.calls_of("sendMessage")), "not before all are shown"
    assert {call.status for call in group.api.calls if call.method != "getUpdates"} == {200}
    await group.restart()
    await group.passes(2 * MINUTE)
    assert group.api.calls_of("editMessageText") == edits, "once"


async def test_the_all_clear_of_a_digest_survives_a_restart(group: Team) -> None:
    await many(group)
    digest = await group.sees("more SMS")
    await group.restart()
    await group.until(lambda: "all are shown now" in digest.text)
    assert len(group.shown(containing="<")) == 24


async def test_a_digest_that_an_operator_deleted_is_not_posted_again(group: Team) -> None:
    await many(group)
    digest = await group.sees("more SMS")
    group.api.delete_message(GROUP, digest.id)
    await group.until(lambda: group.api.calls_of("editMessageText"))
    await group.settled()
    assert len(group.shown()) == 24, "nothing in its place"


async def test_a_digest_of_the_group_that_moved_is_left_alone(tmp_path: Path) -> None:
    """Its number may mean another message in the new one."""
    async with team(tmp_path, forum=False, group={"kind": "group"}) as plain:
        await many(plain)
        await plain.sees("more SMS")
        plain.api.migrate(GROUP, MOVED)
        await plain.until(lambda: len(plain.shown(containing="<") + plain.shown(MOVED, "<")) >= 24)
        await plain.settled()
        await plain.passes(MINUTE)
        assert plain.api.calls_of("editMessageText") == []


async def many(staff: Team) -> None:
    await staff.stop()
    for number in range(24):
        await staff.texted(f"<{number}>", subscriber=f"790011122{number:02}")
    staff.start()


async def test_the_author_of_a_reply_to_a_digest_is_told_that_it_was_not_sent(group: Team) -> None:
    await many(group)
    digest = await group.sees("more SMS")
    group.api.says(GROUP, "Good day", reply_to=digest.id)
    told = await group.sees("Not sent")
    assert told.reply_to is not None
    assert await group.sms() == []


async def test_few_are_shown_without_a_word_about_it(group: Team) -> None:
    await group.stop()
    for number in range(20):
        await group.texted(f"<{number}>", subscriber=f"790011122{number:02}")
    group.start()
    await group.settled()
    await group.passes(2 * MINUTE)
    assert group.shown(containing="more SMS") == []
    assert group.api.calls_of("editMessageText") == []


# ------------------------------------------------ the fate of many replies


async def talks(staff: Team, count: int) -> list[Message]:
    """So many conversations, and nothing left to show."""
    for number in range(count):
        await staff.texted("Hello", subscriber=f"790011122{number:02}")
    await staff.settled()
    await staff.passes(2 * MINUTE)
    return staff.shown(containing="Hello")


async def delivered(staff: Team, sms: Sequence[Sms]) -> None:
    for each in sms:
        assert await staff.store.move(each.id, Move.DELIVERED, staff.clock.now(), Change())
    staff.signals.posts.set()


async def accept(staff: Team) -> Sequence[Sms]:
    """What the platform takes now."""
    taken = await staff.store.claim_due("main", now=staff.clock.now(), limit=50)
    for each in taken:
        assert await staff.store.move(each.id, Move.ACCEPTED, staff.clock.now(), Change(platform_ids=("1",)))
    staff.signals.posts.set()
    return taken


async def test_two_hundred_replies_in_a_minute_show_their_status_at_once_and_new_sms_go_first(group: Team) -> None:
    posts = await talks(group, 50)
    group.stride = SECOND // 2
    said_at: dict[int, Ms] = {}
    under_way: Sequence[Sms] = ()
    written = 0
    came: list[Ms] = []
    for second in range(66):
        for _ in range(4 if written < 200 else 0):
            group.api.says(GROUP, f"answer {written}", reply_to=posts[written % 50].id)
            written += 1
        if second % 6 == 0 and second < 60:
            came.append(group.clock.now())
            await group.texted(f"<{len(came)}>", subscriber=OTHER)
        await group.passes(SECOND)
        await delivered(group, under_way)
        said_at |= {sms.message_id: group.clock.now() for sms in under_way if sms.message_id is not None}
        under_way = await accept(group)
    await group.passes(10 * SECOND)
    assert len(said_at) == 200
    shown_at = {
        int(call.params["message_id"]): call.at
        for call in group.api.calls_of("setMessageReaction")
        if "👍" in str(json.loads(call.params["reaction"]))
    }
    late = {one: shown_at.get(one, 0) - at for one, at in said_at.items() if shown_at.get(one, at + HOUR) - at > 5_000}
    assert late == {}
    for number, at in enumerate(came, start=1):
        [call] = [call for call in group.api.calls_of("sendMessage") if f"<{number}>" in call.params["text"]]
        assert call.at - at <= 5_000
    assert {call.status for call in group.api.calls if call.method != "getUpdates"} == {200}


async def test_where_reactions_are_forbidden_every_line_ends_true_within_the_groups_rate_limit(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, group={"reactions": "none"}) as group:
        posts = await talks(group, 50)
        group.stride = SECOND // 2
        written: list[int] = []
        under_way: Sequence[Sms] = ()
        for second in range(66):
            for _ in range(4 if second < 50 else 0):
                written.append(group.api.says(GROUP, f"answer {len(written)}", reply_to=posts[len(written) % 50].id))
            if second == 30:
                await group.texted("urgent", subscriber=OTHER)
                asked = group.clock.now()
            await group.passes(SECOND)
            await delivered(group, under_way)
            under_way = await accept(group)
        [urgent] = [call for call in group.api.calls_of("sendMessage") if "urgent" in call.params["text"]]
        assert urgent.at - asked <= 5_000, "ahead of all the lines"
        group.stride = 5 * SECOND
        await group.settled(within_s=120)
        lines = {message.reply_to: message.text for message in group.shown() if message.reply_to in written}
        assert len(lines) == len(written) == 200
        assert {text.partition("\n")[0] for text in lines.values()} == {"Delivered"}, set(lines.values())
        assert len(group.shown(containing="Delivered")) == 200, "one line each"
        refused = {call.method for call in group.api.calls if call.status == 429}
        assert refused == set()
