"""The store's verbs for what the team writes, presses and orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.actions import Action, MessageSubject, SearchPage, SearchQuery, TrafficCounts
from bridge.model.base import Ms, SmsId
from bridge.model.chat import Conversation
from bridge.model.inbound import Inbound
from bridge.model.post import NewPost
from bridge.model.record import HistoryLine
from bridge.model.sms import NewSms, Rewrite, Sms


class DeskStore(Protocol):
    """What an operator does. Every verb is idempotent by the key of the Telegram message or button press."""

    async def operator_reply(self, sms: NewSms, now: Ms) -> Sms:
        """Write the reply, remember its message as part of the conversation, write the fate post. Known key: that row.

        Does not pause automatic replies: :meth:`take_over` does."""

    async def take_over(self, subscriber: str, until: Ms, now: Ms) -> None:
        """A person answers: hold automatic replies to this number back until then."""

    async def sms_of_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS that came from this operator's message, by exactly this chat id: one that waits for a word, else the
        latest."""

    async def send_again(self, sms_id: SmsId, *, key: str, author: str, now: Ms) -> Sms | None:
        """A person's "send again": a new queued row with ``retry_of``; an ``uncertain`` or ``parked`` old row becomes
        ``abandoned``. None where the old row allows it no more (already judged, delivered, under way)."""


class DraftStore(Protocol):
    """What may still be changed before it leaves."""

    async def rewrite(self, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
        """Compare-and-set on the text ``was`` and the states ``draft`` and ``queued``: another text, and with it
        ``draft`` or ``queued`` as ``new`` says. Logged in the row's history. False: it left, or another was quicker."""

    async def sms_of_key(self, key: str) -> Sms | None: ...

    async def shown_on_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS whose state this operator's message shows: the latest that came from it, a correction only once
        somebody let it go."""


class OrderStore(Protocol):
    """What people order in the chats, and what they ask."""

    async def carry_out(self, order: Action, *, done: NewPost | None, already: NewPost | None, now: Ms) -> bool:
        """Make the change, record who made it, write the post ``done``: one transaction. False where it was so
        already: then ``already`` is written. Both have one key, so an order that comes twice is answered once. Without
        posts whoever gave the order is told in another way.

        A change that a topic shows (name, open or closed) renews the topics it concerns.
        """

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None: ...

    async def begin_conversation(self, chat: str, subscriber: str, *, account: str, now: Ms) -> Conversation:
        """A person writes first: the conversation of (chat, subscriber), made if it is missing, opened if closed."""

    async def message_subject(self, chat_id: int, message_id: int) -> MessageSubject:
        """By exactly this chat id, as :meth:`ChatStore.conversation_of`."""

    async def answers_to(self, inbound: Inbound, *, limit: int) -> Sequence[Sms]:
        """The SMS that an inbound message was answered with, oldest first."""

    async def conversation_lines(
        self, subscriber: str, *, before: Ms, limit: int
    ) -> tuple[Sequence[HistoryLine], bool]:
        """What was said with this number before then, both directions, and what people did about it (``act``): the
        newest ``limit`` lines, oldest first, and whether there are older ones."""

    async def actions_on(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        """What people did about this number, the latest, oldest first."""

    async def find(self, wanted: SearchQuery) -> SearchPage:
        """One page of a search."""

    async def traffic_since(self, since: Ms) -> TrafficCounts: ...
