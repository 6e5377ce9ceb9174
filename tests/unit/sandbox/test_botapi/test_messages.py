"""Writing, changing and marking messages: what Telegram takes, and how it says no."""

from __future__ import annotations

import pytest
from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)
from telegram.constants import ReactionEmoji
from telegram.error import Forbidden, InvalidToken

from bridge.sandbox.botapi import FREE_REACTIONS, EventKind, SimulatedBotApi
from tests.clock import ManualClock
from tests.unit.sandbox.test_botapi.conftest import FORUM, GROUP, OLD_GROUP, PERSON, Bot
from tests.unit.sandbox.test_botapi.refusals import refused


def keyboard(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton("Send again", callback_data=one) for one in data]])


async def test_a_message_is_kept_as_it_was_sent(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    question = api.says(GROUP, "How much?")
    sent = await bot.send_message(
        GROUP,
        "Price: 5 €",
        entities=[MessageEntity(type="bold", offset=0, length=6)],
        reply_parameters=ReplyParameters(message_id=question),
        reply_markup=keyboard("again:1"),
        link_preview_options=LinkPreviewOptions(is_disabled=True),
        disable_notification=True,
    )
    kept = api.chats[GROUP].history[sent.message_id]
    assert (kept.text, kept.reply_to, kept.link_preview, kept.silent) == ("Price: 5 €", question, False, True)
    assert kept.entities == [{"type": "bold", "offset": 0, "length": 6}]
    assert kept.by_bot
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "How much?"
    assert sent.parse_entities() == {sent.entities[0]: "Price:"}
    assert int(sent.date.timestamp() * 1000) == clock.now()
    event = api.events[-1]
    assert (event.kind, event.by_bot, event.buttons) == (
        EventKind.POST,
        True,
        (("Send again", "again:1"),),
    )
    call = api.calls_of("sendMessage")[-1]
    assert (call.status, call.params["text"], call.at) == (200, "Price: 5 €", clock.now())
    assert api.token not in str(api.calls)


async def test_message_ids_rise_per_supergroup_and_over_all_other_chats(api: SimulatedBotApi, bot: Bot) -> None:
    ids = [(await bot.send_message(chat, "x")).message_id for chat in (FORUM, GROUP, GROUP, OLD_GROUP, PERSON)]
    assert ids == [1, 1, 2, 1, 2]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Message text is empty"),
        ("  \n ", "Text must be non-empty"),
        ("😀" * 2049, "Message is too long"),
        ("я" * 4097, "Message is too long"),
    ],
)
async def test_a_text_that_telegram_does_not_take(bot: Bot, text: str, error: str) -> None:
    assert await refused(bot.send_message(GROUP, text)) == error


@pytest.mark.parametrize("text", ["😀" * 2048, "я" * 4096])
async def test_a_text_of_just_4096_utf16_units_is_taken(bot: Bot, text: str) -> None:
    assert (await bot.send_message(GROUP, text)).text == text


@pytest.mark.parametrize(
    ("offset", "length", "error"),
    [
        (1, 2, "Entity begins in a middle of a utf-16 symbol at byte offset 4"),
        (
            0,
            1,
            "Entity beginning at utf-16 offset 0 ends in a middle of a utf-16 symbol at byte offset 4",
        ),
        (0, 9, "Entity beginning at utf-16 offset 0 ends after the end of the text at utf-16 offset 9"),
        (9, 1, "Entity begins after the end of the text at utf-16 offset 9"),
    ],
)
async def test_entities_are_counted_in_utf16_units(bot: Bot, offset: int, length: int, error: str) -> None:
    entity = MessageEntity(type="bold", offset=offset, length=length)
    assert await refused(bot.send_message(GROUP, "😀 ok", entities=[entity])) == error


async def test_html_becomes_text_and_entities(api: SimulatedBotApi, bot: Bot) -> None:
    html = '😀 <b>a &lt; <i>b</i></b> &amp; <a href="https://example.org/x">c</a>'
    sent = await bot.send_message(GROUP, html, parse_mode="HTML")
    assert sent.text == "😀 a < b & c"
    assert {(e.type, t) for e, t in sent.parse_entities().items()} == {
        ("italic", "b"),
        ("bold", "a < b"),
        ("text_link", "c"),
    }


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("1 <2>", 'unsupported start tag "2" at byte offset 2'),
        ("ж <b>x", 'can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "unexpected end tag at byte offset 1"),
        ("<b><i>x</b></i>", 'unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("я < 5", "unclosed start tag at byte offset 3"),
    ],
)
async def test_html_that_cannot_be_parsed(bot: Bot, html: str, error: str) -> None:
    assert await refused(bot.send_message(GROUP, html, parse_mode="HTML")) == f"Can't parse entities: {error}"


