"""Intake and routing: a callback becomes a row, and everything that routing it decides is written with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bridge.model import (
    Accepted,
    ConversationId,
    InboundCall,
    Ms,
    NewPost,
    PostKind,
    PostPriority,
    RecentReply,
    Settled,
    Settlement,
    Shown,
    SmsState,
    Unrouted,
)
from bridge.store import rows, sql
from bridge.store.base import Writing
from bridge.store.sqlite_restore import last_in_copy
from bridge.store.tx import Tx
from bridge.store.work_posts import Heard, add_post, conversation_for, open_alert
from bridge.store.work_sms import insert_sms


class InboxVerbs(Writing):
    async def accept_inbound(self, call: InboundCall) -> Accepted:
        return await self._writer.run(partial(_accept, call))

    async def claim_unrouted(self, *, limit: int, recent_since: Ms) -> Sequence[Unrouted]:
        return await self._readers.run(lambda tx: _unrouted(tx, limit, recent_since))

    async def spent_parts(self, day: str) -> int:
        return await self._readers.run(lambda tx: _spent(tx, day))

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        return await self._writer.run(partial(_settle_all, settlements))


def _accept(call: InboundCall, tx: Tx) -> Accepted:
    row = tx.one(
        sql.ACCEPT_INBOUND,
        {
            "account": call.account,
            "smsid": call.smsid,
            "content_hash": call.content_hash,
            "sender": call.sender,
            "subscriber": call.subscriber,
            "receiver": call.receiver,
            "prefix": call.prefix,
            "text": call.text,
            "date_raw": call.date_raw,
            "date": call.date,
            "raw_query": call.raw_query,
            "received_at": call.received_at,
            "fault": call.fault,
        },
    )
    assert row is not None
    return Accepted(id=row["id"], new=row["repeats"] == 0, repeats=row["repeats"])


def _unrouted(tx: Tx, limit: int, recent_since: Ms) -> list[Unrouted]:
    found = []
    copied = last_in_copy(tx)
    for row in tx.all(sql.CLAIM_UNROUTED, {"limit": limit}):
        inbound = rows.inbound(row)
        who = {"subscriber": inbound.subscriber}
        contact = rows.contact(tx.one(sql.GET_CONTACT, who), inbound.subscriber)
        # A reply is written in one transaction with its contact: a stranger was never answered.
        recent = tx.all(sql.RECENT_REPLIES, {**who, "since": recent_since}) if contact.version else ()
        replies = tuple(RecentReply(at=at, text=text) for at, text in recent)
        restored = inbound.id <= copied
        found.append(Unrouted(inbound=inbound, contact=contact, recent=replies, restored=restored))
    return found


def _spent(tx: Tx, day: str) -> int:
    row = tx.one(sql.GET_SPEND, {"day": day})
    return 0 if row is None else int(row["parts"])


class _Spend:
    """The parts of each day, read once a transaction and written once at its end."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._before: dict[str, int] = {}
        self._added: dict[str, int] = {}

    def allows(self, settlement: Settlement) -> bool:
        cost = sum(reply.parts for reply in settlement.replies)
        limit, day = settlement.spend_limit, settlement.spend_day
        if limit is None or not cost:
            return True
        if day not in self._before:
            self._before[day] = _spent(self._tx, day)
        return self._before[day] + self._added.get(day, 0) + cost <= limit

    def add(self, day: str, parts: int) -> None:
        self._added[day] = self._added.get(day, 0) + parts

    def write(self) -> None:
        for day, parts in self._added.items():
            self._tx.run(sql.ADD_SPEND, {"day": day, "parts": parts})


def _settle_all(settlements: Sequence[Settlement], tx: Tx) -> list[Settled | None]:
    spend = _Spend(tx)
    settled = [_settle(settlement, spend, tx) for settlement in settlements]
    spend.write()
    return settled


def _settle(settlement: Settlement, spend: _Spend, tx: Tx) -> Settled | None:
    """Every condition is looked at before or with the first write, so a refused settlement leaves nothing behind."""
    if not spend.allows(settlement):
        return None
    now = settlement.now
    row = tx.one(
        sql.SETTLE_INBOUND,
        {
            "id": settlement.inbound_id,
            "version": settlement.contact_version,
            "state": settlement.state.value,
            "rule": settlement.rule,
            "rules_version": settlement.rules_version,
            "outcome": settlement.outcome,
            "now": now,
        },
    )
    if row is None:
        return None
    account, subscriber, receiver, received_at = row
    tx.run(sql.BUMP_CONTACT, {"subscriber": subscriber, "seen_at": received_at})
    heard = Heard(settlement.inbound_id, account, subscriber, receiver, received_at)
    conversations = [_forward(tx, shown, heard, now) for shown in settlement.forwards]
    born = []
    for reply in settlement.replies:
        sms = insert_sms(tx, reply, now, conversations[0] if len(conversations) == 1 else None)
        if sms is None:
            continue
        if settlement.spend_day:
            spend.add(settlement.spend_day, sms.parts)
        if sms.state is SmsState.SENDING:
            born.append(sms)
    for post in settlement.posts:
        add_post(tx, post, now)
    for alert in settlement.alerts:
        open_alert(tx, alert, now)
    return Settled(inbound_id=settlement.inbound_id, born_sending=tuple(born))


def _forward(tx: Tx, shown: Shown, heard: Heard, now: Ms) -> ConversationId:
    conversation = conversation_for(tx, shown.chat, heard, now)
    post = NewPost(
        chat=shown.chat,
        kind=PostKind.INBOUND,
        priority=PostPriority.INBOUND,
        key=f"in:{heard.id}:{shown.chat}",
        payload=shown.payload,
        conversation_id=conversation.id,
        inbound_id=heard.id,
        due_at=now,
    )
    add_post(tx, post, now)
    return conversation.id
