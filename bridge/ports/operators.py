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
        """Write the reply and its ``status`` post, and store its message as part of the conversation.

        If the key exists already, return that row and write nothing.

        It does not pause automatic replies; :meth:`take_over` does.
        """

    async def take_over(self, subscriber: str, until: Ms, now: Ms) -> None:
        """Pause automatic replies to this number until that time, because a person answers."""

    async def sms_of_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS that came from this operator's message: a draft if there is one, else the latest.

        The chat id must be exactly this one.
        """

    async def shown_on_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS whose state is shown on this operator's message: the latest SMS that came from it.

        A correction counts only after it was released.
        """

    async def send_again(self, sms_id: SmsId, *, key: str, author: str, now: Ms) -> Sms | None:
        """Write a new queued row with ``retry_of``. An old row that is ``uncertain`` or ``parked`` becomes
        ``abandoned``. Returns None if the old row no longer allows it (already decided, delivered, under way)."""

    async def rewrite(self, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
        """Give a ``draft`` or ``queued`` SMS the text and the state of ``new``, and write that into its history.

        Compare-and-set on the text ``was``. False: the SMS has left, or another person was quicker.
        """

    async def carry_out(self, action: Action, *, done: NewPost | None, already: NewPost | None, now: Ms) -> bool:
        """Make the change, record who made it, and write the post ``done``, in one transaction.

        If nothing had to change, it writes the post ``already`` and returns False. Both posts have the same key, so an
        action that comes twice is answered once. ``None`` instead of a post: the operator is answered in another way.

        If a topic shows what was changed (its name, open or closed), the topics concerned are updated.
        """
