"""Bot API methods that write, change or mark messages."""

from __future__ import annotations

from bridge.model.base import DAY, SECOND, Json, Ms
from bridge.sandbox.botapi.formatting import Formatted, formatted_text, utf16_len
from bridge.sandbox.botapi.markup import buttons, reply_markup
from bridge.sandbox.botapi.params import Params, flag_in, integer_in
from bridge.sandbox.botapi.reactions import FREE_REACTIONS
from bridge.sandbox.botapi.refusal import NOT_MODIFIED, QUERY_TOO_OLD, bad_request
from bridge.sandbox.botapi.render import message_json
from bridge.sandbox.botapi.state import ApiState
from bridge.sandbox.botapi.world import Chat, EventKind, Message

DELETE_WITHIN: Ms = 2 * DAY
"""For 48 hours a bot without administrator rights may delete its own messages."""
ANSWER_WITHIN: Ms = 15 * SECOND
"""After this time the client of the person has given up, and Telegram refuses an answer to the press."""
MAX_ANSWER = 200


def send_message(state: ApiState, params: Params) -> Json:
    chat = state.world.writable(params.text("chat_id"))
    formatted = formatted_text(params)
    markup = reply_markup(params)
    replied = _replied(chat, params)
    thread_id = _thread(state, chat, params, replied)
    no_preview = flag_in(params.object("link_preview_options", "link preview options") or {}, "is_disabled")
    state.spend(chat)
    message = state.world.add_message(
        chat,
        Message(
            id=state.world.new_message_id(chat),
            sender=state.world.bot,
            date=state.world.clock.now(),
            text=formatted.text,
            entities=formatted.entities,
            thread_id=thread_id,
            reply_to=replied.id if replied else None,
            reply_markup=markup,
            silent=params.flag("disable_notification"),
            link_preview=not (no_preview or params.flag("disable_web_page_preview")),
        ),
    )
    _notify(state, chat, message, EventKind.POST)
    return message_json(chat, message)


def edit_message_text(state: ApiState, params: Params) -> Json:
    chat, message = _editable(state, params)
    formatted = formatted_text(params)
    markup = reply_markup(params, inline_only=True)
    if message.content:
        raise bad_request("there is no text in the message to edit")
    return _edit(state, chat, message, formatted, markup)


def edit_message_reply_markup(state: ApiState, params: Params) -> Json:
    chat, message = _editable(state, params)
    markup = reply_markup(params, inline_only=True)
    return _edit(state, chat, message, Formatted(text=message.text, entities=message.entities), markup)


def delete_message(state: ApiState, params: Params) -> Json:
    world = state.world
    chat = world.writable(params.text("chat_id"))
    message = chat.alive(_message_id(params))
    if message is None:
        raise bad_request("message to delete not found")
    young = world.clock.now() - message.date < DELETE_WITHIN
    administrator = chat.bot_is == "administrator" and chat.can_delete_messages
    if not administrator and not (message.by_bot and young):
        raise bad_request("message can't be deleted")
    state.spend(chat)
    message.deleted = True
    world.tell(EventKind.DELETE, chat, world.bot, "", thread_id=message.thread_id, message_id=message.id)
    return True


def set_message_reaction(state: ApiState, params: Params) -> Json:
    """Set the bot's reaction. The call counts against the bot's limit, but not against the group's message budget."""
    world = state.world
    chosen = _reactions(params)
    chat = world.writable(params.text("chat_id"))
    message = chat.alive(params.integer("message_id"))
    if message is None:
        raise bad_request("message to react not found")
    if len(chosen) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if message.service or not set(chosen) <= _allowed_reactions(chat):
        raise bad_request("REACTION_INVALID")
    state.spend(chat, message=False)
    if message.reactions != chosen:
        message.reactions = chosen
        text = "".join(chosen)
        world.tell(EventKind.REACTION, chat, world.bot, text, thread_id=message.thread_id, message_id=message.id)
    return True


