"""Intake and routing: accepts a callback as a row, hands rows to the router, and writes what the router decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from bridge.model.base import ConversationId, InboundId, Ms
from bridge.model.contact import Contact, RecentReply, RuleUse
from bridge.model.inbound import AcceptedCall, Inbound, InboundCall
from bridge.model.post import NewPost, PostPriority
from bridge.model.routing import ClaimedBatch, ClaimRequest, ForwardPost, Settled, Settlement, UnroutedMessage
from bridge.model.sms import Sms, SmsState
from bridge.model.work import Work
from bridge.store import locks
from bridge.store.batch import conflict_free_batches
from bridge.store.repositories.alerts import open_alert
from bridge.store.repositories.contacts import (
    ADD_USE,
    BUMP_CONTACT,
    CHANGE_CONTACT,
    CONTACT_CHANGE,
    COUNT_USES,
    FORGET_USES,
    NEW_RULE_USE,
    USES_OF_SUBSCRIBERS,
    SpendBudget,
    spent_parts,
)
from bridge.store.repositories.conversations import LatestInbound, conversation_for
from bridge.store.repositories.posting import Posting, add_posts
from bridge.store.repositories.recovery import last_in_copy
from bridge.store.repositories.sms import Insertion, insert_sms
from bridge.store.repository import Readers, Repository, Writer, read_one
from bridge.store.schema.tables import CONTACT, INBOUND, RULE_USE, SMS
from bridge.store.schema.types import Line
from bridge.store.transaction import Row, Tx, storable

_CALL = INBOUND.writer(InboundCall)

# One statement for a first callback, a repeat and a conflict: repeats is 0 only for a row that was just inserted.
# (account, smsid) may appear only once among the rows, since the second would not see the first.
ACCEPT_INBOUND = INBOUND.batch(
    f"{_CALL}, taken_by",
    f"""
INSERT INTO inbound ({_CALL}, taken_by, taken_at, conflict_of)
SELECT {_CALL.of("n")}, n.taken_by, n.received_at,
       (SELECT min(i.id) FROM inbound AS i
        WHERE i.account = n.account AND i.smsid = n.smsid AND i.content_hash <> n.content_hash)
FROM rows AS n WHERE true
ON CONFLICT (account, smsid, content_hash)
DO UPDATE SET repeats = inbound.repeats + 1, repeated_at = excluded.received_at
RETURNING account, smsid, id, repeats
""",
)

# The oldest new message of each subscriber, if this node took it, with the subscriber's contact. Reads the index of new
# messages and stops at the limit. "(SELECT …) IS NULL" means NOT EXISTS, but PostgreSQL evaluates it for each row with
# the index of the lane. From NOT EXISTS it would make a join, which may read all new messages for every row.
CLAIM_UNROUTED = INBOUND.statement(f"""
SELECT {INBOUND.of("i")}, {CONTACT.of("c")}
FROM inbound AS i LEFT JOIN contact AS c ON c.subscriber = i.subscriber
WHERE i.state = 'new' AND i.id > 0 AND i.taken_by = :taken_by AND (
    SELECT 1 FROM inbound AS e WHERE e.state = 'new' AND e.subscriber = i.subscriber AND e.id < i.id LIMIT 1) IS NULL
ORDER BY i.id LIMIT :limit
""")

GET_INBOUND = INBOUND.statement(f"SELECT {INBOUND} FROM inbound WHERE id = :id")

# A compare-and-set on all facts of the decision: the message is still new, and its contact has not changed. A
# subscriber may appear only once among the rows, since the second message was decided without the effects of the first.
SETTLE_INBOUND = INBOUND.batch(
    "id, version, state, rule, rules_version, outcome, settled_at",
    """
UPDATE inbound SET state = n.state, rule = n.rule, rules_version = n.rules_version, outcome = n.outcome,
                   settled_at = n.settled_at
FROM rows AS n
WHERE inbound.id = n.id AND inbound.state = 'new'
  AND n.version = COALESCE((SELECT c.version FROM contact AS c WHERE c.subscriber = inbound.subscriber), 0)
RETURNING inbound.id, inbound.account, inbound.subscriber, inbound.receiver, inbound.received_at
""",
    CONTACT,
)

RECENT_REPLIES = SMS.batch(
    "recipient, since",
    """
