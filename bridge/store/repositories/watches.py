"""Reminders of SMS that wait for a person, the latest message of each account, and downtimes of all nodes."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Json, Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.model.record import Downtime
from bridge.model.sms import UNDECIDED, Change, Move, Sms
from bridge.store.repositories.posting import add_post
from bridge.store.repositories.sms import MoveRequest, apply_moves
from bridge.store.repository import Repository, read_all, read_number
from bridge.store.schema.tables import CONVERSATION, DOWNTIME, INBOUND, SMS
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Tx

# Finds a conversation only if the chat shows its latest SMS. If that SMS was shown late (more than 5 minutes after its
# post was written, because Telegram was unreachable), the wait counts from the time it was shown.
UNANSWERED = Statement(f"""
SELECT {CONVERSATION.of("c")}, c.waits_since, p.chat_id, p.message_id
FROM conversation AS c JOIN chat_post AS p ON p.key = 'in:' || c.last_inbound_id || ':' || c.chat
WHERE c.waits_since IS NOT NULL AND c.reminded_at IS NULL AND c.waits_since <= :until AND c.waits_since > :after
  AND p.message_id IS NOT NULL AND (p.finished_at <= :until OR p.finished_at < p.created_at + 300000)
ORDER BY c.waits_since LIMIT :limit
""")

NOTE_REMINDED = CONVERSATION.statement(
    "UPDATE conversation SET reminded_at = :now WHERE id = :id AND waits_since IS NOT NULL AND reminded_at IS NULL"
)

# The due_at of a draft is the time since which it waits for a decision.
UNDECIDED_DRAFTS = Statement("""
SELECT id FROM sms WHERE state = 'draft' AND state <> 'delivered' AND id > 0 AND due_at <= :before
ORDER BY id LIMIT :limit
""")

# Finds a draft once for each question that has been shown. Leaves out corrections, which may stay undecided since the
# first text was sent.
FORGOTTEN_DRAFTS = Statement(f"""
SELECT {SMS} FROM sms AS s
WHERE s.state = 'draft' AND s.state <> 'delivered' AND s.id > 0 AND s.due_at <= :until AND s.chat_id IS NOT NULL
  AND s.confirmation_reasons NOT LIKE '%corrects_%'
  AND NOT EXISTS (SELECT 1 FROM chat_post AS p WHERE p.key = 'draft:' || s.id || ':' || s.due_at)
  AND NOT EXISTS (SELECT 1 FROM chat_post AS f WHERE f.key = 'status:' || s.id AND f.state = 'waiting')
ORDER BY s.id LIMIT :limit
""")

# Searches only the newest 10,000 rows, so that the cost of an account that never receives anything does not grow.
LAST_INBOUND_OF = INBOUND.statement("""
SELECT received_at FROM inbound WHERE account = :account AND id > (SELECT max(id) FROM inbound) - 10000
ORDER BY id DESC LIMIT 1
""")

# The newest of the times that a running node writes often.
LAST_ACTIVITY = Statement("""
SELECT max(at) AS at FROM (
    SELECT at FROM pulse
    UNION ALL SELECT max(last_answer_at) FROM account_state
    UNION ALL SELECT received_at FROM inbound WHERE id = (SELECT max(id) FROM inbound)
    UNION ALL SELECT at FROM sms_event WHERE id = (SELECT max(id) FROM sms_event)) AS signs
""")

# Searches the newest 100,000 rows: at most that many messages may have waited at the platform.
LATE_ARRIVALS = Statement("""
SELECT count(*) AS number FROM inbound
WHERE id > (SELECT max(id) FROM inbound) - 100000
  AND (received_at >= :before AND date > :after AND date < :before
    OR received_at < :before AND settled_at >= :before AND COALESCE(date, received_at) >= :since)