async def test_what_is_not_simulated_is_refused(bot: Bot) -> None:
    assert "can't parse entities" in (await refused(bot.send_message(GROUP, "*x*", parse_mode="MarkdownV2"))).lower()
    assert await refused(bot.send_poll(GROUP, "?", ["a", "b"]), InvalidToken) == "Not Found: method not found"


async def test_a_reply_to_a_message_that_is_gone(api: SimulatedBotApi, bot: Bot) -> None:
    gone = api.says(GROUP, "x")
    api.delete_message(GROUP, gone)
    reply = ReplyParameters(message_id=gone)
    assert await refused(bot.send_message(GROUP, "y", reply_parameters=reply)) == "Message to be replied not found"
    reply = ReplyParameters(message_id=gone, allow_sending_without_reply=True)
    assert (await bot.send_message(GROUP, "y", reply_parameters=reply)).reply_to_message is None


@pytest.mark.parametrize(
    ("markup", "error"),
    [
        (keyboard("я" * 33), "Button_data_invalid"),
        (
            InlineKeyboardMarkup([[InlineKeyboardButton("x")]]),
            "Can't parse inline keyboard button: text buttons are unallowed in the inline keyboard",
        ),
        (
            InlineKeyboardMarkup([[InlineKeyboardButton(" ", callback_data="1")]]),
            "Inline keyboard button text must be non-empty",
        ),
        (InlineKeyboardMarkup([[keyboard("1").inline_keyboard[0][0]] * 101]), "Reply markup is too long"),
    ],
)
async def test_a_keyboard_that_telegram_does_not_take(bot: Bot, markup: InlineKeyboardMarkup, error: str) -> None:
    assert await refused(bot.send_message(GROUP, "x", reply_markup=markup)) == error


async def test_data_of_64_bytes_is_taken(bot: Bot) -> None:
    message = await bot.send_message(GROUP, "x", reply_markup=keyboard("я" * 32))
    assert message.reply_markup == keyboard("я" * 32)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reply_markup", "Can't parse reply keyboard markup json object"),
        ("entities", "Can't parse entities json object"),
        ("reply_parameters", "Can't parse reply parameters json object"),
        ("link_preview_options", "Can't parse link preview options json object"),
    ],
)
async def test_broken_json_in_a_parameter(bot: Bot, name: str, error: str) -> None:
    call = bot.send_message(GROUP, "x", api_kwargs={name: "{"})
    assert await refused(call) == error


async def test_chats_out_of_reach(api: SimulatedBotApi, bot: Bot) -> None:
    api.add_chat(-1009, bot_is="absent")
    for chat_id in (-1008, -1009, "@nobody"):
        assert await refused(bot.send_message(chat_id, "x")) == "Chat not found"
    api.kick_bot(GROUP)
    error = "Forbidden: bot was kicked from the supergroup chat"
    assert await refused(bot.send_message(GROUP, "x"), Forbidden) == error
    api.kick_bot(OLD_GROUP)
    error = "Forbidden: bot was kicked from the group chat"
    assert await refused(bot.send_message(OLD_GROUP, "x"), Forbidden) == error
    api.kick_bot(PERSON)
    assert await refused(bot.send_message(PERSON, "x"), Forbidden) == "Forbidden: bot was blocked by the user"
    api.change_bot(FORUM, "left")
    error = "Forbidden: bot is not a member of the supergroup chat"
    assert await refused(bot.send_message(FORUM, "x"), Forbidden) == error


