"""Questions of people and probes. Never part of a message's way; they also work beside a running bridge."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bridge.model.base import InboundId, Ms, SmsId
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.record import HistoryLine, InboundRange, QueueStatus
from bridge.model.sms import Sms, SmsState
from bridge.store import rows, sql
from bridge.store.repository import Reading
from bridge.store.transaction import Params, Tx
from bridge.store.work_sms import get_sms

_ALL = 2**62


class QueryVerbs(Reading):
    async def queue_status(self) -> QueueStatus:
        """``sms_by_state`` leaves ``delivered`` out: counting it would grow with everything ever sent."""
        return await self._readers.run(_queue_status)

    async def list_sms(self, states: Sequence[SmsState], *, limit: int) -> Sequence[Sms]:
        """The newest first."""
        if not states:
            return []
        found = await self._readers.run(lambda tx: tx.all(sql.list_sms(states), {"limit": limit}))
        return [rows.sms(row) for row in found]

    async def history(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        return await self._readers.run(partial(_history, subscriber, limit))

    async def sms_story(self, sms_id: SmsId) -> Sequence[HistoryLine]:
        return await self._readers.run(partial(_sms_story, sms_id))

    async def get_inbound(self, inbound_id: InboundId) -> Inbound | None:
        row = await self._readers.run(lambda tx: tx.one(sql.GET_INBOUND, {"id": inbound_id}))
        return None if row is None else rows.inbound(row)

    async def contact(self, subscriber: str) -> Contact:
        row = await self._readers.run(lambda tx: tx.one(sql.GET_CONTACT, {"subscriber": subscriber}))
        return rows.contact(row, subscriber)

    async def routed_span(self, *, last: int | None = None, since: Ms = 0) -> InboundRange | None:
        wanted: Params = {"last": _ALL if last is None else last, "since": since}
        row = await self._readers.run(lambda tx: tx.one(sql.ROUTED_SPAN, wanted))
        if row is None or row["first"] is None:
            return None
        return InboundRange(first=InboundId(row["first"]), last=InboundId(row["last"]), count=row["number"])

    async def routed(self, span: InboundRange, *, after: InboundId, since: Ms = 0, limit: int) -> Sequence[Inbound]:
        wanted: Params = {"after": after, "first": span.first, "last": span.last, "since": since, "limit": limit}
        found = await self._readers.run(lambda tx: tx.all(sql.ROUTED, wanted))
        return [rows.inbound(row) for row in found]


def _number(tx: Tx, statement: str) -> int:
    row = tx.one(statement)
    return 0 if row is None else int(row["number"])


def _queue_status(tx: Tx) -> QueueStatus:
    new = tx.one(sql.INBOUND_NEW)
    oldest = tx.one(sql.RECEIVED_AT, {"id": new["oldest"]}) if new is not None else None
    last = tx.one(sql.LAST_INBOUND)
    queued = tx.one(sql.OLDEST_QUEUED)
    draft = tx.one(sql.OLDEST_DRAFT)
    posts = tx.one(sql.POSTS_WAITING)
    return QueueStatus(
        inbound_new=new["number"] if new is not None else 0,
        inbound_oldest=oldest["received_at"] if oldest is not None else None,
        inbound_quarantined=_number(tx, sql.INBOUND_QUARANTINED),
        sms_by_state={row["state"]: row["number"] for row in tx.all(sql.SMS_BY_STATE)},
        sms_oldest_queued=queued["created_at"] if queued is not None else None,
        sms_oldest_draft=draft["due_at"] if draft is not None else None,
        posts_waiting=posts["number"] if posts is not None else 0,
        posts_oldest=posts["oldest"] if posts is not None else None,
        updates_pending=_number(tx, sql.UPDATES_PENDING),
        updates_parked=_number(tx, sql.UPDATES_PARKED),
        last_inbound_at=last["received_at"] if last is not None else None,
        accounts=tuple(rows.account_state(row) for row in tx.all(sql.ALL_ACCOUNTS)),
    )


def _history(subscriber: str, limit: int, tx: Tx) -> list[HistoryLine]:
    wanted: Params = {"subscriber": subscriber, "limit": limit}
    told = [rows.heard(row) for row in tx.all(sql.HISTORY_IN, wanted)]
    told += [
        HistoryLine(
            at=sms.created_at,
            what="out",
            text=sms.text,
            state=sms.state.value,
            account=sms.account,
            detail=sms.detail or sms.reason,
            sms_id=sms.id,
            inbound_id=sms.inbound_id,
        )
        for sms in map(rows.sms, tx.all(sql.HISTORY_OUT, wanted))
    ]
    told.sort(key=lambda story: (story.at, story.what, story.inbound_id or 0, story.sms_id or 0))
    return told[-limit:] if limit > 0 else []


def _sms_story(sms_id: SmsId, tx: Tx) -> list[HistoryLine]:
    """The birth is not an event of its own: the first move says what the row was born as."""
    sms = get_sms(tx, sms_id)
    if sms is None:
        return []
    events = tx.all(sql.EVENTS_OF_SMS, {"sms_id": sms_id})
    born = events[0]["from_state"] if events else sms.state.value
    birth = HistoryLine(
        at=sms.created_at,
        what="out",
        text=sms.text,
        state=born,
        account=sms.account,
        detail="",
        sms_id=sms.id,
        inbound_id=sms.inbound_id,
        author=sms.author,
    )
    moves = [
        HistoryLine(
            at=event["at"],
            what="move",
            text=event["move"],
            state=event["to_state"],
            account=sms.account,
            detail=" ".join(filter(None, (event["reason"], event["detail"]))),
            sms_id=sms.id,
            author=event["author"],
        )
        for event in events
    ]
    return [birth, *moves]