""")

# Nodes that start together write the same downtime, and it ends with the start of the last of them. A downtime that was
# reported is not changed.
NOTE_DOWNTIME = DOWNTIME.statement("""
INSERT INTO downtime (since, until) VALUES (:since, :until)
ON CONFLICT (since) DO UPDATE SET until = excluded.until
WHERE downtime.reported_at IS NULL AND excluded.until > downtime.until
""")
UNREPORTED_DOWNTIMES = Statement("SELECT since, until FROM downtime WHERE reported_at IS NULL ORDER BY since")
DOWNTIME_REPORTED = DOWNTIME.statement(
    "UPDATE downtime SET reported_at = :reported_at WHERE since = :since AND reported_at IS NULL"
)


class WatchRepository(Repository):
    """Implements :class:`~bridge.ports.watches.WatchStore`."""

    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _remind(tx, until, after, now, limit))

    async def remind_of_drafts(self, *, until: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _remind_of_drafts(tx, until, now, limit))

    async def expire_drafts(self, *, before: Ms, now: Ms, limit: int) -> int:
        return await self._writer.run(lambda tx: _expire_drafts(tx, before, now, limit))

    async def last_inbound_at(self, account: str) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(LAST_INBOUND_OF, {"account": account}))
        return None if row is None else row["received_at"]

    async def last_activity(self) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(LAST_ACTIVITY))
        return None if row is None else row["at"]

    async def note_downtime(self, downtime: Downtime) -> None:
        noted: Params = {"since": downtime.since, "until": downtime.until}
        await self._writer.run(lambda tx: tx.run(NOTE_DOWNTIME, noted))

    async def unreported_downtimes(self) -> Sequence[Downtime]:
        found = await self._readers.run(lambda tx: tx.all(UNREPORTED_DOWNTIMES))
        return [Downtime(since=row["since"], until=row["until"]) for row in found]

    async def downtimes_reported(self, downtimes: Sequence[Downtime], post: NewPost | None, now: Ms) -> None:
        def unit(tx: Tx) -> None:
            for downtime in downtimes:
                tx.run(DOWNTIME_REPORTED, {"since": downtime.since, "reported_at": now})
            if post is not None:
                add_post(tx, post, now)

        await self._writer.run(unit)

    async def count_late_arrivals(self, *, after: Ms, before: Ms, since: Ms = 0) -> int:
        times: Params = {"after": after, "before": before, "since": since}
        return await self._readers.run(lambda tx: read_number(tx, LATE_ARRIVALS, times))


def _remind(tx: Tx, until: Ms, after: Ms, now: Ms, limit: int) -> int:
    found = tx.all(UNANSWERED, {"until": until, "after": after, "limit": limit})
    for row in found:
        *columns, waits_since, chat_id, message_id = row
        conversation = CONVERSATION.read(columns)
        tx.run(NOTE_REMINDED, {"id": conversation.id, "now": now})
        add_post(tx, _reminder(conversation, waits_since, chat_id, message_id, now), now)
    return len(found)


def _reminder(conversation: Conversation, waits_since: Ms, chat_id: int, message_id: int, now: Ms) -> NewPost:
    """Make the reminder: a post in reply to the SMS that waits for an answer."""
    params: dict[str, Json] = {"number": conversation.subscriber, "lasted": now - waits_since}
    return NewPost(
        chat=conversation.chat,
        priority=PostPriority.FAILURE,
        key=f"remind:{conversation.id}:{waits_since}",
        payload=NoticePayload(text="notice.reminder", params=params, chat_id=chat_id),
        conversation_id=conversation.id,
        reply_to=message_id,
        due_at=now,
    )


def _remind_of_drafts(tx: Tx, until: Ms, now: Ms, limit: int) -> int:
    found = read_all(tx, SMS, FORGOTTEN_DRAFTS, {"until": until, "limit": limit})
    for sms in found:
        add_post(tx, _draft_reminder(sms, now), now)
    return len(found)


def _draft_reminder(sms: Sms, now: Ms) -> NewPost:
    """Make the reminder: a post in reply to the message that waits for a decision; one for each question about it."""
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
    found = tx.all(UNDECIDED_DRAFTS, {"before": before, "limit": limit})
    change = Change(reason=UNDECIDED)
    return sum(apply_moves(tx, [MoveRequest(row["id"], Move.EXPIRE_WAITING, now, change) for row in found]))
