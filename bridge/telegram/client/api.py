"""The calls of the Bot API that the bridge makes, on python-telegram-bot, with its errors translated.

It must not decide, retry or wait: its callers do. Importing the library takes a third of a second, so short commands
must not import this module.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx
from pydantic import SecretStr
from telegram import (
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
)
from telegram.error import NetworkError
from telegram.ext import Application, ApplicationBuilder, CallbackContext, ExtBot
from telegram.request import HTTPXRequest

from bridge.model.base import SECOND, Ms
from bridge.telegram.client.errors import ApiError, FailureKind, described, translated
from bridge.telegram.client.message import Button, ChatMessage, Entity
from bridge.value import value_object

# Without this variable the library warns at every flood limit. It reads the variable at each error.
os.environ.setdefault("PTB_TIMEDELTA", "true")

Context = CallbackContext[ExtBot[None], dict[Any, Any], dict[Any, Any], dict[Any, Any]]
App = Application[Any, Context, dict[Any, Any], dict[Any, Any], dict[Any, Any], None]

ALLOWED_UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"]
LONG_POLL: Ms = 25 * SECOND
MAX_CALLERS = 10
"""Connections that Telegram may open to the webhook at once. Updates of one chat come one by one in any case."""
_READ_TIMEOUT = 20
"""Seconds that Telegram may take to answer a call."""
_LARGEST_ID = 2**63 - 1
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def _authorities() -> ssl.SSLContext:
    """The certificate authorities that are trusted, chosen as httpx chooses them."""
    return _authorities_of(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _authorities_of(file: str | None, folder: str | None) -> ssl.SSLContext:
    # Cached: reading them takes a tenth of a second, and each transport would do it again.
    return httpx.create_ssl_context()


class _Request(HTTPXRequest):
    """The library's transport, changed so that it does not log the answers that it cannot read."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        try:
            parsed = json.loads(payload.decode("utf-8", "replace"))
        except ValueError:
            raise NetworkError("unreadable answer") from None
        if not isinstance(parsed, dict):
            raise NetworkError("unreadable answer")
        return parsed


class _Bot(ExtBot[None]):
    """The library's bot, without a request at the start and with answers as Telegram wrote them.

    The library's ``initialize`` asks Telegram who the bot is and fails while Telegram is away. The bridge starts
    without Telegram and does not need the answer.
    """

    __slots__ = ("_transports",)

    def __init__(self, token: str, base_url: str, polling: _Request, calling: _Request) -> None:
        super().__init__(token=token, base_url=base_url, request=calling, get_updates_request=polling)
        self._transports = (polling, calling)

    async def initialize(self) -> None:
        for transport in self._transports:
            await transport.initialize()

    async def shutdown(self) -> None:
        for transport in self._transports:
            await transport.shutdown()

    async def raw(self, method: str, params: dict[str, Any], read_timeout: float) -> object:
        """Makes a call and returns the answer unparsed.

        This is the only use of a protected method of the library. ``get_updates`` parses a batch as a whole, so an
        update that it cannot read would block those behind it. ``get_chat`` drops the fields that it does not know. The
        public ``do_api_request`` makes the same call as this method, but warns for both.
        """
        return await self._post(method, params, read_timeout=read_timeout)


@value_object
class WebhookState:
    """What Telegram reports about the bot's webhook."""

    url: str
    """Empty if none is set. It may contain another program's secret: compare it, but do not show it."""
    waiting: int
    """Updates that Telegram has not brought yet."""
    error_at: Ms | None
    """When a call last failed."""
    error: str
    """Why it failed: Telegram's own words, in English."""


