"""Bot API methods for the topics of a forum.

Telegram sends a bot no updates about its own messages, with one exception: the service messages that appear when the
bot changes a topic.
"""

from __future__ import annotations

from bridge.model.base import Json
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.refusal import bad_request
from bridge.sandbox.botapi.render import message_json
from bridge.sandbox.botapi.state import ApiState
from bridge.sandbox.botapi.world import Chat, EventKind, Topic

MAX_NAME = 128
"""Characters; Telegram cuts a longer name without an error."""
DEFAULT_COLOR = 7322096


def create_forum_topic(state: ApiState, params: Params) -> Json:
    chat = _forum(state, params)
    if not _may_manage(chat):
        raise bad_request("not enough rights to create a topic")
    name = _clean(params.text("name"))
    if not name:
        raise bad_request("title must be non-empty")
    state.spend(chat)
    color = params.integer("icon_color") or DEFAULT_COLOR
    topic = state.world.add_topic(chat, name, state.world.bot, color)
    state.updates.put("message", message_json(chat, chat.history[topic.thread_id]))
    return {"message_thread_id": topic.thread_id, "name": topic.name, "icon_color": color}


def edit_forum_topic(state: ApiState, params: Params) -> Json:
    chat = _forum(state, params)
    topic = _topic(chat, params)
    if not (_may_manage(chat) or topic.by_bot):
        raise bad_request("not enough rights to edit the topic")
    name = _clean(params.text("name"))
    if params.text("name") and not name:
        raise bad_request("title must be non-empty")
    if not name:
        return True
    if name == topic.name:
        raise bad_request("TOPIC_NOT_MODIFIED")
    state.spend(chat)
    topic.name = name
    _notify(state, chat, topic, {"forum_topic_edited": {"name": name}}, name)
    return True


def close_forum_topic(state: ApiState, params: Params) -> Json:
    return _toggle(state, params, closed=True)


def reopen_forum_topic(state: ApiState, params: Params) -> Json:
    return _toggle(state, params, closed=False)


def _toggle(state: ApiState, params: Params, *, closed: bool) -> Json:
    chat = _forum(state, params)
    topic = _topic(chat, params)
    if not (_may_manage(chat) or topic.by_bot):
        raise bad_request("not enough rights to close or open the topic")
    if topic.closed is closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    state.spend(chat)
    topic.closed = closed
    what = "forum_topic_closed" if closed else "forum_topic_reopened"
    _notify(state, chat, topic, {what: {}}, what)
    return True


def _forum(state: ApiState, params: Params) -> Chat:
    chat = state.world.writable(params.text("chat_id"))
    if not chat.forum:
        raise bad_request("the chat is not a forum")
    return chat


def _topic(chat: Chat, params: Params) -> Topic:
    thread_id = params.integer("message_thread_id")
    if thread_id is None or thread_id <= 0:
        raise bad_request("invalid forum topic identifier specified")
    topic = chat.topic(thread_id)
    if topic is None:
        raise bad_request("TOPIC_ID_INVALID")
    return topic


def _may_manage(chat: Chat) -> bool:
    return chat.bot_is == "administrator" and chat.can_manage_topics


def _clean(name: str) -> str:
    return " ".join(name.split())[:MAX_NAME]


def _notify(state: ApiState, chat: Chat, topic: Topic, content: dict[str, Json], text: str) -> None:
    service = state.world.add_service(chat, state.world.bot, content, topic.thread_id)
    state.updates.put("message", message_json(chat, service))
    thread_id = topic.thread_id
    state.world.tell(EventKind.TOPIC, chat, state.world.bot, text, thread_id=thread_id, message_id=service.id)
