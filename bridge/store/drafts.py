"""What may still be changed before it leaves: another text for an SMS that waits, and whose fate a message shows."""

from __future__ import annotations

from bridge.model.base import Ms, SmsId
from bridge.model.sms import Change, Move, Rewrite, Sms, SmsState
from bridge.store import rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Tx
from bridge.store.work_sms import Fate, add_event, apply_move, refresh_status, sms_of_key


class DraftVerbs(Writing):
    async def rewrite(self, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
        return await self._writer.run(lambda tx: _rewrite(tx, sms_id, was, new, now))

    async def sms_of_key(self, key: str) -> Sms | None:
        return await self._readers.run(lambda tx: sms_of_key(tx, key))

    async def shown_on_message(self, chat_id: int, message_id: int) -> Sms | None:
        def query(tx: Tx) -> Sms | None:
            row = tx.one(sql.SHOWN_ON_MESSAGE, {"chat_id": chat_id, "message_id": message_id})
            return None if row is None else rows.sms(row)

        return await self._readers.run(query)


def _rewrite(tx: Tx, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
    wanted: Params = {
        "id": sms_id,
        "was": was,
        "text": new.text,
        "parts": new.parts,
        "asks": rows.confirmation_reasons(new.confirmation_reasons),
        "due_at": new.due_at,
    }
    row = tx.one(sql.REWRITE_SMS, wanted)
    if row is None:
        return False
    fate = Fate(*row)
    state = SmsState(fate.state)
    add_event(tx, sms_id, "rewrite", state, state, now, author=new.author)
    change = Change(author=new.author)
    if new.draft:
        moved = apply_move(tx, sms_id, Move.HOLD_BACK, now, change)
    else:
        moved = apply_move(tx, sms_id, Move.RELEASE, now, change)
    if not moved:
        # It waits as it did, and what is said about it may be another thing.
        refresh_status(tx, fate, now)
    return True
