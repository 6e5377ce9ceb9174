"""Intake and routing: a callback becomes a row, and everything that routing it decides is written with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

from bridge.model.base import ConversationId, Ms
from bridge.model.contact import Contact, RecentReply, RuleCounter, RuleUse
from bridge.model.inbound import Accepted, Inbound, InboundCall
from bridge.model.post import NewPost, PostPriority
from bridge.model.routing import ClaimedBatch, ClaimRequest, ForwardPost, Settled, Settlement, UnroutedMessage
from bridge.model.sms import Sms, SmsState
from bridge.store import locks, rows, sql
from bridge.store.batch import conflict_free_batches
from bridge.store.repository import Readers, Writer, Writing
from bridge.store.restore import last_in_copy
from bridge.store.transaction import Line, SerializationConflict, Tx, storable
from bridge.store.work_posts import Heard, Posting, add_posts, conversation_for, open_alert
from bridge.store.work_sms import Birth, insert_sms


class InboxVerbs(Writing):
    def _take_unrouted(self, tx: Tx, limit: int, *, idle: bool) -> bool:
        """Make messages that nobody routes this bridge's; False where there are none. ``idle``: it has none itself."""
        return False  # where one bridge runs, all are its own

    async def accept_inbound(self, call: InboundCall) -> Accepted:
        return await self._writer.run_batched(_accept, call)

    async def claim_unrouted(self, claim: ClaimRequest) -> ClaimedBatch:
        return await self._claiming.run(lambda tx: self._claimed(claim, tx))

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        return await self._writer.run(partial(_settle_all, settlements))

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        return await self._writer.run(lambda tx: tx.run(sql.FORGET_USES, {"before": before, "limit": limit}))

    async def settle_and_claim(
        self, settlements: Sequence[Settlement], claim: ClaimRequest
    ) -> tuple[Sequence[Settled | None], ClaimedBatch]:
        return await self._writer.run(lambda tx: (_settle_all(settlements, tx), self._claimed(claim, tx)))

    @property
    def _claiming(self) -> Readers | Writer:
        """A claim writes nothing where all messages are this bridge's own."""
        return self._readers

    def _claimed(self, claim: ClaimRequest, tx: Tx) -> ClaimedBatch:
        found = _unrouted(tx, claim.limit)
        if len(found) < claim.limit and self._take_unrouted(tx, claim.limit - len(found), idle=not found):
            found = _unrouted(tx, claim.limit)
        return _with_facts(claim, found, tx)


def _accept(tx: Tx, calls: Sequence[InboundCall]) -> list[Accepted]:
    accepted: dict[int, Accepted] = {}
    tx.lock(locks.call(*_name(each)) for each in calls)
    for wave in conflict_free_batches(calls, _name):
        found = {
            (row[0], row[1]): row
            for row in tx.batch(sql.ACCEPT_INBOUND, [(*_line(calls[at]), tx.router) for at in wave])
        }
        for at in wave:
            _, _, id_, repeats = found[_name(calls[at])]
            accepted[at] = Accepted(id=id_, new=repeats == 0, repeats=repeats)
    return [accepted[at] for at in range(len(calls))]


def _name(call: InboundCall) -> tuple[str, str]:
    """What the platform calls it, as it stands in the row."""
    return storable(call.account), storable(call.smsid)


def _line(call: InboundCall) -> Line:
    return (
        call.account,
        call.smsid,
        call.content_hash,
        call.sender,
        call.subscriber,
        call.receiver,
        call.prefix,
        call.text,
        call.date_raw,
        call.date,
        call.raw_query,
        call.received_at,
        call.fault,
    )


def _unrouted(tx: Tx, limit: int) -> list[tuple[Inbound, Contact]]:
    return [rows.unrouted(row) for row in tx.all(sql.CLAIM_UNROUTED, {"limit": limit, "taken_by": tx.bridge})]


def _with_facts(claim: ClaimRequest, found: Sequence[tuple[Inbound, Contact]], tx: Tx) -> ClaimedBatch:
    # A reply is written in one transaction with its contact: a stranger was never answered.
    known = [(contact.subscriber, claim.recent_since) for _, contact in found if contact.version]
    recent: defaultdict[str, list[RecentReply]] = defaultdict(list)
    for subscriber, at, text in tx.batch(sql.RECENT_REPLIES, known):
        recent[subscriber].append(RecentReply(at=at, text=text))
    since = claim.uses_since
    used: defaultdict[str, list[RuleUse]] = defaultdict(list)
    if since is not None:
        for subscriber, rule, what, at in tx.batch(sql.USES, [(inbound.subscriber, since) for inbound, _ in found]):
            used[subscriber].append(RuleUse(rule=rule, what=RuleCounter(what), at=at))
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
    totals = {row[0]: row[1] for row in tx.batch(sql.USES_IN_ALL, list(claim.totals.items()))}
    return ClaimedBatch(messages=messages, day=claim.day, spent=_spent(tx, claim.day), totals=totals)


def _spent(tx: Tx, day: str) -> int:
    row = tx.one(sql.GET_SPEND, {"day": day})
    return 0 if row is None else int(row["parts"])


