"""Builds new SMS: account, sender name, parts and priority. The store builds one, too, when an SMS is sent again."""

from __future__ import annotations

from bridge.config import AccountSettings, Settings
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.decision import Reply
from bridge.model.inbound import Inbound
from bridge.model.sms import ConfirmationReason, NewSms, Origin, Priority, SmsState
from bridge.text import parts


def sender_name(account: AccountSettings, receiver: str) -> str:
    """The sender name of an answer: the name for the number that the subscriber wrote to, else the account's name."""
    return account.senders.get(receiver.removeprefix("+"), account.sender)


def operator_sms(
    settings: Settings,
    conversation: Conversation,
    *,
    text: str,
    key: str,
    author: str,
    now: Ms,
    chat_id: int,
    message_id: int,
    confirmation_reasons: tuple[ConfirmationReason, ...] = (),
    undo: Ms = 0,
) -> NewSms:
    """Build an operator's reply in a conversation.

    It leaves by the account of the latest inbound, and from the number that received it.

    With ``confirmation_reasons`` the reply is a draft that waits for a decision. Without, it can be stopped for
    ``undo`` milliseconds. ``key`` is unique for (bot, original chat, message, purpose), so an update that is processed
    twice makes one SMS.

    :raises KeyError: the conversation's account is not in the configuration any more.
    """
    account = settings.accounts[conversation.account]
    return NewSms(
        key=key,
        account=conversation.account,
        recipient=conversation.subscriber,
        sender_name=sender_name(account, conversation.receiver),
        text=text,
        parts=parts.split(text).count,
        origin=Origin.OPERATOR,
        priority=Priority.PERSON,
        state=SmsState.DRAFT if confirmation_reasons else SmsState.QUEUED,
        due_at=now if confirmation_reasons else now + undo,
        conversation_id=conversation.id,
        chat_id=chat_id,
        message_id=message_id,
        author=author,
        confirmation_reasons=confirmation_reasons or ((ConfirmationReason.UNDO,) if undo else ()),
    )


def rule_sms(
    account: AccountSettings, inbound: Inbound, reply: Reply, *, key: str, rule: str, state: SmsState, now: Ms
) -> NewSms:
    """Build a rule's reply to an inbound message. It expires after its ttl, else after the account's ``reply_ttl``."""
    ttl = reply.ttl if reply.ttl is not None else account.reply_ttl
    return NewSms(
        key=key,
        account=inbound.account,
        recipient=inbound.subscriber,
        sender_name=reply.sender_name or sender_name(account, inbound.receiver),
        text=reply.text,
        parts=parts.split(reply.text).count,
        origin=Origin.RULE,
        priority=Priority.AUTOMATIC,
        state=state,
        due_at=now,
        expires_at=None if ttl is None else now + ttl,
        inbound_id=inbound.id,
        author=rule,
    )


def command_sms(
    settings: Settings, account: str, *, recipient: str, text: str, key: str, author: str, now: Ms
) -> NewSms:
    """Build an SMS of the command line. :raises KeyError: there is no such account."""
    configured = settings.accounts[account]
    return NewSms(
        key=key,
        account=account,
        recipient=recipient,
        sender_name=configured.sender,
        text=text,
        parts=parts.split(text).count,
        origin=Origin.COMMAND,
        priority=Priority.PERSON,
        state=SmsState.QUEUED,
        due_at=now,
        author=author,
    )
