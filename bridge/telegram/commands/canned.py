"""``/t``: a reply of the configuration by its name, or all of them as buttons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from bridge.config import Settings
from bridge.errors import TemplateFailed
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.sms import Sms
from bridge.ports.desk import OrderStore
from bridge.ports.record import QueryStore
from bridge.rules.canned import OPERATOR, Canned
from bridge.rules.templates import ContactView, Variables
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import Button, one_line
from bridge.telegram.commands.calls import Answer, Call, Word, talk_of, written_by
from bridge.telegram.commands.pages import paged
from bridge.telegram.commands.zones import zone_of
from bridge.telegram.replies.writer import Replies, Reply
from bridge.telegram.texts import say
from bridge.text import folding

_PREVIEW = 80
"""Characters of each text in the list."""
_BUTTONS = 40
"""Telegram takes 100; whoever has more types the name."""


class CannedStore(OrderStore, QueryStore, Protocol):
    """The parts of the store that a reply's variables come from."""


class CannedReplies:
    def __init__(
        self, *, settings: Settings, store: CannedStore, replies: Replies, canned: Mapping[str, Canned]
    ) -> None:
        self._settings = settings
        self._store = store
        self._replies = replies
        self._canned = canned

    async def t(self, call: Call) -> Answer | Word | None:
        conversation = talk_of(call)
        if not self._canned:
            return Word(text="told.no_replies")
        if not call.rest:
            return await self._list(call, conversation)
        reply = self._named(call.rest)
        if reply is None:
            names = one_line(", ".join(self._canned), 250)
            return Word(text="told.no_such_reply", params={"name": one_line(call.rest, 64), "names": names})
        text = await self.text(reply, conversation, operator=call.name, now=call.now)
        if isinstance(text, Word):
            return text
        sent = await self.send(written_by(call, text, conversation))
        return sent if isinstance(sent, Word) else None

    def marked(self, mark: str) -> Canned | None:
        """The reply that a button means; None where its text is another one by now."""
        return next((reply for reply in self._canned.values() if reply.mark == mark), None)

    async def text(self, reply: Canned, conversation: Conversation, *, operator: str, now: Ms) -> str | Word:
        """With its variables filled in; or why that cannot be done."""
        try:
            return reply.render(await self._variables(conversation, operator, now))
        except TemplateFailed as error:
            return Word(text="told.reply_failed", params={"name": reply.name, "error": str(error)})

    async def send(self, reply: Reply) -> Sms | Word:
        """What came of this key, perhaps by an earlier press; or why nothing can."""
        try:
            return await self._replies.write(reply)
        except KeyError:
            return Word(text="notice.no_account", params={"account": reply.conversation.account})

    def _named(self, name: str) -> Canned | None:
        wanted = name.casefold()
        return next((reply for key, reply in self._canned.items() if key.casefold() == wanted), None)

    async def _list(self, call: Call, conversation: Conversation) -> Answer:
        """Each as this subscriber would get it: whoever presses a button sends the text unseen otherwise."""
        lines = [say(call.chat.language, "answer.replies")]
        buttons: list[Button] = []
        variables = await self._variables(conversation, call.name, call.now)
        for reply in self._canned.values():
            lines.append(f"• {reply.name}: {_preview(reply, variables, call.chat)}")
            if len(buttons) < _BUTTONS:
                buttons.append(Button(label=reply.name, data=f"canned:{conversation.code}:{reply.mark}"))
        return Answer(messages=paged(lines, conversation=conversation, buttons=buttons))

    async def _variables(self, conversation: Conversation, operator: str, now: Ms) -> Variables:
        """Those of a rule, taken from the subscriber's latest SMS, and the operator."""
        contact = await self._store.contact(conversation.subscriber)
        latest = conversation.last_inbound_id
        inbound = await self._store.get_inbound(latest) if latest is not None else None
        text = inbound.text if inbound is not None else ""
        zone = zone_of(self._settings, conversation)
        return {
            "text": text,
            "args": text,
            "words": tuple(word.folded for word in folding.analyse(text).words),
            "sender": inbound.sender if inbound is not None else conversation.subscriber,
            "receiver": conversation.receiver,
            "prefix": "",
            "date": f"{datetime.fromtimestamp(now / 1000, zone):%Y-%m-%d %H:%M}",
            "account": conversation.account,
            "contact": ContactView(name=contact.name, tags=contact.tags, own=contact.values),
            OPERATOR: operator,
        }


def _preview(reply: Canned, variables: Variables, chat: Chat) -> str:
    try:
        return one_line(reply.render(variables), _PREVIEW)
    except TemplateFailed:
        return say(chat.language, "answer.reply_not_here")
