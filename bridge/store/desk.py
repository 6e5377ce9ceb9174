"""What operators do: answer, take over, send again. Each once, however often Telegram tells it."""

from __future__ import annotations

from bridge.model.base import Ms, SmsId
from bridge.model.sms import Change, Move, NewSms, Origin, Priority, Sms, SmsState
from bridge.store import locks, rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import SerializationConflict, Tx
from bridge.store.work_posts import remember_message
from bridge.store.work_sms import Birth, apply_move, get_sms, insert_sms, sms_of_key


class DeskVerbs(Writing):
    async def operator_reply(self, sms: NewSms, now: Ms) -> Sms:
        """Where the key exists already, that row, and nothing is written."""

        def unit(tx: Tx) -> Sms:
            tx.lock([locks.subscriber(sms.recipient)])
            known = sms_of_key(tx, sms.key)
            written = known or insert_sms(tx, [Birth(sms, now)])[0]
            if written is None:
                # Another bridge has written it since the look, for another number: one does not wait for the other.
                raise SerializationConflict
            if known is None and sms.conversation_id is not None and written.state is not SmsState.DRAFT:
                tx.run(sql.NOTE_ANSWERED, {"id": sms.conversation_id})
            if known is None and sms.chat_id is not None and sms.message_id is not None:
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

        return await self._writer.run(unit)

    async def take_over(self, subscriber: str, until: Ms, now: Ms) -> None:
        def unit(tx: Tx) -> None:
            tx.lock([locks.subscriber(subscriber)])
            tx.run(sql.TAKE_OVER, {"subscriber": subscriber, "until": until})

        await self._writer.run(unit)

    async def sms_of_message(self, chat_id: int, message_id: int) -> Sms | None:
        def query(tx: Tx) -> Sms | None:
            row = tx.one(sql.SMS_OF_MESSAGE, {"chat_id": chat_id, "message_id": message_id})
            return None if row is None else rows.sms(row)

        return await self._readers.run(query)

    async def send_again(self, sms_id: SmsId, *, key: str, author: str, now: Ms) -> Sms | None:
        return await self._writer.run(lambda tx: _send_again(tx, sms_id, key, author, now))


def _send_again(tx: Tx, sms_id: SmsId, key: str, author: str, now: Ms) -> Sms | None:
    tx.lock([locks.sms(sms_id)])
    known = sms_of_key(tx, key)
    if known is not None:
        return known
    old = get_sms(tx, sms_id)
    if old is None or not old.state.can_be_sent_again or tx.one(sql.RETRIED, {"id": sms_id}) is not None:
        return None
    tx.lock([locks.subscriber(old.recipient)])
    # Only what was undecided; a final row keeps its state. Where a late answer has decided it since the look, there is
    # nothing to send again.
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
    return insert_sms(tx, [Birth(again, now)])[0]
