"""Bot API methods about the bot itself, its updates and its chats."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Final

from bridge.model.base import SECOND, Json
from bridge.sandbox.botapi import messages, topics
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.refusal import Refusal, bad_request
from bridge.sandbox.botapi.render import bot_member_json, chat_full_json, member_json, user_json
from bridge.sandbox.botapi.state import ApiState
from bridge.sandbox.botapi.updates import poll_timeout
from bridge.sandbox.botapi.webhooks import checked

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
MAX_COMMANDS = 100
MAX_DESCRIPTION = 256


def get_me(state: ApiState, params: Params) -> Json:
    return user_json(state.world.bot) | {
        "can_join_groups": True,
        "can_read_all_group_messages": not state.options.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def get_updates(state: ApiState, params: Params) -> Json:
    limit = params.integer("limit")
    return await state.updates.poll(
        offset=params.integer("offset") or 0,
        limit=100 if limit is None else min(max(limit, 1), 100),
        wait=poll_timeout(params.integer("timeout")),
        allowed=_allowed_updates(params),
    )


def set_webhook(state: ApiState, params: Params) -> Json:
    url = params.text("url")
    drop = params.flag("drop_pending_updates")
    if not url:
        return _without_webhook(state, drop)
    secret, connections = params.text("secret_token"), params.integer("max_connections")
    webhook = checked(url, secret, connections, local=state.options.local)
    state.updates.set_webhook(url, drop_pending=drop, allowed=_allowed_updates(params))
    state.caller.set(webhook)
    return True


def delete_webhook(state: ApiState, params: Params) -> Json:
    return _without_webhook(state, params.flag("drop_pending_updates"))


def _without_webhook(state: ApiState, drop: bool) -> Json:
    state.updates.set_webhook("", drop_pending=drop)
    state.caller.set(None)
    return True


def get_webhook_info(state: ApiState, params: Params) -> Json:
    info: dict[str, Json] = {
        "url": state.updates.webhook_url,
        "has_custom_certificate": False,
        "pending_update_count": len(state.updates.unconfirmed),
    }
    webhook = state.caller.webhook
    if webhook is not None:
        info["max_connections"] = webhook.max_connections
        if webhook.error_at is not None:
            info |= {"last_error_date": webhook.error_at // SECOND, "last_error_message": webhook.error}
    return info


def get_chat(state: ApiState, params: Params) -> Json:
    return chat_full_json(state.world.writable(params.text("chat_id")))


def get_chat_member(state: ApiState, params: Params) -> Json:
    chat = state.world.writable(params.text("chat_id"))
    user_id = params.integer("user_id")
    if user_id is None or user_id <= 0:
        raise bad_request("invalid user_id specified")
    if user_id == state.world.bot.id:
        return bot_member_json(state.world.bot, chat)
    user = state.world.users.get(user_id)
    if user is None:
        raise bad_request("PARTICIPANT_ID_INVALID")
    return member_json(user, chat.members.get(user_id, "left"))


def set_my_commands(state: ApiState, params: Params) -> Json:
    commands = params.array("commands", "commands")
    if commands is None:
        raise bad_request("commands must be non-empty")
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        _check_command(command)
    state.commands[_scope(state, params)] = commands
    return True


def get_my_commands(state: ApiState, params: Params) -> Json:
    return state.commands.get(_scope(state, params), [])


def _check_command(command: Json) -> None:
    if not isinstance(command, dict):
        raise bad_request("can't parse BotCommand: expected an Object")
    name, description = command.get("command"), command.get("description")
    if not isinstance(name, str) or not _COMMAND.fullmatch(name.removeprefix("/")):
        raise bad_request("BOT_COMMAND_INVALID")
    if not isinstance(description, str) or not 1 <= len(description) <= MAX_DESCRIPTION:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")


def _scope(state: ApiState, params: Params) -> tuple[str, str]:
    scope = params.object("scope", "BotCommandScope") or {"type": "default"}
    if scope.get("type") in ("chat", "chat_administrators", "chat_member"):
        state.world.writable(str(scope.get("chat_id", "")))
        scope = {**scope, "chat_id": str(scope["chat_id"])}
    return json.dumps(scope, sort_keys=True), params.text("language_code")


def _allowed_updates(params: Params) -> frozenset[str] | None:
    """The kinds of updates that the bot asks for. None leaves the setting as it is, also for an unreadable value."""
    try:
        names = params.array("allowed_updates", "allowed updates")
    except Refusal:
        return None
    return None if names is None else frozenset(str(name).lower() for name in names)


Method = Callable[[ApiState, Params], Json]
WAITING_METHODS: Final[dict[str, Callable[[ApiState, Params], Awaitable[Json]]]] = {"getupdates": get_updates}
METHODS: Final[dict[str, Method]] = {
    "getme": get_me,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
    "getchat": get_chat,
    "getchatmember": get_chat_member,
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
    "sendmessage": messages.send_message,
    "editmessagetext": messages.edit_message_text,
    "editmessagereplymarkup": messages.edit_message_reply_markup,
    "deletemessage": messages.delete_message,
    "setmessagereaction": messages.set_message_reaction,
    "answercallbackquery": messages.answer_callback_query,
    "createforumtopic": topics.create_forum_topic,
    "editforumtopic": topics.edit_forum_topic,
    "closeforumtopic": topics.close_forum_topic,
    "reopenforumtopic": topics.reopen_forum_topic,
}
"""The simulated methods. Their names are in lower case, because Telegram ignores case. All other methods answer 404."""
