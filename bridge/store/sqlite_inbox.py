"""Intake and routing: a callback becomes a row, and everything that routing it decides is written with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bridge.model import (
    Accepted,
    ConversationId,
    Inbound,
    InboundCall,
    InboundState,
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
from bridge.store.tx import Tx
from bridge.store.work_posts import add_post, conversation_for, open_alert
from bridge.store.work_sms import insert_sms


class InboxVerbs(Writing):
    async def accept_inbound(self, call: InboundCall) -> Accepted:
        return await self._writer.run(partial(_accept, call))

    async def claim_unrouted(self, *, limit: int, recent_since: Ms) -> Sequence[Unrouted]:
        return await self._readers.run(lambda tx: _unrouted(tx, limit, recent_since))

    async def spent_parts(self, day: str) -> int:
        return await self._readers.run(lambda tx: _spent(tx, day))

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        return await self._writer.run_each([partial(_settle, settlement) for settlement in settlements])


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
    for row in tx.all(sql.CLAIM_UNROUTED, {"limit": limit}):
        inbound = rows.inbound(row)
        who = {"subscriber": inbound.subscriber}
        recent = tx.all(sql.RECENT_REPLIES, {**who, "since": recent_since})
        found.append(
            Unrouted(
                inbound=inbound,
                contact=rows.contact(tx.one(sql.GET_CONTACT, who), inbound.subscriber),
                recent=tuple(RecentReply(at=reply["created_at"], text=reply["text"]) for reply in recent),
            )
        )
    return found


def _spent(tx: Tx, day: str) -> int:
    row = tx.one(sql.GET_SPEND, {"day": day})
    return 0 if row is None else int(row["parts"])


def _still_valid(tx: Tx, settlement: Settlement) -> Inbound | None:
    """The message, if it is still to be routed, by what the decision was made on, and within the day's spend."""
    row = tx.one(sql.GET_INBOUND, {"id": settlement.inbound_id})
    if row is None or row["state"] != InboundState.NEW:
        return None
    inbound = rows.inbound(row)
    contact = rows.contact(tx.one(sql.GET_CONTACT, {"subscriber": inbound.subscriber}), inbound.subscriber)
    if contact.version != settlement.contact_version:
        return None
    cost = sum(reply.parts for reply in settlement.replies)
    limit = settlement.spend_limit
    if limit is not None and cost and _spent(tx, settlement.spend_day) + cost > limit:
        return None
    return inbound


def _forward(tx: Tx, shown: Shown, inbound: Inbound, now: Ms) -> ConversationId:
    conversation = conversation_for(tx, shown.chat, inbound, now)
    post = NewPost(
        chat=shown.chat,
        kind=PostKind.INBOUND,
        priority=PostPriority.INBOUND,
        key=f"in:{inbound.id}:{shown.chat}",
        payload=shown.payload,
        conversation_id=conversation.id,
        inbound_id=inbound.id,
        due_at=now,
    )
    add_post(tx, post, now)
    return conversation.id


def _settle(settlement: Settlement, tx: Tx) -> Settled | None:
    """Every condition is looked at before the first write, so a refused settlement leaves nothing behind."""
    inbound = _still_valid(tx, settlement)
    if inbound is None:
        return None
    now = settlement.now
    tx.run(
        sql.SETTLE_INBOUND,
        {
            "id": inbound.id,
            "state": settlement.state.value,
            "rule": settlement.rule,
            "rules_version": settlement.rules_version,
            "outcome": settlement.outcome,
            "now": now,
        },
    )
    tx.run(sql.BUMP_CONTACT, {"subscriber": inbound.subscriber, "seen_at": inbound.received_at})
    conversations = [_forward(tx, shown, inbound, now) for shown in settlement.forwards]
    born = []
    for reply in settlement.replies:
        sms = insert_sms(tx, reply, now, conversations[0] if len(conversations) == 1 else None)
        if sms is None:
            continue
        if settlement.spend_day:
            tx.run(sql.ADD_SPEND, {"day": settlement.spend_day, "parts": sms.parts})
        if sms.state is SmsState.SENDING:
            born.append(sms)
    for post in settlement.posts:
        add_post(tx, post, now)
    for alert in settlement.alerts:
        open_alert(tx, alert, now)
    return Settled(inbound_id=inbound.id, born_sending=tuple(born))
