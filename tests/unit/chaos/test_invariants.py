"""The checker of the fault suite finds what it looks for: a healthy little store, spoiled in one place at a time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from bridge.model.alert import alert_post
from bridge.model.base import ADMIN_CHAT
from bridge.model.chat import PostedMessage, StoredUpdate, UpdateState
from bridge.model.inbound import InboundState
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Change, Move, SmsState
from bridge.sandbox.botapi.world import Chat, Message, Topic, User
from bridge.sandbox.ledger import TakenSms
from bridge.store import open_store
from bridge.store.sqlite.store import SqliteStore
from tests.chaos import invariants
from tests.contract.builders import NOW, SetClock, opened, person, received, reply, settled, settlement

GROUP = -1001
REPLY = "Ответ 1"


async def fill(store: SqliteStore) -> None:
    """Two answered, three forwarded to two people's topics, one malformed; an operator's answer; all worked off."""
    for number in (1, 2):
        inbound = await received(store, str(number), subscriber=f"7900000000{number}")
        wanted = reply(f"rule:{inbound.id}:0", recipient=inbound.subscriber, text=f"Ответ {number}")
        inserted = await settled(store, settlement(inbound, 0, replace(wanted, state=SmsState.SENDING)))
        (sms,) = inserted.sending
        if number == 1:
            await store.move(sms.id, Move.ACCEPTED, NOW, Change(platform_ids=("101",)))
            await store.note_status(sms.id, "Send", NOW, 1)
            await store.move(sms.id, Move.DELIVERED, NOW)
        else:
            question = alert_post("alert.uncertain", {}, sms_id=sms.id, key="q")
            await store.move(sms.id, Move.LOSE_TRACK, NOW, Change(posts=(question,)))
    for number in (3, 4, 5):
        subscriber = f"7900000000{min(number, 4)}"
        inbound = await received(store, str(number), subscriber=subscriber)
        version = 1 if number == 5 else 0
        plain = settlement(inbound, version, forwards=("support",))
        await settled(store, replace(plain, outcome=RoutingOutcome.parse("forwarded")))
    bad = await received(store, "6", subscriber="79000000006")
    told = alert_post("alert.quarantine", {}, inbound_id=bad.id, key="quarantine:6")
    quarantined = replace(
        settlement(bad), state=InboundState.QUARANTINED, outcome=RoutingOutcome.parse("quarantined: no text")
    )
    await settled(store, replace(quarantined, posts=(told,)))
    threads = {"79000000003": 3, "79000000004": 4}
    message = 10
    for _ in range(3):
        for post in await store.claim_posts(["support", ADMIN_CHAT], now=NOW, limit=10):
            message += 1
            thread = threads[post.conversation.subscriber] if post.conversation else None
            await store.posts_done([post], PostedMessage(chat_id=GROUP, message_id=message, thread_id=thread), NOW)
    answer = await store.operator_reply(replace(person("op", chat_id=GROUP, message_id=20), text="Да"), NOW)
    await store.claim_due("main", now=NOW, limit=1)
    await store.move(answer.id, Move.ACCEPTED, NOW, Change(platform_ids=("102",)))
    for post in await store.claim_posts([f"id:{GROUP}"], now=NOW, limit=10):
        await store.posts_done([post], PostedMessage(chat_id=GROUP), NOW)
    await store.store_updates(7, [StoredUpdate(update_id=1, raw="{}", received_at=NOW)])
    await store.finish_update(7, 1, UpdateState.DONE, "", NOW)


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    path = tmp_path / "bridge.db"
    async with opened(open_store(path, clock=SetClock())) as store:
        await fill(store)
    return path


BOOK = [
    TakenSms(id=number, at=NOW, recipient=recipient, sender_name="Shop", text=text, encoding="utf-8")
    for number, recipient, text in (
        ("101", "79000000001", REPLY),
        ("102", "79990001122", "Да"),
        ("103", "79000000002", "Ответ 2"),
    )
]


def spoil(database: Path, statement: str) -> None:
    """As a fault would: no constraint is in the way."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.executescript(statement)
        db.commit()