class Api:
    """The calls of the Bot API. Every method raises only :class:`~bridge.telegram.client.errors.ApiError`."""

    def __init__(self, token: SecretStr, api_url: str, proxy: str = "") -> None:
        for noisy in ("httpx", "httpcore"):
            # httpx logs whole URLs at INFO, and the URL holds the token.
            logging.getLogger(noisy).setLevel(logging.WARNING)
        via = proxy or None
        polling = _Request(
            connection_pool_size=1,
            proxy=via,
            read_timeout=40,
            connect_timeout=10,
            pool_timeout=5,
            httpx_kwargs={"verify": _authorities()},
        )
        calling = _Request(
            connection_pool_size=16,
            proxy=via,
            read_timeout=_READ_TIMEOUT,
            write_timeout=20,
            connect_timeout=10,
            pool_timeout=10,
            httpx_kwargs={"verify": _authorities(), "event_hooks": {"response": [self._note_time]}},
        )
        self.server_time: Ms | None = None
        """Telegram's clock at its latest answer to a call, to the second."""
        secret = token.get_secret_value()
        self._bot = _Bot(secret, f"{api_url.rstrip('/')}/bot", polling, calling)
        self.bot_id = bot_id(secret)
        builder = ApplicationBuilder().bot(self._bot).updater(None).job_queue(None)
        self.application: App = builder.build()

    async def _note_time(self, response: httpx.Response) -> None:
        # An unreadable date changes nothing.
        with contextlib.suppress(ValueError, TypeError):
            self.server_time = int(parsedate_to_datetime(response.headers.get("Date", "")).timestamp()) * SECOND

    async def start(self) -> None:
        """Opens the transports. Makes no request."""
        await self.application.initialize()

    async def close(self) -> None:
        await self.application.shutdown()

    @property
    def bot(self) -> ExtBot[None]:
        """For parsing updates, and for :mod:`bridge.telegram.setup.checks`."""
        return self._bot

    async def updates(self, offset: int | None, timeout: Ms = LONG_POLL) -> list[dict[str, Any]]:
        """Makes one long poll. Items without an ``update_id`` are left out: nothing could confirm them."""
        with translated():
            params = {"offset": offset, "timeout": timeout // SECOND, "limit": 100, "allowed_updates": ALLOWED_UPDATES}
            result = await self._bot.raw("getUpdates", params, timeout / SECOND + 10)
        if not isinstance(result, list):
            raise ApiError(FailureKind.AMBIGUOUS, "unreadable answer")
        return [item for item in result if isinstance(item, dict) and update_id_of(item) is not None]

    async def raw_chat(self, chat_id: int) -> dict[str, Any]:
        """Telegram's ``ChatFullInfo``, unparsed."""
        with translated():
            chat = await self._bot.raw("getChat", {"chat_id": chat_id}, _READ_TIMEOUT)
        if not isinstance(chat, dict):
            raise ApiError(FailureKind.AMBIGUOUS, "unreadable answer")
        return chat

    async def webhook(self) -> WebhookState:
        with translated():
            info = await self._bot.get_webhook_info()
        failed = info.last_error_date
        return WebhookState(
            url=info.url,
            waiting=info.pending_update_count,
            error_at=int(failed.timestamp()) * SECOND if failed is not None else None,
            error=described(info.last_error_message or ""),
        )

    async def set_webhook(self, url: str, secret: SecretStr) -> None:
        """Sets the webhook. Updates that wait for another address come to this one."""
        with translated():
            await self._bot.set_webhook(
                url,
                secret_token=secret.get_secret_value(),
                allowed_updates=ALLOWED_UPDATES,
                max_connections=MAX_CALLERS,
                drop_pending_updates=False,
            )

    async def remove_webhook(self) -> None:
        """Removes the webhook. Updates that wait for it come with the next poll."""
        with translated():
            await self._bot.delete_webhook(drop_pending_updates=False)

    async def send(
        self,
        chat_id: int,
        message: ChatMessage,
        *,
        thread_id: int | None = None,
        reply_to: int | None = None,
        plain: bool = False,
    ) -> int:
        """Sends a message and returns its id. ``plain``: without formatting."""
        reply = ReplyParameters(message_id=reply_to, allow_sending_without_reply=True) if reply_to is not None else None
        with translated():
            sent = await self._bot.send_message(
                chat_id,
                message.text,
                entities=None if plain else entities(message.entities),
                message_thread_id=thread_id,
                reply_parameters=reply,
                reply_markup=keyboard(message.buttons),
                link_preview_options=_NO_PREVIEW,
                disable_notification=message.silent,
            )
        return sent.message_id

    async def edit(self, chat_id: int, message_id: int, message: ChatMessage) -> None:
        with translated():
            await self._bot.edit_message_text(
                message.text,
                chat_id=chat_id,
                message_id=message_id,
                entities=entities(message.entities),
                reply_markup=keyboard(message.buttons),
                link_preview_options=_NO_PREVIEW,
            )

    async def drop_buttons(self, chat_id: int, message_id: int) -> None:
        with translated():
            await self._bot.edit_message_reply_markup(chat_id=chat_id, message_id=message_id, reply_markup=None)

    async def delete(self, chat_id: int, message_id: int) -> None:
        with translated():
            await self._bot.delete_message(chat_id, message_id)

    async def react(self, chat_id: int, message_id: int, emoji: str) -> None:
        with translated():
            await self._bot.set_message_reaction(chat_id, message_id, emoji)

    async def answer_button(self, query_id: str, text: str) -> None:
        with translated():
            await self._bot.answer_callback_query(query_id, text[:200])

    async def create_topic(self, chat_id: int, name: str) -> int:
        with translated():
            return (await self._bot.create_forum_topic(chat_id, name)).message_thread_id

    async def reopen_topic(self, chat_id: int, thread_id: int) -> None:
        with translated():
            await self._bot.reopen_forum_topic(chat_id, thread_id)

    async def close_topic(self, chat_id: int, thread_id: int) -> None:
        with translated():
            await self._bot.close_forum_topic(chat_id, thread_id)

    async def rename_topic(self, chat_id: int, thread_id: int, name: str) -> None:
        with translated():
            await self._bot.edit_forum_topic(chat_id, thread_id, name)

    async def username(self) -> str:
        """The bot's own user name, to which commands in groups are addressed."""
        with translated():
            return (await self._bot.get_me()).username or ""

    async def commands(self, chat_id: int) -> dict[str, str]:
        """The commands that Telegram offers in this chat, in order, each with its description."""
        with translated():
            found = await self._bot.get_my_commands(scope=BotCommandScopeChat(chat_id))
        return {command.command: command.description for command in found}

    async def set_commands(self, chat_id: int, commands: Mapping[str, str]) -> None:
        with translated():
            await self._bot.set_my_commands(list(commands.items()), scope=BotCommandScopeChat(chat_id))


def bot_id(token: str) -> int:
    """The bot's id, with which its token begins; 0 for a token of another form."""
    head = token.partition(":")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def update_id_of(update: object) -> int | None:
    """The id of an update; None if the value is no update."""
    found = update.get("update_id") if isinstance(update, dict) else None
    return found if type(found) is int and 0 <= found <= _LARGEST_ID else None


def entities(items: Sequence[Entity]) -> list[MessageEntity] | None:
    return [MessageEntity(type=item.kind, offset=item.offset, length=item.length) for item in items] or None


def keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    if not buttons:
        return None
    return InlineKeyboardMarkup([[InlineKeyboardButton(each.label, callback_data=each.data)] for each in buttons])
