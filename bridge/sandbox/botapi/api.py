"""The simulated Bot API as one object for tests and the sandbox: its chats, people and outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from bridge.model.base import Json
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.account import METHODS, WAITING_METHODS
from bridge.sandbox.botapi.flood import FloodControl
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.people import MessageKind, People
from bridge.sandbox.botapi.refusal import Refusal
from bridge.sandbox.botapi.server import ApiOutage, BotApiServer, Call, Scripted
from bridge.sandbox.botapi.state import ApiState, PressedButton, ServerOptions
from bridge.sandbox.botapi.updates import UpdateQueue
from bridge.sandbox.botapi.webhooks import WebhookCaller
from bridge.sandbox.botapi.world import BotStatus, Chat, ChatEvent, ChatKind, User, World

TOKEN = "123456:AAAA-sandbox-token-of-no-real-bot-00"
OPERATOR = 1001
"""The user who acts if none is named. In a private chat its own person acts."""


class SimulatedBotApi:
    """Telegram on loopback, as strict as the real one. People act by plain method calls; the bot comes over HTTP.

    Chats and people have to be added first; an action in an unknown one raises :class:`LookupError`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        token: str = TOKEN,
        port: int = 0,
        on_event: Callable[[ChatEvent], None] | None = None,
        options: ServerOptions | None = None,
    ) -> None:
        options = options or ServerOptions()
        self.token = token
        self.bot = User(id=int(token.split(":")[0]), first_name="SMS", username="sms_bridge_bot", is_bot=True)
        self.events: list[ChatEvent] = []
        self._on_event = on_event
        self._change = asyncio.Event()
        self.world = World(clock=clock, bot=self.bot, notify=self._happened)
        updates = UpdateQueue(clock)
        self._state = ApiState(
            world=self.world,
            updates=updates,
            caller=WebhookCaller(updates, clock, retry=options.webhook_retry, changed=self._changed),
            flood=FloodControl(clock, group_budget=options.group_budget, per_second=options.global_per_second),
            options=options,
        )
        self._people = People(self._state)
        self._server = BotApiServer(token=token, clock=clock, port=port, answer=self._answer, changed=self._changed)
        self.add_user(OPERATOR, "Anna", username="anna")

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._state.caller.stop()
        await self._server.stop()

    async def __aenter__(self) -> SimulatedBotApi:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # ------------------------------------------------ what can be looked at

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def base_url(self) -> str:
        """For ``Application.builder().base_url(…)``."""
        return f"{self.url}/bot"

    @property
    def chats(self) -> dict[int, Chat]:
        return self.world.chats

    @property
    def calls(self) -> list[Call]:
        """Every call whose request was read, oldest first."""
        return self._server.calls

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method.lower() == method.lower()]

    @property
    def updates(self) -> UpdateQueue:
        return self._state.updates

    @property
    def webhook(self) -> WebhookCaller:
        """The sender of updates to a webhook, with the result of each call."""
        return self._state.caller

    @property
    def flood_control(self) -> FloodControl:
        """The flood control. Its budgets may be set at any time; None switches one off."""
        return self._state.flood

    @property
    def presses_by_id(self) -> Mapping[str, PressedButton]:
        """The presses of buttons and their answers, by callback query id."""
        return self._state.presses

    def commands(self, scope: Mapping[str, Json] | None = None, language_code: str = "") -> list[Json]:
        """The commands that ``getMyCommands`` returns for this scope and language."""
        wanted = {"scope": dict(scope) if scope else None, "language_code": language_code or None}
        found = METHODS["getmycommands"](self._state, Params(wanted))
        assert isinstance(found, list)
        return found

    async def wait_for(self, predicate: Callable[[], object], timeout_s: float = 10) -> None:
        """Wait until the predicate holds. It is called now and after every call, answer and event.

        :raises TimeoutError: it did not hold in time; the message names the latest calls.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not predicate():
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            latest = ", ".join(f"{call.method} {call.status}" for call in self.calls[-10:])
            raise TimeoutError(f"not within {timeout_s} s; latest calls: {latest or 'none'}") from None

    # ------------------------------------------------ chats and people

    def add_user(
        self,
        user_id: int,
        first_name: str,
        *,
        username: str = "",
        language_code: str = "ru",
        is_bot: bool = False,
    ) -> User:
        user = User(id=user_id, first_name=first_name, username=username, language_code=language_code, is_bot=is_bot)
        self.world.users[user_id] = user
        return user

    def add_chat(
        self,
        chat_id: int,
        *,
        title: str = "Support",
        kind: ChatKind = "supergroup",
        forum: bool = False,
        bot_is: BotStatus = "administrator",
        can_manage_topics: bool = True,
        can_delete_messages: bool = True,
        reactions: Literal["all", "none"] | tuple[str, ...] = "all",
    ) -> Chat:
        """Add a chat. ``bot_is="absent"``: the bot was never in it, so Telegram answers that there is no such chat."""
        if chat_id in self.chats:
            raise ValueError(f"chat {chat_id} exists")
        if forum and kind != "supergroup":
            raise ValueError("only a supergroup has topics")
        if (chat_id > 0) is not (kind == "private"):
            raise ValueError("private chats have positive ids, groups negative ones")
        if kind == "private":
            bot_is = "member" if bot_is == "administrator" else bot_is
            self.world.users.setdefault(chat_id, User(id=chat_id, first_name=title))
        chat = self.chats[chat_id] = Chat(
            id=chat_id,
            title=title,
            kind=kind,
            forum=forum,
            bot_is=bot_is,
            can_manage_topics=can_manage_topics,
            can_delete_messages=can_delete_messages,
            reactions=reactions,
            was_in=bot_is != "absent",
        )
        self._changed()
        return chat

    # ------------------------------------------------ what people do

    def says(
        self,
        chat_id: int,
        text: str = "",
        *,
        user_id: int | None = None,
        kind: MessageKind | str = MessageKind.TEXT,
        thread_id: int | None = None,
        reply_to: int | None = None,
        anonymous_admin: bool = False,
        entities: Sequence[Json] | None = None,
    ) -> int:
        """Write a message and return its id. For a ``kind`` other than text, ``text`` is the caption."""
        chat = self.world.chat(chat_id)
        return self._people.says(
            chat,
            text,
            user=self._actor(chat, user_id),
            kind=MessageKind(kind),
            thread_id=thread_id,
            reply_to=reply_to,
            anonymous=anonymous_admin,
            entities=entities,
        )

    def edits(self, chat_id: int, message_id: int, text: str) -> int:
        return self._people.edits(self.world.chat(chat_id), message_id, text)

    def presses(
        self, chat_id: int, message_id: int, data: str, user_id: int | None = None, *, stale: bool = False
    ) -> str:
        """Press the button with this data; returns the callback query id. See :meth:`People.presses`."""
        chat = self.world.chat(chat_id)
        return self._people.presses(chat, message_id, data, self._actor(chat, user_id), stale=stale)

    def reacts(self, chat_id: int, message_id: int, emoji: str, user_id: int | None = None) -> None:
        chat = self.world.chat(chat_id)
        self._people.reacts(chat, message_id, emoji, self._actor(chat, user_id))

    def raw_update(self, update: Mapping[str, Json]) -> int:
        """Queue any object as an update, also a malformed one. Returns its update id."""
        update_id = self.updates.put_raw(update)
        self._changed()
        return update_id

    def create_topic(self, chat_id: int, name: str, user_id: int | None = None) -> int:
        chat = self.world.chat(chat_id)
        return self._people.creates_topic(chat, name, self._actor(chat, user_id))

    def close_topic(self, chat_id: int, thread_id: int, user_id: int | None = None) -> None:
        chat = self.world.chat(chat_id)
        self._people.closes_topic(chat, thread_id, self._actor(chat, user_id), closed=True)

    def reopen_topic(self, chat_id: int, thread_id: int, user_id: int | None = None) -> None:
        chat = self.world.chat(chat_id)
        self._people.closes_topic(chat, thread_id, self._actor(chat, user_id), closed=False)

    def rename_topic(self, chat_id: int, thread_id: int, name: str) -> None:
        chat = self.world.chat(chat_id)
        self._people.renames_topic(chat, thread_id, self._actor(chat, None), name)

    def delete_topic(self, chat_id: int, thread_id: int) -> None:
        chat = self.world.chat(chat_id)
        self._people.deletes_topic(chat, thread_id, self._actor(chat, None))

    def delete_message(self, chat_id: int, message_id: int) -> None:
        chat = self.world.chat(chat_id)
        self._people.deletes_message(chat, message_id, self._actor(chat, None))

    def migrate(self, old_chat_id: int, new_chat_id: int, *, forum: bool = False) -> Chat:
        """Turn a plain group into a supergroup, as Telegram does when topics are switched on."""
        old = self.world.chat(old_chat_id)
        new = self.add_chat(
            new_chat_id,
            title=old.title,
            forum=forum,
            bot_is=old.bot_is,
            can_manage_topics=old.can_manage_topics,
            can_delete_messages=old.can_delete_messages,
            reactions=old.reactions,
        )
        new.members = dict(old.members)
        self._people.migrates(old, new, self._actor(old, None))
        return new

    def kick_bot(self, chat_id: int) -> None:
        """Remove the bot from a group. In a private chat the person blocks it."""
        self.change_bot(chat_id, "kicked")

    def change_bot(self, chat_id: int, status: BotStatus) -> None:
        chat = self.world.chat(chat_id)
        self._people.changes_bot(chat, status, self._actor(chat, None))

    # ------------------------------------------------ outages

    def down(self, mode: ApiOutage | str = ApiOutage.REFUSE) -> None:
        self._server.down(ApiOutage(mode))
        self.webhook.pause()

    def up(self) -> None:
        self._server.up()
        self.webhook.resume()

    def answer_next(
        self,
        method: str,
        error_code: int,
        description: str,
        parameters: Mapping[str, Json] | None = None,
        times: int = 1,
    ) -> None:
        """Refuse the next ``times`` calls of this method (``*``: of any method) with this error."""
        refusal = Refusal(error_code, description, parameters)
        self._server.scripted.append(Scripted(method=method.lower(), refusal=refusal, times=times))

    def flood(self, chat_id: int, retry_after: int) -> None:
        """Refuse all calls that send to this chat for ``retry_after`` seconds of the clock."""
        self._state.flood.hold(chat_id, retry_after)

    def unauthorised(self, on: bool = True) -> None:
        """Revoke the token: every call answers 401."""
        self._server.unauthorised = on

    def conflict(self, times: int = 1) -> None:
        """Act as another program that polls this bot: ``times`` long polls end with 409, first the one that waits."""
        self.updates.conflict(times)

    # ------------------------------------------------

    async def _answer(self, method: str, params: Params) -> Json:
        name = method.lower()
        if waiting := WAITING_METHODS.get(name):
            return await waiting(self._state, params)
        if known := METHODS.get(name):
            return known(self._state, params)
        raise Refusal(404, "Not Found: method not found")

    def _actor(self, chat: Chat, user_id: int | None) -> User:
        default = chat.id if chat.kind == "private" else OPERATOR
        user = self.world.user(default if user_id is None else user_id)
        chat.members.setdefault(user.id, "member")
        return user

    def _happened(self, event: ChatEvent) -> None:
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)
        self._changed()

    def _changed(self) -> None:
        self._change.set()
