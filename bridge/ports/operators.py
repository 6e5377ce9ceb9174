"""The part of the store that carries out what operators do in the chats."""

from __future__ import annotations

from typing import Protocol

from bridge.model.actions import Action
from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.sms import NewSms, Rewrite, Sms


class OperatorStore(Protocol):
    """Every method that writes is idempotent by the key of the Telegram message or button press."""

    async def operator_reply(self, sms: NewSms, now: Ms) -> Sms:
        """Write the reply, remember its message as part of the conversation, write the ``status`` post. Where the key
        exists already, return that row and write nothing.

        Does not pause automatic replies: :meth:`take_over` does.
        """

    async def take_over(self, subscriber: str, until: Ms, now: Ms) -> None:
        """Pause automatic replies to this number until then: a person answers."""

    async def sms_of_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS that came from this operator's message, by exactly this chat id: a draft, else the latest."""

    async def shown_on_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS whose state this operator's message shows: the latest that came from it. A correction counts only
        once it was released."""

    async def send_again(self, sms_id: SmsId, *, key: str, author: str, now: Ms) -> Sms | None:
        """Write a new queued row with ``retry_of``; an ``uncertain`` or ``parked`` old row becomes ``abandoned``. None
        where the old row no longer allows it (already decided, delivered, under way)."""

    async def rewrite(self, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
        """Give a ``draft`` or ``queued`` SMS another text, and the state that ``new`` says. Logged in its history.

        Compare-and-set on the text ``was``. False: the SMS left, or another person was quicker.
        """

    async def carry_out(self, action: Action, *, done: NewPost | None, already: NewPost | None, now: Ms) -> bool:
        """Make the change, record who made it, and write the post ``done``, in one transaction. False where nothing had
        to change: then ``already`` is written. Both posts have one key, so an action that comes twice is answered once.
        Without posts the operator is answered in another way.

        A change that a topic shows (name, open or closed) renews the topics it concerns.
        """