SELECT s.recipient, s.created_at, s.text FROM rows AS n
JOIN sms AS s ON s.recipient = n.recipient AND s.created_at >= n.since
WHERE s.origin = 'rule'
ORDER BY s.created_at, s.id
""",
)


class InboxRepository(Repository):
    """Implements :class:`~bridge.ports.inbox.InboxStore`."""

    def _take_unrouted(self, tx: Tx, limit: int, *, idle: bool) -> bool:
        """Take messages that no node routes; False if there are none. ``idle``: this node has no messages of its own.

        On SQLite there are none: its one node took every message when it was accepted.
        """
        return False

    async def accept_inbound(self, call: InboundCall) -> AcceptedCall:
        return await self._writer.run_batched(_accept, call)

    async def claim_unrouted(self, claim: ClaimRequest) -> ClaimedBatch:
        return await self._claiming.run(lambda tx: self._claimed(claim, tx))

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        return await self._writer.run(partial(_settle_all, settlements))

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        return await self._writer.run(lambda tx: tx.run(FORGET_USES, {"before": before, "limit": limit}))

    async def settle_and_claim(
        self, settlements: Sequence[Settlement], claim: ClaimRequest
    ) -> tuple[Sequence[Settled | None], ClaimedBatch]:
        return await self._writer.run(lambda tx: (_settle_all(settlements, tx), self._claimed(claim, tx)))

    @property
    def _claiming(self) -> Readers | Writer:
        """The readers, if all messages belong to this node: then a claim writes nothing."""
        return self._readers

    def _claimed(self, claim: ClaimRequest, tx: Tx) -> ClaimedBatch:
        found = _unrouted(tx, claim.limit)
        if len(found) < claim.limit and self._take_unrouted(tx, claim.limit - len(found), idle=not found):
            found = _unrouted(tx, claim.limit)
        return _with_facts(claim, found, tx)


def get_inbound(tx: Tx, inbound_id: InboundId | None) -> Inbound | None:
    """The inbound message with this id, or None."""
    return read_one(tx, INBOUND, GET_INBOUND, {"id": inbound_id})


# ---------------------------------------------------------------- intake


def _accept(tx: Tx, calls: Sequence[InboundCall]) -> list[AcceptedCall]:
    accepted: dict[int, AcceptedCall] = {}
    tx.lock(locks.call(*_message_key(each)) for each in calls)
    for batch in conflict_free_batches(calls, _message_key):
        lines = [(*_CALL.line(calls[index]), tx.router) for index in batch]
        found = {(row[0], row[1]): row for row in tx.batch(ACCEPT_INBOUND, lines)}
        for index in batch:
            _, _, id_, repeats = found[_message_key(calls[index])]
            accepted[index] = AcceptedCall(id=id_, new=repeats == 0, repeats=repeats)
    if any(each.new for each in accepted.values()):
        tx.wake(Work.INBOUND)
    return [accepted[index] for index in range(len(calls))]


def _message_key(call: InboundCall) -> tuple[str, str]:
    """The account and the platform's id of the message, as the row has them."""
    return storable(call.account), storable(call.smsid)


# ---------------------------------------------------------------- claim


def _unrouted(tx: Tx, limit: int) -> list[tuple[Inbound, Contact]]:
    return [_inbound_and_contact(row) for row in tx.all(CLAIM_UNROUTED, {"limit": limit, "taken_by": tx.node})]


def _inbound_and_contact(row: Row) -> tuple[Inbound, Contact]:
    inbound, known = INBOUND.read(row[: INBOUND.width]), row[INBOUND.width :]
    return inbound, Contact(subscriber=inbound.subscriber, version=0) if known[0] is None else CONTACT.read(known)


def _with_facts(claim: ClaimRequest, found: Sequence[tuple[Inbound, Contact]], tx: Tx) -> ClaimedBatch:
    # A reply and its contact are written in one transaction. So a subscriber without a contact has had no reply.
    known = [(contact.subscriber, claim.recent_since) for _, contact in found if contact.version]
    recent: defaultdict[str, list[RecentReply]] = defaultdict(list)
    for subscriber, at, text in tx.batch(RECENT_REPLIES, known):
        recent[subscriber].append(RecentReply(at=at, text=text))
    since = claim.uses_since
    used: defaultdict[str, list[RuleUse]] = defaultdict(list)
    if since is not None:
        for row in tx.batch(USES_OF_SUBSCRIBERS, [(inbound.subscriber, since) for inbound, _ in found]):
            used[row["subscriber"]].append(RULE_USE.read(row[: RULE_USE.width]))
    copied = last_in_copy(tx) if found else 0
    messages = tuple(
        UnroutedMessage(
            inbound=inbound,
            contact=contact,
            recent=tuple(recent.get(inbound.subscriber, ())),
            restored=inbound.id <= copied,
            uses=tuple(used.get(inbound.subscriber, ())),
        )
        for inbound, contact in found
    )
    totals = {row[0]: row[1] for row in tx.batch(COUNT_USES, list(claim.totals.items()))}
    return ClaimedBatch(messages=messages, day=claim.day, spent=spent_parts(tx, claim.day), totals=totals)