class _Spend:
    """The parts of each day, read once a transaction and written once at its end.

    So nobody waits for the day's row longer than another's last statements take. Whoever finds that others have spent
    meanwhile what he counted on does it all again.
    """

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._before: dict[str, int] = {}
        self._asked: Counter[str] = Counter()
        self._added: Counter[str] = Counter()
        self._limits: dict[str, int] = {}

    def allows(self, settlement: Settlement) -> bool:
        """Whether the day bears it beside all that were allowed before, settled or not."""
        cost = sum(reply.parts for reply in settlement.replies)
        limit, day = settlement.spend_limit, settlement.spend_day
        if limit is not None and cost:
            if day not in self._before:
                self._before[day] = _spent(self._tx, day)
            if self._before[day] + self._asked[day] + cost > limit:
                return False
            self._limits[day] = min(limit, self._limits.get(day, limit))
        self._asked[day] += cost
        return True

    def add(self, day: str, parts: int) -> None:
        self._added[day] += parts

    def write(self) -> None:
        """After all settlements. :raises Again: others were quicker, and together it is too much."""
        for day, parts in sorted(self._added.items()):
            if not parts:
                continue
            row = self._tx.one(sql.ADD_SPEND, {"day": day, "parts": parts})
            assert row is not None  # an upsert always has a row
            others = row["parts"] - parts > self._before.get(day, 0)
            if others and day in self._limits and row["parts"] > self._limits[day]:
                raise SerializationConflict


def _settle_all(settlements: Sequence[Settlement], tx: Tx) -> list[Settled | None]:
    numbers = (number for each in settlements for number in (each.subscriber, *(sms.recipient for sms in each.replies)))
    tx.lock(map(locks.subscriber, numbers))
    spend = _Spend(tx)
    settled: dict[int, Settled | None] = {}
    for wave in conflict_free_batches(settlements, lambda settlement: settlement.subscriber):
        places = [at for at in wave if spend.allows(settlements[at])]
        settled |= zip(places, _settle([settlements[at] for at in places], spend, tx), strict=True)
    spend.write()
    return [settled.get(at) for at in range(len(settlements))]


def _settle(settlements: Sequence[Settlement], spend: _Spend, tx: Tx) -> list[Settled | None]:
    """Every condition is looked at before or with the first write, so a refused settlement leaves nothing behind."""
    moved = {row[0]: Heard(*row) for row in tx.batch(sql.SETTLE_INBOUND, [_settling(each) for each in settlements])}
    tx.batch(sql.BUMP_CONTACT, [(heard.subscriber, heard.received_at) for heard in moved.values()])
    _remember(tx, [(moved[each.inbound_id].subscriber, each) for each in settlements if each.inbound_id in moved])
    births: list[Birth] = []
    posts: list[Posting] = []
    for each in settlements:
        if (heard := moved.get(each.inbound_id)) is not None:
            conversations = [conversation_for(tx, shown.chat, heard, each.now).id for shown in each.forwards]
            answered_in = conversations[0] if len(conversations) == 1 else None
            births += [Birth(reply, each.now, answered_in) for reply in each.replies]
            shown = [_forward(*pair, each) for pair in zip(each.forwards, conversations, strict=True)]
            posts += [Posting(post, each.now) for post in (*shown, *each.posts)]
    written = iter(insert_sms(tx, births))
    add_posts(tx, posts)
    return [
        _settled(each, [next(written) for _ in each.replies], spend, tx) if each.inbound_id in moved else None
        for each in settlements
    ]


def _remember(tx: Tx, settled: Sequence[tuple[str, Settlement]]) -> None:
    """What rules want known of the subscribers, and what counts against their limits."""
    tx.batch(
        sql.CHANGE_CONTACT,
        [
            (subscriber, int(change.opted_out), rows.to_json(change.tags), rows.to_json(change.values))
            for subscriber, each in settled
            if (change := each.contact) is not None
        ],
    )
    tx.batch(
        sql.ADD_USE,
        [(use.rule, use.what.value, subscriber, use.at) for subscriber, each in settled for use in each.uses],
    )


def _settling(settlement: Settlement) -> Line:
    return (
        settlement.inbound_id,
        settlement.contact_version,
        settlement.state.value,
        settlement.rule,
        settlement.rules_version,
        settlement.outcome,
        settlement.now,
    )


def _settled(settlement: Settlement, written: Sequence[Sms | None], spend: _Spend, tx: Tx) -> Settled:
    new = [sms for sms in written if sms is not None]
    if settlement.spend_day:
        spend.add(settlement.spend_day, sum(sms.parts for sms in new))
    for alert in settlement.alerts:
        open_alert(tx, alert, settlement.now)
    born = tuple(sms for sms in new if sms.state is SmsState.SENDING)
    return Settled(inbound_id=settlement.inbound_id, born_sending=born)


def _forward(shown: ForwardPost, conversation_id: ConversationId, settlement: Settlement) -> NewPost:
    return NewPost(
        chat=shown.chat,
        priority=PostPriority.INBOUND,
        key=f"in:{settlement.inbound_id}:{shown.chat}",
        payload=shown.payload,
        conversation_id=conversation_id,
        inbound_id=settlement.inbound_id,
        due_at=settlement.now,
    )