async def test_an_edit_replaces_text_and_keyboard(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    sent = await bot.send_message(GROUP, "queued", reply_markup=keyboard("1"))
    await clock.advance(5_000)
    edited = await bot.edit_message_text("sent", GROUP, sent.message_id)
    kept = api.chats[GROUP].history[sent.message_id]
    assert (kept.text, kept.reply_markup, kept.edited) == ("sent", None, clock.now())
    assert not isinstance(edited, bool)
    assert edited.edit_date is not None
    await bot.edit_message_reply_markup(GROUP, sent.message_id, reply_markup=keyboard("2"))
    assert kept.text == "sent"
    assert kept.reply_markup is not None


async def test_edits_that_telegram_does_not_make(api: SimulatedBotApi, bot: Bot) -> None:
    sent = (await bot.send_message(GROUP, "same", reply_markup=keyboard("1"))).message_id
    unchanged = bot.edit_message_text("same", GROUP, sent, reply_markup=keyboard("1"))
    assert (await refused(unchanged)).startswith("Message is not modified: specified new message content")
    unchanged = bot.edit_message_reply_markup(GROUP, sent, reply_markup=keyboard("1"))
    assert (await refused(unchanged)).startswith("Message is not modified")
    foreign = api.says(GROUP, "mine")
    assert await refused(bot.edit_message_text("x", GROUP, foreign)) == "Message can't be edited"
    assert await refused(bot.edit_message_text("x", GROUP, 999)) == "Message to edit not found"
    assert await refused(bot.edit_message_text("", GROUP, sent)) == "Message text is empty"


async def test_deleting(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    sent = (await bot.send_message(OLD_GROUP, "x")).message_id
    foreign = api.says(OLD_GROUP, "y")
    assert await refused(bot.delete_message(OLD_GROUP, foreign)) == "Message can't be deleted"
    assert await bot.delete_message(OLD_GROUP, sent)
    assert [m.id for m in api.chats[OLD_GROUP].messages] == [foreign]
    assert await refused(bot.delete_message(OLD_GROUP, sent)) == "Message to delete not found"
    old = (await bot.send_message(OLD_GROUP, "x")).message_id
    await clock.advance(48 * 3_600_000)
    assert await refused(bot.delete_message(OLD_GROUP, old)) == "Message can't be deleted"


def test_the_reactions_are_the_librarys() -> None:
    assert set(FREE_REACTIONS) == {emoji.value for emoji in ReactionEmoji}


async def test_the_latest_reaction_stands(api: SimulatedBotApi, bot: Bot) -> None:
    asked = api.says(FORUM, "x")
    for emoji in ("👀", "🕊", "👍", "💔", "🤔", "😴", "✍"):
        await bot.set_message_reaction(FORUM, asked, emoji)
        assert api.chats[FORUM].history[asked].reactions == (emoji,)
    await bot.set_message_reaction(FORUM, asked, None)
    assert api.chats[FORUM].history[asked].reactions == ()


async def test_reactions_that_telegram_does_not_take(api: SimulatedBotApi, bot: Bot) -> None:
    asked = api.says(GROUP, "x")
    for emoji in ("✅", "❌", "⏳", "❤️"):
        assert await refused(bot.set_message_reaction(GROUP, asked, emoji)) == "Reaction_invalid"
        # As a plain string the library sends what it does not know as a custom emoji; so it goes as it is.
        plain = ReactionTypeEmoji(emoji)
        assert await refused(bot.set_message_reaction(GROUP, asked, plain)) == "Reaction_invalid"
    assert await refused(bot.set_message_reaction(GROUP, asked, ["👍", "👎"])) == "Reactions_too_many"
    assert await refused(bot.set_message_reaction(GROUP, 999, "👍")) == "Message to react not found"
    api.chats[GROUP].reactions = ("👍",)
    assert await bot.set_message_reaction(GROUP, asked, "👍")
    assert await refused(bot.set_message_reaction(GROUP, asked, "👀")) == "Reaction_invalid"
    api.chats[GROUP].reactions = ("✅",)
    unlisted = bot.set_message_reaction(GROUP, asked, ReactionTypeEmoji("✅"))
    assert await refused(unlisted) == "Reaction_invalid"
    api.chats[GROUP].reactions = "none"
    assert await refused(bot.set_message_reaction(GROUP, asked, "👍")) == "Reaction_invalid"
    assert api.chats[GROUP].history[asked].reactions == ("👍",)


async def test_a_pressed_button_is_answered_once_and_soon(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    sent = (await bot.send_message(GROUP, "x", reply_markup=keyboard("again:1"))).message_id
    first, second = (api.presses(GROUP, sent, "again:1") for _ in range(2))
    error = "Query is too old and response timeout expired or query id is invalid"
    assert await bot.answer_callback_query(first, "Queued again")
    assert api.presses_by_id[first].answer == "Queued again"
    assert await refused(bot.answer_callback_query(first)) == error
    await clock.advance(15_001)
    assert await refused(bot.answer_callback_query(second)) == error
    assert await refused(bot.answer_callback_query("1")) == error
    third = api.presses(GROUP, sent, "again:1")
    assert await refused(bot.answer_callback_query(third, "x" * 201)) == "Message_too_long"


async def test_only_a_button_that_is_there_can_be_pressed(api: SimulatedBotApi, bot: Bot) -> None:
    sent = (await bot.send_message(GROUP, "x", reply_markup=keyboard("1"))).message_id
    with pytest.raises(LookupError):
        api.presses(GROUP, sent, "2")
    assert api.presses(GROUP, sent, "2", stale=True)