# ---------------------------------------------------------------- settlement


def _settle_all(settlements: Sequence[Settlement], tx: Tx) -> list[Settled | None]:
    numbers = (number for each in settlements for number in (each.subscriber, *(sms.recipient for sms in each.replies)))
    tx.lock(map(locks.subscriber, numbers))
    spend = SpendBudget(tx)
    settled: dict[int, Settled | None] = {}
    for batch in conflict_free_batches(settlements, lambda settlement: settlement.subscriber):
        allowed = [index for index in batch if spend.allows(settlements[index])]
        settled |= zip(allowed, _settle([settlements[index] for index in allowed], spend, tx), strict=True)
    spend.write()
    return [settled.get(index) for index in range(len(settlements))]


def _settle(settlements: Sequence[Settlement], spend: SpendBudget, tx: Tx) -> list[Settled | None]:
    """Write the settlements; None for each that is refused.

    The first write checks all conditions that are left, so a refused settlement writes nothing.
    """
    lines = [_settlement_line(each) for each in settlements]
    moved = {row[0]: LatestInbound(*row) for row in tx.batch(SETTLE_INBOUND, lines)}
    tx.batch(BUMP_CONTACT, [(inbound.subscriber, inbound.received_at) for inbound in moved.values()])
    _write_memory(tx, [(moved[each.inbound_id].subscriber, each) for each in settlements if each.inbound_id in moved])
    insertions: list[Insertion] = []
    posts: list[Posting] = []
    for each in settlements:
        if (inbound := moved.get(each.inbound_id)) is not None:
            conversations = [conversation_for(tx, forward.chat, inbound, each.now).id for forward in each.forwards]
            answered_in = conversations[0] if len(conversations) == 1 else None
            insertions += [Insertion(reply, each.now, answered_in) for reply in each.replies]
            forwards = [_forward(*pair, each) for pair in zip(each.forwards, conversations, strict=True)]
            posts += [Posting(post, each.now) for post in (*forwards, *each.posts)]
    if moved:
        # The next messages of the same subscribers may belong to other nodes, and they waited for these.
        tx.wake_others(Work.INBOUND)
    written = iter(insert_sms(tx, insertions))
    add_posts(tx, posts)
    return [
        _settled(each, [next(written) for _ in each.replies], spend, tx) if each.inbound_id in moved else None
        for each in settlements
    ]


def _write_memory(tx: Tx, settled: Sequence[tuple[str, Settlement]]) -> None:
    """Write what the rules change in the contacts, and the uses that count against the limits of the rules."""
    changes = [
        (subscriber, *CONTACT_CHANGE.line(each.contact)) for subscriber, each in settled if each.contact is not None
    ]
    tx.batch(CHANGE_CONTACT, changes)
    tx.batch(ADD_USE, [(subscriber, *NEW_RULE_USE.line(use)) for subscriber, each in settled for use in each.uses])


def _settlement_line(settlement: Settlement) -> Line:
    return (
        settlement.inbound_id,
        settlement.contact_version,
        settlement.state.value,
        settlement.rule,
        settlement.rules_version,
        str(settlement.outcome),
        settlement.now,
    )


def _settled(settlement: Settlement, written: Sequence[Sms | None], spend: SpendBudget, tx: Tx) -> Settled:
    new = [sms for sms in written if sms is not None]
    if settlement.spend_day:
        spend.add(settlement.spend_day, sum(sms.parts for sms in new))
    for alert in settlement.alerts:
        open_alert(tx, alert, settlement.now)
    sending = tuple(sms for sms in new if sms.state is SmsState.SENDING)
    return Settled(inbound_id=settlement.inbound_id, sending=sending)


def _forward(forward: ForwardPost, conversation_id: ConversationId, settlement: Settlement) -> NewPost:
    return NewPost(
        chat=forward.chat,
        priority=PostPriority.INBOUND,
        key=f"in:{settlement.inbound_id}:{forward.chat}",
        payload=forward.payload,
        conversation_id=conversation_id,
        inbound_id=settlement.inbound_id,
        due_at=settlement.now,
    )
