"""Topics of a forum, and the way of a plain group to a supergroup."""

from __future__ import annotations

import pytest
from telegram.error import ChatMigrated

from bridge.sandbox.botapi import SimulatedBotApi
from tests.unit.sandbox.test_botapi.conftest import FORUM, GROUP, OLD_GROUP, Bot
from tests.unit.sandbox.test_botapi.refusals import refused


async def test_a_topic_is_the_message_that_made_it(api: SimulatedBotApi, bot: Bot) -> None:
    topic = await bot.create_forum_topic(FORUM, "+7 900 000-00-01")
    sent = await bot.send_message(FORUM, "SMS", message_thread_id=topic.message_thread_id)
    assert sent.is_topic_message
    assert sent.message_thread_id == topic.message_thread_id
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.forum_topic_created is not None
    assert [m.text for m in api.chats[FORUM].in_topic(topic.message_thread_id)] == ["SMS"]
    assert api.chats[FORUM].topics[topic.message_thread_id].name == "+7 900 000-00-01"


async def test_what_people_write_in_a_topic_answers_its_creation(api: SimulatedBotApi, bot: Bot) -> None:
    thread_id = (await bot.create_forum_topic(FORUM, "Ivan")).message_thread_id
    first = api.says(FORUM, "Yes", thread_id=thread_id)
    api.says(FORUM, "And", reply_to=first)
    api.says(FORUM, "in General")
    _, plain, reply, general = (u.message for u in await bot.get_updates())
    assert plain is not None
    assert plain.is_topic_message
    assert plain.message_thread_id == thread_id
    assert plain.reply_to_message is not None
    assert plain.reply_to_message.forum_topic_created is not None
    assert reply is not None
    assert reply.message_thread_id == thread_id
    assert reply.reply_to_message is not None
    assert reply.reply_to_message.message_id == first
    assert general is not None
    assert (general.message_thread_id, general.is_topic_message) == (None, None)


@pytest.mark.parametrize("chat_id", [FORUM, GROUP])
async def test_a_thread_id_without_the_mark_is_no_topic(api: SimulatedBotApi, bot: Bot, chat_id: int) -> None:
    first = api.says(chat_id, "question")
    api.says(chat_id, "answer", reply_to=first)
    reply = (await bot.get_updates())[1].message
    assert reply is not None
    assert (reply.message_thread_id, reply.is_topic_message) == (first, None)


async def test_an_answer_without_a_thread_id_lands_in_the_topic_of_what_it_answers(
    api: SimulatedBotApi, bot: Bot
) -> None:
    thread_id = (await bot.create_forum_topic(FORUM, "Ivan")).message_thread_id
    asked = api.says(FORUM, "x", thread_id=thread_id)
    assert (await bot.send_message(FORUM, "y", reply_to_message_id=asked)).message_thread_id == thread_id


async def test_deleted_and_unknown_topics(api: SimulatedBotApi, bot: Bot) -> None:
    thread_id = (await bot.create_forum_topic(FORUM, "Ivan")).message_thread_id
    inside = (await bot.send_message(FORUM, "x", message_thread_id=thread_id)).message_id
    api.delete_topic(FORUM, thread_id)
    for gone in (thread_id, 999):
        assert await refused(bot.send_message(FORUM, "x", message_thread_id=gone)) == "Message thread not found"
    assert await refused(bot.edit_message_text("y", FORUM, inside)) == "Message to edit not found"
    assert await refused(bot.close_forum_topic(FORUM, thread_id)) == "Topic_id_invalid"
    assert await refused(bot.edit_forum_topic(FORUM, 999, name="x")) == "Topic_id_invalid"
    assert await refused(bot.send_message(GROUP, "x", message_thread_id=5)) == "Message thread not found"


async def test_a_closed_topic_takes_nothing_until_it_is_opened(api: SimulatedBotApi, bot: Bot) -> None:
    thread_id = (await bot.create_forum_topic(FORUM, "Ivan")).message_thread_id
    api.close_topic(FORUM, thread_id)
    assert await refused(bot.send_message(FORUM, "x", message_thread_id=thread_id)) == "Topic_closed"
    assert await refused(bot.close_forum_topic(FORUM, thread_id)) == "Topic_not_modified"
    await bot.reopen_forum_topic(FORUM, thread_id)
    assert await bot.send_message(FORUM, "x", message_thread_id=thread_id)
    assert await refused(bot.reopen_forum_topic(FORUM, thread_id)) == "Topic_not_modified"
    closed = (await bot.get_updates())[1].message
    assert closed is not None
    assert closed.forum_topic_closed is not None
    assert closed.message_thread_id == thread_id


async def test_who_may_make_and_change_topics(api: SimulatedBotApi, bot: Bot) -> None:
    assert await refused(bot.create_forum_topic(GROUP, "x")) == "The chat is not a forum"
    assert await refused(bot.create_forum_topic(FORUM, " ")) == "Title must be non-empty"
    foreign = api.create_topic(FORUM, "Anna's")
    own = (await bot.create_forum_topic(FORUM, "own")).message_thread_id
    api.chats[FORUM].can_manage_topics = False
    assert await refused(bot.create_forum_topic(FORUM, "x")) == "Not enough rights to create a topic"
    assert await refused(bot.edit_forum_topic(FORUM, foreign, name="x")) == "Not enough rights to edit the topic"
    error = "Not enough rights to close or open the topic"
    assert await refused(bot.close_forum_topic(FORUM, foreign)) == error
    assert await bot.edit_forum_topic(FORUM, own, name="renamed")
    assert await refused(bot.edit_forum_topic(FORUM, own, name="renamed")) == "Topic_not_modified"


async def test_a_long_name_is_cut_without_a_word(bot: Bot) -> None:
    assert (await bot.create_forum_topic(FORUM, "я" * 200)).name == "я" * 128


async def test_a_plain_group_becomes_a_supergroup(api: SimulatedBotApi, bot: Bot) -> None:
    new_id = -1003
    api.migrate(OLD_GROUP, new_id, forum=True)
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(OLD_GROUP, "x")
    assert caught.value.new_chat_id == new_id
    with pytest.raises(ChatMigrated):
        await bot.get_chat(OLD_GROUP)
    with pytest.raises(ChatMigrated):
        await bot.edit_message_text("x", OLD_GROUP, 1)
    old, new = (update.message for update in await bot.get_updates())
    assert old is not None
    assert new is not None
    assert (old.chat.id, old.migrate_to_chat_id) == (OLD_GROUP, new_id)
    assert (new.chat.id, new.migrate_from_chat_id, new.message_id) == (new_id, OLD_GROUP, 1)
    api.chats[new_id].bot_is = "administrator"
    assert (await bot.create_forum_topic(new_id, "Ivan")).message_thread_id == 2


async def test_the_bot_hears_of_what_it_did_to_a_topic_itself(api: SimulatedBotApi, bot: Bot) -> None:
    thread_id = (await bot.create_forum_topic(FORUM, "Ivan")).message_thread_id
    await bot.send_message(FORUM, "x", message_thread_id=thread_id)
    await bot.edit_forum_topic(FORUM, thread_id, name="Ivan Petrov")
    await bot.close_forum_topic(FORUM, thread_id)
    heard = [update.message for update in await bot.get_updates()]
    assert [message.from_user.id for message in heard if message and message.from_user] == [bot.id] * 3
    kinds = ("forum_topic_created", "forum_topic_edited", "forum_topic_closed")
    assert [next(kind for kind in kinds if getattr(message, kind)) for message in heard] == list(kinds)
