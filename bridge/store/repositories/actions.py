"""Carries out actions: changes that an operator makes to a subscriber or a conversation. Functions on a transaction.

Records each action with its author.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.actions import Action, ActionKind
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost
from bridge.store import locks
from bridge.store.repositories.chats import OPEN_CONVERSATION
from bridge.store.repositories.contacts import (
    ADD_CONTACT,
    ROBOT_OFF,
    ROBOT_ON,
    SET_BLOCKED,
    SET_NAME,
    SET_OPTED_OUT,
    SET_TAGS,
    get_contact,
)
from bridge.store.repositories.conversations import (
    conversations_with,
    get_conversation,
    note_answered,
    renew_topic,
)
from bridge.store.repositories.posting import add_post
from bridge.store.schema.mapping import to_json
from bridge.store.schema.tables import AUDIT, CHAT_POST, CONVERSATION
from bridge.store.transaction import Params, Tx

ACTION_KNOWN = AUDIT.statement("SELECT 1 FROM audit WHERE key = :key")
ADD_ACTION = AUDIT.statement("""
INSERT INTO audit (key, at, action, detail, author, subscriber, conversation_id)
VALUES (:key, :at, :action, :detail, :author, :subscriber, :conversation_id)
""")

# Finds a row if the latest SMS of the conversation is not shown yet, or is shown below Telegram's message that says
# that a person closed the topic.
SHOWN_SINCE = CHAT_POST.statement("""
SELECT 1 FROM conversation AS c JOIN chat_post AS p ON p.key = 'in:' || c.last_inbound_id || ':' || c.chat
WHERE c.id = :id AND (p.state = 'waiting' OR (p.chat_id = :chat_id AND p.message_id > :message_id))
""")
CLOSE_CONVERSATION = CONVERSATION.statement(
    "UPDATE conversation SET closed_at = :now WHERE id = :id AND closed_at IS NULL"
)
CLAIM_CONVERSATION = CONVERSATION.statement("""
UPDATE conversation SET claimed_by = :claimed_by, claimed_name = :claimed_name, claimed_until = :claimed_until
WHERE id = :id
""")
RELEASE_CONVERSATION = CONVERSATION.statement(
    "UPDATE conversation SET claimed_until = 0 WHERE id = :id AND claimed_until > :now"
)


def carry_out(action: Action, done: NewPost | None, already: NewPost | None, now: Ms, tx: Tx) -> bool:
    """Make the change, record it and write the post ``done``.

    If everything was so already, write the post ``already`` and return False. Also returns False, and writes neither
    post, if the action was carried out before or an SMS has overtaken it.
    """
    tx.lock([locks.subscriber(action.subscriber)])
    if tx.one(ACTION_KNOWN, {"key": action.key}) is not None:
        return False  # the update came twice, and the first one was carried out and answered
    if _overtaken(tx, action):
        for conversation in _topics_of(tx, action):
            renew_topic(tx, conversation, action.key, now)
        return False
    changed = _change(tx, action, now)
    if changed:
        _record(tx, action, now)
    if (post := done if changed else already) is not None:
        add_post(tx, post, now)
    # After the post about the action, since nothing can be posted in a closed topic. Also if nothing changed, since a
    # person may have closed or renamed the topic in Telegram.
    if action.topic_line is None:
        for conversation in _topics_of(tx, action):
            renew_topic(tx, conversation, action.key, now, renamed=action.kind is ActionKind.RENAME)
    return changed


def _record(tx: Tx, action: Action, now: Ms) -> None:
    tx.run(
        ADD_ACTION,
        {
            "key": action.key,
            "at": now,
            "action": action.kind.value,
            "detail": action.detail,
            "author": action.author,
            "subscriber": action.subscriber,
            "conversation_id": action.conversation_id,
        },
    )


def _overtaken(tx: Tx, action: Action) -> bool:
    """Whether an SMS came after a person closed the topic in Telegram and before the bridge learned of the closing."""
    if action.kind is not ActionKind.CLOSE or action.topic_line is None:
        return False
    chat_id, message_id = action.topic_line
    message: Params = {"id": action.conversation_id, "chat_id": chat_id, "message_id": message_id}
    return tx.one(SHOWN_SINCE, message) is not None


def _topics_of(tx: Tx, action: Action) -> Sequence[Conversation]:
    """The conversations whose topics have to show the change."""
    if action.kind is ActionKind.RENAME:
        return conversations_with(tx, action.subscriber)
    if action.kind in (ActionKind.CLOSE, ActionKind.OPEN):
        conversation = get_conversation(tx, action.conversation_id)
        return () if conversation is None else (conversation,)
    return ()


def _change(tx: Tx, action: Action, now: Ms) -> bool:
    """Make the change in the tables. Returns False if everything was so already."""
    contact: Params = {"subscriber": action.subscriber}
    conversation: Params = {"id": action.conversation_id}
    match action.kind:
        case ActionKind.CLOSE:
            if action.conversation_id is not None:
                note_answered(tx, action.conversation_id)  # a closed conversation needs no reminder
            return tx.run(CLOSE_CONVERSATION, {**conversation, "now": now}) > 0
        case ActionKind.OPEN:
            return tx.run(OPEN_CONVERSATION, conversation) > 0
        case ActionKind.CLAIM:
            claim: Params = {
                "claimed_by": action.user_id,
                "claimed_name": action.detail,
                "claimed_until": action.until,
            }
            return tx.run(CLAIM_CONVERSATION, {**conversation, **claim}) > 0
        case ActionKind.RELEASE:
            return tx.run(RELEASE_CONVERSATION, {**conversation, "now": now}) > 0
        case ActionKind.OPT_OUT | ActionKind.OPT_IN:
            return tx.run(SET_OPTED_OUT, {**contact, "opted_out": int(action.kind is ActionKind.OPT_OUT)}) > 0
    tx.run(ADD_CONTACT, contact)
    match action.kind:
        case ActionKind.BLOCK | ActionKind.UNBLOCK:
            if action.kind is ActionKind.BLOCK:
                for known in conversations_with(tx, action.subscriber):
                    note_answered(tx, known.id)
            return tx.run(SET_BLOCKED, {**contact, "blocked": int(action.kind is ActionKind.BLOCK)}) > 0
        case ActionKind.RENAME:
            return tx.run(SET_NAME, {**contact, "name": action.detail}) > 0
        case ActionKind.ROBOT_OFF:
            return tx.run(ROBOT_OFF, contact) > 0
        case ActionKind.ROBOT_ON:
            return tx.run(ROBOT_ON, {**contact, "now": now}) > 0
        case ActionKind.TAG | ActionKind.UNTAG:
            return tx.run(SET_TAGS, {**contact, "tags": to_json(_tags(tx, action))}) > 0
    raise AssertionError(action.kind)


def _tags(tx: Tx, action: Action) -> tuple[str, ...]:
    known = get_contact(tx, action.subscriber).tags
    others = tuple(tag for tag in known if tag != action.detail)
    if action.kind is ActionKind.UNTAG:
        return others
    return known if action.detail in known else (*known, action.detail)
