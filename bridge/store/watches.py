"""What people are told because nothing happened: talks that nobody answered, platforms that bring nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bridge.model.base import Json, Ms
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.model.record import Downtime
from bridge.model.sms import UNDECIDED, Change, Move, Sms
from bridge.store import rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Row, Tx
from bridge.store.work_posts import add_post
from bridge.store.work_sms import Moving, apply_moves


class WatchVerbs(Writing):
    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _remind(tx, until, after, now, limit))

    async def remind_of_drafts(self, *, until: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _remind_of_drafts(tx, until, now, limit))

    async def expire_drafts(self, *, before: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _expire_drafts(tx, before, now, limit))

    async def last_called(self, account: str) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(sql.LAST_CALLED, {"account": account}))
        return None if row is None else row["received_at"]

    async def last_sign(self) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(sql.LAST_SIGN))
        return None if row is None else row["at"]

    async def note_outage(self, outage: Downtime) -> None:
        opened: Params = {
            "key": _outage_key(outage),
            "text": "alert.arrived",
            "params": rows.to_json({"since": outage.since, "until": outage.until}),
            "now": outage.until,
        }
        await self._writer.run(lambda tx: tx.run(sql.NOTE_OUTAGE, opened))

    async def outages(self) -> Sequence[Downtime]:
        found = await self._readers.run(lambda tx: tx.all(sql.OUTAGES))
        return [Downtime(**json.loads(row["params"])) for row in found]

    async def outages_told(self, outages: Sequence[Downtime], post: NewPost | None, now: Ms) -> None:
        def unit(tx: Tx) -> None:
            for outage in outages:
                tx.one(sql.CLEAR_ALERT, {"key": _outage_key(outage), "now": now})
            if post is not None:
                add_post(tx, post, now)

        await self._writer.run(unit)

    async def arrived_late(self, *, after: Ms, before: Ms, since: Ms = 0) -> int:
        waited: Params = {"after": after, "before": before, "since": since}
        row = await self._readers.run(lambda tx: tx.one(sql.ARRIVED_LATE, waited))
        return 0 if row is None else row["number"]


def _outage_key(outage: Downtime) -> str:
    return f"outage:{outage.since}"


def _remind(tx: Tx, until: Ms, after: Ms, now: Ms, limit: int) -> int:
    found = tx.all(sql.UNANSWERED, {"until": until, "after": after, "limit": limit})
    for row in found:
        tx.run(sql.NOTE_REMINDED, {"id": row["id"], "now": now})
        add_post(tx, _reminder(row, now), now)
    return len(found)


def _remind_of_drafts(tx: Tx, until: Ms, now: Ms, limit: int) -> int:
    found = [rows.sms(row) for row in tx.all(sql.FORGOTTEN_DRAFTS, {"until": until, "limit": limit})]
    for sms in found:
        add_post(tx, _draft_reminder(sms, now), now)
    return len(found)


def _draft_reminder(sms: Sms, now: Ms) -> NewPost:
    """Under the message that waits; one for each question about it."""
    params: dict[str, Json] = {"number": sms.recipient, "lasted": now - sms.due_at}
    return NewPost(
        chat=f"id:{sms.chat_id}",
        priority=PostPriority.FAILURE,
        key=f"draft:{sms.id}:{sms.due_at}",
        payload=NoticePayload(text="notice.draft", params=params, only_draft=True),
        conversation_id=sms.conversation_id,
        sms_id=sms.id,
        reply_to=sms.message_id,
        due_at=now,
    )


def _expire_drafts(tx: Tx, before: Ms, now: Ms, limit: int) -> int:
    found = tx.all(sql.UNDECIDED, {"before": before, "limit": limit})
    change = Change(reason=UNDECIDED)
    return sum(apply_moves(tx, [Moving(row["id"], Move.EXPIRE_WAITING, now, change) for row in found]))


def _reminder(row: Row, now: Ms) -> NewPost:
    """In reply to the SMS that waits."""
    talk, since = rows.conversation(row), row["waits_since"]
    params: dict[str, Json] = {"number": talk.subscriber, "lasted": now - since}
    return NewPost(
        chat=talk.chat,
        priority=PostPriority.FAILURE,
        key=f"remind:{talk.id}:{since}",
        payload=NoticePayload(text="notice.reminder", params=params, chat_id=row["shown_in"]),
        conversation_id=talk.id,
        reply_to=row["shown_as"],
        due_at=now,
    )