def answer_callback_query(state: ApiState, params: Params) -> Json:
    if utf16_len(params.text("text")) > MAX_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    press = state.presses.get(params.text("callback_query_id"))
    if press is None or press.answered or state.world.clock.now() - press.at > ANSWER_WITHIN:
        raise bad_request(QUERY_TOO_OLD)
    press.answered = True
    press.answer = params.text("text")
    state.world.tell(EventKind.ANSWER, press.chat, state.world.bot, press.answer, message_id=press.message_id)
    return True


def _edit(state: ApiState, chat: Chat, message: Message, formatted: Formatted, markup: dict[str, Json] | None) -> Json:
    """Change a message. A call without a keyboard removes the keyboard."""
    same_text = message.text == formatted.text and message.entities == formatted.entities
    if same_text and message.reply_markup == markup:
        raise bad_request(NOT_MODIFIED)
    state.spend(chat)
    message.text, message.entities, message.reply_markup = formatted.text, formatted.entities, markup
    message.edited = state.world.clock.now()
    _notify(state, chat, message, EventKind.EDIT)
    return message_json(chat, message)


def _editable(state: ApiState, params: Params) -> tuple[Chat, Message]:
    chat = state.world.writable(params.text("chat_id"))
    message = chat.alive(_message_id(params))
    if message is None:
        raise bad_request("message to edit not found")
    if not message.by_bot or message.service:
        raise bad_request("message can't be edited")
    return chat, message


def _message_id(params: Params) -> int:
    message_id = params.integer("message_id")
    if message_id is None or message_id <= 0:
        raise bad_request("message identifier is not specified")
    return message_id


def _replied(chat: Chat, params: Params) -> Message | None:
    holder = params.object("reply_parameters", "reply parameters")
    if holder is None:
        wanted = params.integer("reply_to_message_id")
        lenient = params.flag("allow_sending_without_reply")
    else:
        wanted = integer_in(holder, "message_id")
        lenient = flag_in(holder, "allow_sending_without_reply")
    if not wanted:
        return None
    replied = chat.alive(wanted)
    if replied is None and not lenient:
        raise bad_request("message to be replied not found")
    return replied


def _thread(state: ApiState, chat: Chat, params: Params, replied: Message | None) -> int | None:
    """The thread of a new message: the thread in the call, else the thread of the message it replies to."""
    thread_id = params.integer("message_thread_id")
    if not thread_id:
        if replied is None:
            return None
        thread_id = state.world.thread_of_reply(chat, replied)
        topic = chat.topic(thread_id)
    else:
        topic = chat.topic(thread_id)
        if topic is None:
            raise bad_request("message thread not found")
    if topic is not None and topic.closed:
        raise bad_request("TOPIC_CLOSED")
    return thread_id


def _reactions(params: Params) -> tuple[str, ...]:
    chosen = params.json("reaction", "reaction types")
    if chosen is None:
        return ()
    if not isinstance(chosen, list):
        raise bad_request("expected an Array of ReactionType")
    return tuple(_reaction(one) for one in chosen)


def _allowed_reactions(chat: Chat) -> frozenset[str]:
    if chat.reactions == "none":
        return frozenset()
    return frozenset(FREE_REACTIONS if chat.reactions == "all" else set(chat.reactions) & set(FREE_REACTIONS))


def _reaction(one: Json) -> str:
    if not isinstance(one, dict):
        raise bad_request("can't parse ReactionType: expected an Object")
    if (kind := one.get("type")) is None:
        raise bad_request("can't parse ReactionType: Can't find field \"type\"")
    if kind == "custom_emoji":
        raise bad_request("REACTION_INVALID")
    if kind != "emoji":
        raise bad_request("can't parse ReactionType: invalid reaction type specified")
    emoji = one.get("emoji")
    if not isinstance(emoji, str):
        raise bad_request("can't parse ReactionType: Can't find field \"emoji\"")
    return emoji


def _notify(state: ApiState, chat: Chat, message: Message, kind: EventKind) -> None:
    state.world.tell(
        kind,
        chat,
        state.world.bot,
        message.text,
        thread_id=message.thread_id,
        message_id=message.id,
        reply_to=message.reply_to,
        buttons=tuple(buttons(message.reply_markup)),
    )
