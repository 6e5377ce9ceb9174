"""What people are told because nothing happened: talks that nobody answered, platforms that bring nothing."""

from __future__ import annotations

from sqlite3 import Row

from bridge.model import Json, Ms, NewPost, PostKind, PostPriority
from bridge.store import rows, sql
from bridge.store.base import Writing
from bridge.store.tx import Tx
from bridge.store.work_posts import add_post


class WatchVerbs(Writing):
    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _remind(tx, until, after, now, limit))

    async def last_called(self, account: str) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(sql.LAST_CALLED, {"account": account}))
        return None if row is None else row["received_at"]

    async def last_sign(self) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(sql.LAST_SIGN))
        return None if row is None else row["at"]

    async def arrived_late(self, *, after: Ms, before: Ms) -> int:
        row = await self._readers.run(lambda tx: tx.one(sql.ARRIVED_LATE, {"after": after, "before": before}))
        return 0 if row is None else row["number"]


def _remind(tx: Tx, until: Ms, after: Ms, now: Ms, limit: int) -> int:
    found = tx.all(sql.UNANSWERED, {"until": until, "after": after, "limit": limit})
    for row in found:
        tx.run(sql.NOTE_REMINDED, {"id": row["id"], "now": now})
        add_post(tx, _reminder(row, now), now)
    return len(found)


def _reminder(row: Row, now: Ms) -> NewPost:
    """In reply to the SMS that waits."""
    talk, since = rows.conversation(row), row["waits_since"]
    params: dict[str, Json] = {"number": talk.subscriber, "lasted": now - since}
    return NewPost(
        chat=talk.chat,
        kind=PostKind.NOTICE,
        priority=PostPriority.FAILURE,
        key=f"remind:{talk.id}:{since}",
        payload={"text": "notice.reminder", "params": params, "at": row["shown_in"]},
        conversation_id=talk.id,
        reply_to=row["shown_as"],
        due_at=now,
    )
