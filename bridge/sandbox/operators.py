"""The operators of the sandbox: the actions that commands of the prompt carry out in the simulated Telegram.

An action refers to things that a person sees: the latest post of a conversation, the latest buttons, the operator's own
messages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from bridge.sandbox.botapi.api import OPERATOR, SimulatedBotApi
from bridge.sandbox.botapi.people import MessageKind
from bridge.sandbox.botapi.reactions import FREE_REACTIONS
from bridge.sandbox.botapi.world import ChatEvent, EventKind
from bridge.sandbox.transcript import BadCommand, Source, Transcript, WrongUse, number_of
from bridge.schema import plural
from bridge.value import value_object

POST_TIMEOUT = 5.0
"""Seconds that a command waits for the post it needs. Commands from a pipe come faster than the bridge works."""


@value_object
class SandboxChat:
    """A chat of the configuration, for the simulated Telegram."""

    name: str
    id: int
    forum: bool


class Operators:
    """The people in the chats: Anna, and those whom ``as NAME`` adds. One of them acts at a time."""

    def __init__(
        self,
        telegram: SimulatedBotApi,
        chats: Sequence[SandboxChat],
        transcript: Transcript,
        say: Callable[[Source, str], None],
    ) -> None:
        self._telegram = telegram
        self._chats = tuple(chats)
        self._transcript = transcript
        self._say = say
        self._names = {"anna": OPERATOR}
        self._actor = OPERATOR
        self._posts: list[ChatEvent] = []
        """The bot's posts that belong to a conversation."""
        self._chosen = ""
        """Words of the chosen conversation; empty: the latest one."""
        self._buttons: ChatEvent | None = None
        self._own: ChatEvent | None = None
        self.expected = False
        """True after an SMS that may still appear in the chat."""

    def seen(self, event: ChatEvent) -> None:
        """Remember an event of a chat."""
        if event.by_bot and event.buttons:
            self._buttons = event
        if event.by_bot and event.kind is EventKind.POST and "#" in event.text:
            self._posts.append(event)
        if not event.by_bot and event.kind is EventKind.POST:
            self._own = event

    # ------------------------------------------------ who and where

    async def act_as(self, rest: str) -> None:
        """``NAME``: this person acts from now on. A new name is a new member of the chat."""
        if not rest:
            raise WrongUse("as")
        name = rest.casefold()
        if name not in self._names:
            self._names[name] = OPERATOR + len(self._names)
            self._telegram.add_user(self._names[name], rest)
        self._actor = self._names[name]

    async def choose(self, rest: str) -> None:
        """``[WORDS]``: choose the conversation whose posts or topic contain them; without words the latest one."""
        self._chosen = rest.removeprefix("+")
        if rest:
            await self._conversation()

    async def _conversation(self) -> ChatEvent:
        """The latest post of the chosen conversation. :raises BadCommand: there is none."""
        await self._soon(lambda: self._found() is not None)
        found = self._found()
        if found is None:
            words = f" with `{self._chosen}`" if self._chosen else ""
            raise BadCommand(f"no conversation{words} in the chat yet; text a question first: sms где мой заказ?")
        return found

    def _found(self) -> ChatEvent | None:
        fits = (post for post in reversed(self._posts) if self._chosen in f"{post.topic} {post.text}")
        return next(fits, None)

    async def _soon(self, there: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POST_TIMEOUT if self.expected else 0):
                while not there():
                    await self._transcript.next()

    # ------------------------------------------------ what they write

    async def reply(self, rest: str) -> None:
        """``TEXT``: write into the topic of the conversation; in a chat without topics, reply to its latest post."""
        if not rest:
            raise WrongUse("reply")
        await self._write(rest, MessageKind.TEXT)

    async def send(self, rest: str) -> None:
        """``KIND [CAPTION]``: send a photo, a voice message or another kind there."""
        kind, _, caption = rest.partition(" ")
        kinds = [each.value for each in MessageKind if each is not MessageKind.TEXT]
        if kind not in kinds:
            raise WrongUse("send", f"KIND is one of: {', '.join(kinds)}")
        await self._write(caption.strip(), MessageKind(kind))

    async def photo(self, rest: str) -> None:
        await self._write(rest, MessageKind.PHOTO)

    async def say(self, rest: str) -> None:
        """``TEXT``: write to colleagues, in the chat itself."""
        if not rest:
            raise WrongUse("say")
        chat = self._posts[-1].chat_id if self._posts else self._chats[0].id if self._chats else None
        if chat is None:
            raise BadCommand("the configuration has no chat")
        self._telegram.says(chat, rest, user_id=self._who(chat))

    async def edit(self, rest: str) -> None:
        """``TEXT``: edit the operator's latest message."""
        own = self._last("edit")
        if not rest:
            raise WrongUse("edit")
        self._telegram.edits(own.chat_id, own.message_id or 0, rest)

    async def delete(self, rest: str) -> None:
        own = self._last("delete")
        self._telegram.delete_message(own.chat_id, own.message_id or 0)
        self._own = None

    async def _write(self, text: str, kind: MessageKind) -> None:
        post = await self._conversation()
        thread_id, reply_to = (post.thread_id, None) if self._forum(post) else (None, post.message_id)
        self._telegram.says(
            post.chat_id, text, kind=kind, thread_id=thread_id, reply_to=reply_to, user_id=self._who(post.chat_id)
        )

    def _who(self, chat_id: int) -> int | None:
        """The acting operator. In a private chat only its own person can act: None."""
        return None if chat_id > 0 else self._actor

    def _last(self, command: str) -> ChatEvent:
        if self._own is None:
            raise BadCommand(f"nobody wrote anything to {command} yet; reply first: reply Выезжает")
        return self._own

    def _forum(self, post: ChatEvent) -> bool:
        return any(chat.id == post.chat_id and chat.forum for chat in self._chats)

    # ------------------------------------------------ what else they do

    async def press(self, rest: str) -> None:
        await self._soon(lambda: self._buttons is not None)
        post = self._buttons
        if post is None:
            raise BadCommand("there is no button in the chat yet")
        index = number_of(rest or "1", "press")
        if not 1 <= index <= len(post.buttons):
            raise WrongUse("press", f"there is only {plural(len(post.buttons), 'button')}")
        label, data = post.buttons[index - 1]
        assert post.message_id is not None
        self._say(Source.OPERATOR, f"presses [{label}]")
        # The screen of a person may still show a button that is gone.
        self._telegram.presses(post.chat_id, post.message_id, data, self._who(post.chat_id), stale=True)

    async def react(self, rest: str) -> None:
        if rest not in FREE_REACTIONS:
            raise WrongUse("react", f"EMOJI is one of Telegram's own, such as {' '.join(tuple(FREE_REACTIONS)[:5])}")
        post = await self._conversation()
        self._telegram.reacts(post.chat_id, post.message_id or 0, rest, self._who(post.chat_id))

    async def close_topic(self, rest: str) -> None:
        post = await self._topic()
        self._telegram.close_topic(post.chat_id, post.thread_id or 0, self._actor)

    async def reopen_topic(self, rest: str) -> None:
        post = await self._topic()
        self._telegram.reopen_topic(post.chat_id, post.thread_id or 0, self._actor)

    async def delete_topic(self, rest: str) -> None:
        post = await self._topic()
        self._telegram.delete_topic(post.chat_id, post.thread_id or 0)
        self._posts = [each for each in self._posts if (each.chat_id, each.thread_id) != (post.chat_id, post.thread_id)]

    async def _topic(self) -> ChatEvent:
        post = await self._conversation()
        if post.thread_id is None:
            raise BadCommand("the conversation has no topic: the chat works by replies")
        return post
