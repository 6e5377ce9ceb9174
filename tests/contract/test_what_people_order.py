"""What people order about subscribers and conversations: once, with an author, and with the words that tell of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model.actions import Action, ActionKind, SearchPage, SearchQuery, SearchScope
from bridge.model.base import HOUR
from bridge.model.chat import Conversation, PostedMessage
from bridge.model.post import AlertPayload, PostKind
from bridge.model.sms import Sms, SmsState
from bridge.ports.store import Store
from tests.contract.builders import NOW, SUBSCRIBER, accept, call, person, post, received, settle, settled, settlement

EVER = 2**62
ANNA = "Anna (1001)"


async def opened_conversation(
    store: Store, smsid: str = "1", version: int = 0, *, chat: str = "support"
) -> Conversation:
    inbound = await received(store, smsid)
    await settled(store, settlement(inbound, version, forwards=(chat,)))
    found = await store.conversation_with(chat, SUBSCRIBER)
    assert found is not None
    return found


def order(kind: ActionKind, key: str = "k", about: Conversation | None = None, **more: object) -> Action:
    made = Action(key=key, kind=kind, author=ANNA, subscriber=SUBSCRIBER, conversation_id=about.id if about else None)
    return replace(made, **more)  # type: ignore[arg-type]


async def carried(store: Store, given: Action, now: int = NOW) -> bool:
    done = replace(post(key=f"{given.key}:word"), conversation_id=given.conversation_id)
    already = replace(done, payload=AlertPayload(text="t"))
    return await store.carry_out(given, done=done, already=already, now=now)


async def words(store: Store) -> list[PostKind]:
    """What is to be said, by the kind that tells ``done`` from ``already``."""
    posts = await store.claim_posts(["support"], now=NOW + HOUR, limit=99)
    return [one.kind for one in posts if one.kind in (PostKind.NOTICE, PostKind.ALERT, PostKind.TOPIC)]


async def shown_in_topic(store: Store, conversation: Conversation, thread_id: int = 77) -> None:
    await store.set_topic(conversation.id, -100, thread_id)
    for one in await store.claim_posts(["support"], now=NOW, limit=99):
        await store.posts_done([one], PostedMessage(chat_id=-100, message_id=thread_id + one.id), NOW)


@pytest.mark.parametrize(
    ("kind", "back", "fact"),
    [
        (ActionKind.BLOCK, ActionKind.UNBLOCK, "blocked"),
        (ActionKind.OPT_OUT, ActionKind.OPT_IN, "opted_out"),
        (ActionKind.ROBOT_OFF, ActionKind.ROBOT_ON, "robot_off"),
    ],
)
async def test_a_switch_of_a_contact_is_kept_and_moves_its_version(
    store: Store, kind: ActionKind, back: ActionKind, fact: str
) -> None:
    inbound = await received(store, "1")
    await settled(store, settlement(inbound, 0))
    waiting = await received(store, "2", text="another")
    assert await carried(store, order(kind, "1"))
    assert not await carried(store, order(kind, "2"))
    assert getattr(await store.contact(SUBSCRIBER), fact) is True
    # Whoever decided by what was known before must look again.
    assert await settle(store, [settlement(waiting, 1)]) == [None]
    assert await settled(store, settlement(waiting, 2))
    assert await carried(store, order(back, "3"))
    assert getattr(await store.contact(SUBSCRIBER), fact) is False
    assert [events.state for events in await store.actions_on(SUBSCRIBER, limit=9)] == [kind, back]


async def test_a_switch_of_a_number_nothing_came_from_is_kept(store: Store) -> None:
    assert await carried(store, order(ActionKind.OPT_OUT, subscriber="7999"))
    contact = await store.contact("7999")
    assert (contact.opted_out, contact.first_seen_at) == (True, None)
    assert not await carried(store, order(ActionKind.OPT_IN, "2", subscriber="7888"))


async def test_switching_the_robot_on_ends_a_colleagues_pause(store: Store) -> None:
    await store.take_over(SUBSCRIBER, NOW + HOUR, NOW)
    assert await carried(store, order(ActionKind.ROBOT_ON))
    assert (await store.contact(SUBSCRIBER)).robot_paused_until == 0
    assert not await carried(store, order(ActionKind.ROBOT_ON, "2"))


async def test_tags_come_and_go_one_by_one(store: Store) -> None:
    for key, (kind, tag) in enumerate(
        [(ActionKind.TAG, "vip"), (ActionKind.TAG, "ж"), (ActionKind.TAG, "vip"), (ActionKind.UNTAG, "vip")]
    ):
        assert await carried(store, order(kind, str(key), detail=tag)) is (key != 2)
    assert (await store.contact(SUBSCRIBER)).tags == ("ж",)
    assert not await carried(store, order(ActionKind.UNTAG, "5", detail="vip"))


async def test_an_order_that_comes_twice_is_carried_out_and_answered_once(store: Store) -> None:
    given = order(ActionKind.TAG, "1", detail="vip")
    assert await carried(store, given)
    assert await carried(store, order(ActionKind.UNTAG, "2", detail="vip"))
    assert not await carried(store, given)
    assert (await store.contact(SUBSCRIBER)).tags == ()
    assert await words(store) == [PostKind.NOTICE, PostKind.NOTICE]


async def test_what_was_so_already_is_answered_and_not_recorded(store: Store) -> None:
    assert not await carried(store, order(ActionKind.UNBLOCK))
    assert await words(store) == [PostKind.ALERT]
    assert await store.actions_on(SUBSCRIBER, limit=9) == []


async def test_without_words_nothing_is_posted(store: Store) -> None:
    assert await store.carry_out(order(ActionKind.BLOCK), done=None, already=None, now=NOW)
    assert await words(store) == []


async def test_a_closed_conversation_is_opened_by_the_next_message_and_its_topic_too(store: Store) -> None:
    conversation = await opened_conversation(store)
    await shown_in_topic(store, conversation)
    assert await carried(store, order(ActionKind.CLOSE, about=conversation))
    # The words about it stand ahead: nothing can be said in a closed topic.
    [told] = await store.claim_posts(["support"], now=NOW, limit=99)
    assert told.kind is PostKind.NOTICE
    await store.posts_done([told], PostedMessage(chat_id=-100, message_id=900), NOW)
    [topic] = await store.claim_posts(["support"], now=NOW, limit=99)
    assert topic.kind is PostKind.TOPIC
    assert topic.conversation is not None
    assert (topic.conversation.closed_at, topic.conversation.thread_id) == (NOW, 77)
    await store.posts_done([topic], PostedMessage(chat_id=-100), NOW)
    reopened = await opened_conversation(store, "2", 1)
    assert reopened.closed_at is None
    kinds = [one.kind for one in await store.claim_posts(["support"], now=NOW + HOUR, limit=99)]
    assert sorted(kinds) == [PostKind.INBOUND, PostKind.TOPIC]


async def test_a_name_is_shown_by_every_topic_of_the_number(store: Store) -> None:
    first, second = await opened_conversation(store), await opened_conversation(store, "2", 1, chat="sales")
    await shown_in_topic(store, first, 77)
    await store.set_topic(second.id, -200, 88)
    assert await carried(store, order(ActionKind.RENAME, detail="Ivan"))
    posts = await store.claim_posts(["support"], now=NOW + HOUR, limit=99)
    topics = [one.conversation for one in posts if one.kind is PostKind.TOPIC]
    assert [one.id for one in topics if one is not None] == [first.id]
    waiting = await store.queue_status()
    # The other one stands behind its own first message.
    assert waiting.posts_waiting == len(posts) + 2
    assert (await store.contact(SUBSCRIBER)).name == "Ivan"


async def test_a_claim_is_kept_with_its_end_and_given_up(store: Store) -> None:
    conversation = await opened_conversation(store)
    claim = order(ActionKind.CLAIM, about=conversation, detail="Anna", user_id=1001, until=NOW + HOUR)
    assert await carried(store, claim)
    found = await store.conversation(conversation.id)
    assert found is not None
    assert (found.claimed_by, found.claimed_name, found.claimed_until) == (1001, "Anna", NOW + HOUR)
    assert await carried(store, order(ActionKind.RELEASE, "2", about=conversation))
    assert not await carried(store, order(ActionKind.RELEASE, "3", about=conversation))
    found = await store.conversation(conversation.id)
    assert found is not None
    assert found.claimed_until == 0


async def test_a_person_begins_a_conversation_that_the_answer_finds(store: Store) -> None:
    begun = await store.begin_conversation("support", SUBSCRIBER, account="main", now=NOW)
    assert (begun.account, begun.last_inbound_id, begun.closed_at) == ("main", None, None)
    assert await store.begin_conversation("support", SUBSCRIBER, account="other", now=NOW) == begun
    assert (await opened_conversation(store)).id == begun.id
    assert await carried(store, order(ActionKind.CLOSE, about=begun))
    again = await store.begin_conversation("support", SUBSCRIBER, account="main", now=NOW)
    found = await store.conversation(again.id)
    assert found is not None
    assert found.closed_at is None


# ---------------------------------------------------------------- questions


async def test_a_message_tells_what_it_is_about(store: Store) -> None:
    conversation = await opened_conversation(store)
    await shown_in_topic(store, conversation)
    [shown] = [one for one in range(70, 90) if (await store.message_subject(-100, one)).inbound_id is not None]
    about = await store.message_subject(-100, shown)
    assert (about.conversation_id, about.inbound_id, about.sms_id) == (conversation.id, 1, None)
    assert (await store.message_subject(-200, shown)).inbound_id is None


async def written(store: Store, key: str, text: str, now: int) -> Sms:
    return await store.operator_reply(replace(person(key), text=text), now)


async def heard(store: Store, smsid: str, text: str, at: int) -> None:
    await accept(store, call(smsid, text=text, at=at))


async def test_a_conversation_is_read_page_by_page_without_a_gap(store: Store) -> None:
    for number in range(5):
        await heard(store, f"in{number}", f"in {number}", NOW + number * 10)
        await written(store, f"out{number}", f"out {number}", NOW + number * 10 + 5)
    assert await carried(store, order(ActionKind.BLOCK), NOW + 22)
    told: list[str] = []
    before, older, pages = EVER, True, 0
    while older:
        stories, older = await store.conversation_lines(SUBSCRIBER, before=before, limit=4)
        told = [f"{events.what} {events.text or events.state}" for events in stories] + told
        before, pages = stories[0].at, pages + 1
    wanted = [f"{way} {way} {number}" for number in range(5) for way in ("in", "out")]
    wanted.insert(5, "act block")
    assert told == wanted
    assert pages == 3


async def test_lines_of_one_moment_are_not_torn_apart(store: Store) -> None:
    await heard(store, "0", "first", NOW - 1)
    for number in range(3):
        await heard(store, f"a{number}", f"same {number}", NOW)
    await heard(store, "z", "last", NOW + 1)
    stories, older = await store.conversation_lines(SUBSCRIBER, before=EVER, limit=2)
    assert ([events.text for events in stories], older) == (["last"], True)
    stories, older = await store.conversation_lines(SUBSCRIBER, before=NOW + 1, limit=3)
    assert (len(stories), older) == (3, True)


async def found(
    store: Store, text: str, chats: list[str] | None, scope: SearchScope = SearchScope.CONVERSATIONS
) -> SearchPage:
    return await store.find(SearchQuery(text=text, chats=chats, scope=scope, before=EVER, rows=99, limit=9))


async def test_a_search_sees_the_chats_it_is_for(store: Store) -> None:
    await opened_conversation(store)
    await carried(store, order(ActionKind.RENAME, detail="Пётр"))
    for text in ("петр", SUBSCRIBER[3:], "+7 (999) 000-11-22"):
        [hit] = (await found(store, text, ["support"])).found
        assert (hit.conversation.subscriber, hit.name, hit.at) == (SUBSCRIBER, "Пётр", None)
        assert (await found(store, text, ["sales"])).found == ()
    assert len((await found(store, "петр", None)).found) == 1
    await heard(store, "9", "Где ДОСТАВКА", NOW + 9)
    [hit] = (await found(store, "доставка", None, SearchScope.INBOUND)).found
    assert (hit.at, hit.text) == (NOW + 9, "Где ДОСТАВКА")
    await written(store, "k", "Доставка завтра", NOW + 20)
    [hit] = (await found(store, "доставка", ["support"], SearchScope.SMS)).found
    assert (hit.at, hit.text) == (NOW + 20, "Доставка завтра")


async def test_a_search_goes_on_where_a_page_ended(store: Store) -> None:
    await opened_conversation(store)
    for number in range(5):
        await heard(store, f"p{number}", f"word {number}", NOW + number)
    wanted = SearchQuery(text="word", chats=None, scope=SearchScope.INBOUND, before=EVER, rows=2, limit=9)
    texts = []
    while wanted.before:
        page = await store.find(wanted)
        texts += [hit.text for hit in page.found]
        wanted = replace(wanted, before=page.rest)
    # One subscriber is one conversation, told once a page by the newest text.
    assert texts == ["word 4", "word 2", "word 0"]
    few = await store.find(replace(wanted, before=EVER, rows=99, limit=1))
    assert (few.found[0].text, few.rest, few.at) == ("word 4", few.found[0].row, NOW + 4)


async def test_a_tally_counts_from_its_moment_on(store: Store) -> None:
    for number in range(7):
        await heard(store, str(number), str(number), NOW + number * 10)
    for number in range(3):
        await written(store, str(number), "x", NOW + number * 10)
    everything = await store.traffic_since(0)
    assert (everything.received, everything.subscribers, everything.by_operators, everything.open) == (7, 1, 3, 3)
    later = await store.traffic_since(NOW + 20)
    assert (later.received, later.by_operators) == (5, 1)
    nothing = await store.traffic_since(NOW + 1000)
    assert (nothing.received, nothing.by_operators, nothing.parts) == (0, 0, 0)


async def test_the_answers_to_a_message_are_found(store: Store) -> None:
    inbound = await received(store, "1")
    answer = replace(person("a"), recipient=inbound.subscriber, inbound_id=inbound.id)
    await store.enqueue(answer)
    [found] = await store.answers_to(inbound, limit=5)
    assert (found.key, found.state) == ("a", SmsState.QUEUED)