SPOILED = {
    "inbound stored more than once": "CREATE TEMP TABLE copy AS SELECT * FROM inbound WHERE smsid = '1';"
    "UPDATE copy SET id = 70, content_hash = x'00'; INSERT INTO inbound SELECT * FROM copy",
    "inbound with an effect though not routed": "UPDATE inbound SET state = 'new' WHERE smsid = '3'",
    "inbound routed without an outcome": "UPDATE inbound SET outcome = NULL WHERE smsid = '3'",
    "inbound routed, with no effect and no word why": "UPDATE chat_post SET inbound_id = NULL WHERE inbound_id = 3;"
    "UPDATE inbound SET outcome = 'kept' WHERE smsid = '3'",
    "inbound said to be replied to, without a reply": "DELETE FROM sms_event WHERE sms_id = 1;"
    "UPDATE sms SET inbound_id = NULL WHERE id = 1",
    "inbound said to be forwarded, without a post": "UPDATE chat_post SET inbound_id = NULL WHERE inbound_id = 3",
    "inbound in quarantine that nobody is told of": "DELETE FROM chat_post WHERE inbound_id = 6",
    "inbound answered twice by one rule": "UPDATE sms SET inbound_id = 1, text = 'Ответ 1' WHERE id = 2",
    "inbound posted twice to one chat": "UPDATE chat_post SET inbound_id = 4 WHERE inbound_id = 5",
    "SMS written twice for one message of an operator": "UPDATE sms SET origin = 'operator', message_id = 20,"
    f" text = 'Да', chat_id = {GROUP} WHERE id = 2",
    "SMS sent again twice": "UPDATE sms SET retry_of = 3 WHERE id IN (1, 2)",
    "SMS whose history has a gap": "DELETE FROM sms_event WHERE sms_id = 1 AND move = 'accepted';"
    "INSERT INTO sms_event (id, sms_id, at, move, from_state, to_state, reason, detail, author)"
    " VALUES (-1, 1, 0, 'start', 'queued', 'sending', '', '', '')",
    "SMS whose history does not begin at a birth": "DELETE FROM sms_event WHERE sms_id = 1 AND move = 'accepted'",
    "SMS whose history does not end in its state": "UPDATE sms SET state = 'queued' WHERE id = 2",
    "SMS that moved without a history": "DELETE FROM sms_event WHERE sms_id = 1",
    "lane with two SMS in flight": "UPDATE sms SET state = 'sending', recipient = '79000000001' WHERE id < 3",
    "day whose spend is not what its rows cost": "UPDATE spend SET parts = parts + 1",
    "post shown past an earlier one of its conversation": "UPDATE chat_post SET state = 'waiting' WHERE inbound_id = 4",
    "inbound that stands in its chat above an earlier one of its conversation": "UPDATE chat_message"
    " SET message_id = 99 WHERE inbound_id = 4",
    "topic that two conversations use": "UPDATE conversation SET thread_id = 3",
    "inbound still not routed": "UPDATE inbound SET state = 'new' WHERE smsid = '3'",
    "SMS still in flight": "UPDATE sms SET state = 'sending' WHERE id = 2",
    "SMS still queued": "UPDATE sms SET state = 'queued' WHERE id = 2",
    "SMS of unknown outcome that nobody is asked about": "DELETE FROM chat_post WHERE key = 'q'",
    "update still not processed": "UPDATE tg_update SET state = 'new'",
    "post still waiting": "UPDATE chat_post SET state = 'waiting' WHERE inbound_id = 5",
    "fault in the file": "PRAGMA writable_schema = ON;"
    "UPDATE sqlite_schema SET sql = replace(sql, 'fault         TEXT', 'fault TEXT NOT NULL') WHERE name = 'inbound'",
    "reference to a row that is not there": "UPDATE sms SET inbound_id = 77 WHERE id = 2",
    "which is no move": "UPDATE sms_event SET move = 'prove' WHERE move = 'lose_track'",
}


