"""Stores what operators do in Telegram: reply, take over, edit, send again. Each is done once, even if Telegram reports
it several times."""

from __future__ import annotations

from functools import partial

from bridge.model.actions import Action
from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.sms import Change, Move, NewSms, Origin, Priority, Rewrite, Sms, SmsState
from bridge.model.work import Work
from bridge.store import locks
from bridge.store.repositories.actions import carry_out
from bridge.store.repositories.contacts import TAKE_OVER
from bridge.store.repositories.conversations import note_answered, remember_message
from bridge.store.repositories.posting import DELIVERY_STATUS, DeliveryStatus, refresh_status
from bridge.store.repositories.sms import Insertion, add_event, apply_move, get_sms, insert_sms, sms_of_key
from bridge.store.repository import Repository, read_one
from bridge.store.schema.tables import SMS
from bridge.store.schema.types import TEXT
from bridge.store.statement import Statement
from bridge.store.transaction import Params, SerializationConflict, Tx

# A draft comes first, since an edit of the message changes the draft, even if the SMS has been sent again since.
SMS_OF_MESSAGE = SMS.statement(f"""
SELECT {SMS} FROM sms WHERE chat_id = :chat_id AND message_id = :message_id
ORDER BY state = 'draft' DESC, id DESC LIMIT 1
""")

# Leaves out a correction that was not sent: its state does not show what became of the message.
SHOWN_ON_MESSAGE = SMS.statement(f"""
SELECT {SMS} FROM sms
WHERE chat_id = :chat_id AND message_id = :message_id
  AND NOT (state IN ('draft', 'cancelled', 'stale') AND confirmation_reasons LIKE '%corrects_%')
ORDER BY id DESC LIMIT 1
""")

# Compares the text, too. So if two people edit or decide at once, the second changes nothing and is told that it is
# decided.
REWRITE_SMS = SMS.statement(
    f"""
UPDATE sms SET text = :text, parts = :parts, confirmation_reasons = :confirmation_reasons,
               due_at = CASE WHEN due_at > :due_at THEN due_at ELSE :due_at END
WHERE id = :id AND state IN ('draft', 'queued') AND text = :old_text
RETURNING {DELIVERY_STATUS}
""",
    old_text=TEXT,
)

SENT_AGAIN = SMS.statement("SELECT 1 FROM sms WHERE retry_of = :id LIMIT 1")

_REWRITE = SMS.writer(Rewrite, without=["draft", "author"])


class OperatorRepository(Repository):
    """Implements :class:`~bridge.ports.operators.OperatorStore`."""

    async def operator_reply(self, sms: NewSms, now: Ms) -> Sms:
        return await self._writer.run(lambda tx: _reply(tx, sms, now))

    async def take_over(self, subscriber: str, until: Ms, now: Ms) -> None:
        def unit(tx: Tx) -> None:
            tx.lock([locks.subscriber(subscriber)])
            tx.run(TAKE_OVER, {"subscriber": subscriber, "until": until})

        await self._writer.run(unit)

    async def sms_of_message(self, chat_id: int, message_id: int) -> Sms | None:
        return await self._one_sms(SMS_OF_MESSAGE, chat_id, message_id)

    async def shown_on_message(self, chat_id: int, message_id: int) -> Sms | None:
        return await self._one_sms(SHOWN_ON_MESSAGE, chat_id, message_id)

    async def _one_sms(self, statement: Statement, chat_id: int, message_id: int) -> Sms | None:
        message: Params = {"chat_id": chat_id, "message_id": message_id}
        return await self._readers.run(lambda tx: read_one(tx, SMS, statement, message))

    async def send_again(self, sms_id: SmsId, *, key: str, author: str, now: Ms) -> Sms | None:
        return await self._writer.run(lambda tx: _send_again(tx, sms_id, key, author, now))

    async def rewrite(self, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
        return await self._writer.run(lambda tx: _rewrite(tx, sms_id, was, new, now))

    async def carry_out(self, action: Action, *, done: NewPost | None, already: NewPost | None, now: Ms) -> bool:
        return await self._writer.run(partial(carry_out, action, done, already, now))


def _reply(tx: Tx, sms: NewSms, now: Ms) -> Sms:
    tx.lock([locks.subscriber(sms.recipient)])
    known = sms_of_key(tx, sms.key)
    if known is not None:
        return known
    written = insert_sms(tx, [Insertion(sms, now)])[0]
    if written is None:
        # Another node has written this key since the lookup. Its SMS is to another number, so the lock did not make it
        # wait.
        raise SerializationConflict
    if sms.conversation_id is not None and written.state is not SmsState.DRAFT:
        note_answered(tx, sms.conversation_id)
    if sms.chat_id is not None and sms.message_id is not None:
        remember_message(
            tx,
            sms.chat_id,
            sms.message_id,
            now=now,
            conversation_id=sms.conversation_id,
            inbound_id=sms.inbound_id,
            sms_id=written.id,
        )
    return written


def _send_again(tx: Tx, sms_id: SmsId, key: str, author: str, now: Ms) -> Sms | None:
    tx.lock([locks.sms(sms_id)])
    known = sms_of_key(tx, key)
    if known is not None:
        return known
    old = get_sms(tx, sms_id)
    if old is None or not old.state.can_be_sent_again or tx.one(SENT_AGAIN, {"id": sms_id}) is not None:
        return None
    tx.lock([locks.subscriber(old.recipient)])
    # Only an undecided row is abandoned; a final row keeps its state. If a late answer has decided the row since it was
    # read, the unit runs again, and finds nothing to send again.
    if not apply_move(tx, sms_id, Move.ABANDON, now, Change(author=author)) and old.state.needs_person:
        raise SerializationConflict
    again = NewSms(
        key=key,
        account=old.account,
        recipient=old.recipient,
        sender_name=old.sender_name,
        text=old.text,
        parts=old.parts,
        origin=Origin.OPERATOR,
        priority=Priority.PERSON,
        due_at=now,
        inbound_id=old.inbound_id,
        conversation_id=old.conversation_id,
        chat_id=old.chat_id,
        message_id=old.message_id,
        author=author,
        retry_of=old.id,
    )
    return insert_sms(tx, [Insertion(again, now)])[0]


def _rewrite(tx: Tx, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
    row = tx.one(REWRITE_SMS, {"id": sms_id, "old_text": was, **_REWRITE.params(new)})
    if row is None:
        return False
    status = DeliveryStatus(*row)
    state = SmsState(status.state)
    add_event(tx, sms_id, "rewrite", state, state, now, author=new.author)
    move = Move.HOLD_BACK if new.draft else Move.RELEASE
    if not apply_move(tx, sms_id, move, now, Change(author=new.author)):
        # The state is the same, but the due time and the shown status may have changed.
        tx.wake(Work.SMS)
        refresh_status(tx, status, now)
    return True