def test_every_question_to_the_store_has_its_spoiled_store() -> None:
    asked = {*invariants.ALWAYS, *invariants.AT_REST, *invariants.CHATS_AT_REST, *invariants.ASKED}
    assert asked <= set(SPOILED)


def test_a_healthy_store_breaks_no_promise(database: Path) -> None:
    assert invariants.store(database) == []
    assert invariants.at_rest(database) == []
    assert invariants.platform(database, BOOK) == []
    assert invariants.sent_once(BOOK) == []
    assert invariants.acknowledged(database, ["1", "2", "3", "4", "5", "6"]) == []


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_in_a_store_is_found(database: Path, what: str) -> None:
    spoil(database, SPOILED[what])
    found = [*invariants.store(database), *invariants.at_rest(database)]
    assert any(what in sentence for sentence in found), found


def test_a_file_that_is_no_database_any_more_is_found(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:40960] = bytes(36864)
    database.write_bytes(content)
    (sentence,) = invariants.store(database)
    assert "fault in the file" in sentence


def test_what_waits_for_people_is_no_fault_where_nobody_is_there(database: Path) -> None:
    spoil(
        database, "DELETE FROM chat_post WHERE key = 'q'; UPDATE chat_post SET state = 'waiting' WHERE inbound_id = 5"
    )
    assert invariants.at_rest(database, chats=False, asks=False) == []


def test_an_acknowledged_message_that_is_missing_is_found(database: Path) -> None:
    (sentence,) = invariants.acknowledged(database, ["1", "7", "8"])
    assert sentence == "2 × acknowledged and not in the store: 7, 8"


@pytest.mark.parametrize(
    ("what", "taken"),
    [
        ("SMS sent twice: 104", [*BOOK, replace(BOOK[0], id="104")]),
        ("SMS sent that no row wants: 104", [*BOOK, replace(BOOK[0], id="104", text="Другое")]),
        ("SMS sent whose row does not know it may have left: 104", [replace(BOOK[0], id="104"), *BOOK[1:]]),
        ("row that is sent and not in the platform's book: 1", BOOK[1:]),
    ],
)
def test_what_the_book_of_the_platform_does_not_bear_out_is_found(
    database: Path, what: str, taken: list[TakenSms]
) -> None:
    assert any(what in sentence for sentence in invariants.platform(database, taken))


def test_an_id_in_two_rows_is_found(database: Path) -> None:
    spoil(database, """UPDATE sms SET platform_ids = '["101"]' WHERE id = 3""")
    assert any("SMS in two rows: 101" in sentence for sentence in invariants.platform(database, BOOK))


def test_what_two_rows_want_may_be_taken_twice_but_not_where_each_is_wanted_once(database: Path) -> None:
    spoil(database, "UPDATE sms SET recipient = '79000000001', text = 'Ответ 1' WHERE id = 2")
    taken = [*BOOK[:2], replace(BOOK[0], id="104")]
    assert invariants.platform(database, taken) == []
    assert invariants.sent_once(taken) == ["2 × SMS sent twice: 101, 104"]


def test_texts_and_numbers_are_not_said(database: Path) -> None:
    sentences = invariants.platform(database, [*BOOK, *BOOK, replace(BOOK[0], text="Тайна", recipient="79000000009")])
    assert sentences
    assert not any(word in sentence for sentence in sentences for word in ("Тайна", "Ответ", "7900"))


# ---------------------------------------------------------------- chats


@pytest.fixture
def chats(database: Path) -> dict[int, Chat]:
    """The group as the store believes it to be: two topics, three posts, an operator's answer."""
    bot = User(id=7, first_name="SMS", is_bot=True)
    anna = User(id=8, first_name="Anna")
    group = Chat(
        id=GROUP,
        title="Support",
        kind="supergroup",
        forum=True,
        bot_is="administrator",
        can_manage_topics=True,
        can_delete_messages=True,
        reactions="all",
    )
    for thread in (3, 4):
        group.topics[thread] = Topic(thread_id=thread, name=str(thread), by_bot=True)
    with closing(sqlite3.connect(database)) as db:
        posts = db.execute(
            "SELECT message_id, thread_id, code FROM chat_message AS m JOIN conversation AS c ON c.id = conversation_id"
            " WHERE m.inbound_id IS NOT NULL"
        ).fetchall()
    for number, thread, code in posts:
        text = f"пост {number}\n#{code}"
        group.history[number] = Message(id=number, sender=bot, date=NOW, text=text, thread_id=thread)
    group.history[20] = Message(id=20, sender=anna, date=NOW, text="Да", thread_id=3)
    for number, text in ((21, "// заметка"), (22, "/start"), (23, "  ")):
        group.history[number] = Message(id=number, sender=anna, date=NOW, text=text, thread_id=3)
    group.history[24] = Message(id=24, sender=anna, date=NOW, text="Между собой")
    return {GROUP: group}


def test_healthy_chats_break_no_promise(database: Path, chats: dict[int, Chat]) -> None:
    assert sum(message.by_bot for message in chats[GROUP].messages) == 3
    assert invariants.telegram(database, chats) == []
    assert invariants.posted_again(chats) == 0


def test_a_post_that_is_not_in_its_chat_is_found(database: Path, chats: dict[int, Chat]) -> None:
    del chats[GROUP].history[min(chats[GROUP].history)]
    assert [s.split(":")[0] for s in invariants.telegram(database, chats)] == ["1 × inbound posted and not in its chat"]


def test_an_operators_message_that_vanished_is_found(database: Path, chats: dict[int, Chat]) -> None:
    chats[GROUP].history[25] = replace(chats[GROUP].history[20], id=25)
    expected = f"1 × message of an operator that became no SMS, without a word to them: ({GROUP}, 25)"
    assert invariants.telegram(database, chats) == [expected]


def test_an_operators_message_that_was_refused_with_a_word_is_no_fault(database: Path, chats: dict[int, Chat]) -> None:
    chats[GROUP].history[25] = replace(chats[GROUP].history[20], id=25)
    spoil(database, "UPDATE chat_post SET kind = 'notice', reply_to = 25 WHERE key = 'q'")
    assert invariants.telegram(database, chats) == []


def test_an_operators_message_that_became_two_sms_is_found(database: Path, chats: dict[int, Chat]) -> None:
    spoil(database, f"UPDATE sms SET origin = 'operator', message_id = 20, chat_id = {GROUP} WHERE id = 2")
    expected = f"1 × message of an operator that became two SMS: ({GROUP}, 20)"
    assert invariants.telegram(database, chats) == [expected]


def test_a_subscriber_with_two_topics_in_use_is_found(database: Path, chats: dict[int, Chat]) -> None:
    group = chats[GROUP]
    post = group.from_bot[0]
    group.topics[5] = Topic(thread_id=5, name="5", by_bot=True)
    group.history[30] = replace(post, id=30, thread_id=5)
    (sentence,) = invariants.telegram(database, chats)
    assert sentence.startswith("1 × subscriber with two topics in use")
    group.topics[5].deleted = True
    assert invariants.telegram(database, chats) == []


def test_repeated_posts_are_counted(chats: dict[int, Chat]) -> None:
    group = chats[GROUP]
    group.history[30] = replace(group.from_bot[0], id=30)
    group.history[31] = replace(group.from_bot[0], id=31)
    assert invariants.posted_again(chats) == 2


# ---------------------------------------------------------------- secrets


def test_secrets_are_found_as_they_are_and_as_urls_write_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "plain.log").write_text("user=demo&pwd=па роль!&x", encoding="utf-8")
    (tmp_path / "deep" / "url.log").write_text(f"GET /?pwd={quote_plus('па роль!')}&x")
    (tmp_path / "deep" / "good.log").write_text("pwd=[redacted]")
    found = invariants.secrets(tmp_path, {"password": "па роль!"})
    assert found == ["2 × secret in a file: password in deep/url.log, password in plain.log"]
    assert invariants.secrets(tmp_path, {"password": "па роль!"}, pattern="g*.log") == []
