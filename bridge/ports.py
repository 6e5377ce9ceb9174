"""The few interfaces that have two implementations or more: the clock, the platform, the store.

The store speaks in the domain's verbs. Every verb that writes is one transaction: it returns after the commit, or
raises and has written nothing (:class:`~bridge.errors.CommitUnknown` excepted). A cancelled caller may find its work
done or not done, never half done. One contract suite (``tests/contract``) runs over every implementation.

A part of the program takes the narrow protocol it needs, never the whole :class:`Store`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from bridge.frozen import frozen
from bridge.model import (
    Accepted,
    AccountState,
    Alert,
    Balance,
    Change,
    Claim,
    Claimed,
    Contact,
    Conversation,
    ConversationId,
    Earlier,
    Inbound,
    InboundCall,
    InboundId,
    Move,
    Ms,
    NewPost,
    NewSms,
    Order,
    Post,
    Posted,
    PostId,
    PostPriority,
    Receipt,
    Report,
    Restored,
    Rewrite,
    Settled,
    Settlement,
    Sms,
    SmsId,
    SmsState,
    StoredUpdate,
    UpdateState,
)


class Clock(Protocol):
    """Wall time for what is stored, monotonic time for waiting. Tests set both."""

    def now(self) -> Ms:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> Ms:
        """Milliseconds from some beginning; nobody can set it. For what waits in memory."""

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        """Wait until ``event`` is set (True) or ``timeout`` milliseconds are over (False). ``None`` waits for ever."""


class Waiter(Protocol):
    """The part of :class:`asyncio.Event` that a clock needs."""

    async def wait(self) -> object: ...


class Platform(Protocol):
    """One account at an SMS platform. Never repeats a request by itself, never raises for an answer it dislikes."""

    async def send(self, recipient: str, sender_name: str, text: str) -> Receipt:
        """Send one SMS. Every outcome is a :class:`Receipt`; ``NOT_SENT`` only where that is certain.

        Cancellation propagates after the request may have left: the caller treats it as unknown.
        """

    async def send_many(self, recipients: Sequence[str], sender_name: str, text: str) -> Sequence[Receipt]:
        """Send one text to up to 10 recipients in one request; a receipt for each, in their order."""

    async def report(self, platform_id: str) -> Report:
        """The delivery status of an id. :raises PlatformError: no usable answer; the message keeps its state."""

    async def balance(self) -> Balance:
        """:raises PlatformError: no usable answer (the document: nothing at all on an error)."""

    async def close(self) -> None: ...


# ---------------------------------------------------------------- store


class InboxStore(Protocol):
    async def accept_inbound(self, call: InboundCall) -> Accepted:
        """Store a callback as ``new``, or count it as a repeat of the same (account, smsid, content).

        The same account and smsid with other content is a new row with ``conflict_of`` set.
        :raises StoreUnavailable: nothing may be acknowledged.
        """


class RouterStore(Protocol):
    async def claim_unrouted(self, claim: Claim) -> Claimed:
        """The oldest ``new`` messages, at most one of each subscriber (its oldest), with contact and recent replies.

        A subscriber never seen has a contact of version 0 with ``first_seen_at`` None.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        """Write the settlements in one transaction: all of them, or none where one cannot be written.

        ``None`` for one that must be decided again: the contact's version moved, the message is not ``new`` any more,
        or the day's spend would pass the limit if those before it are all settled. A settled message bumps the
        contact's version and sets ``first_seen_at``. An automatic reply asked to be born ``sending`` is born so only
        if its lane has no row in ``sending`` and no ``queued`` row of its own priority or a more urgent one; else
        ``queued``.
        Forwards make or update the conversation (chat, subscriber) and write one ``inbound`` post each.
        :raises StoreError: one of them cannot be written, so none was.
        """

    async def settle_and_claim(
        self, settlements: Sequence[Settlement], claim: Claim
    ) -> tuple[Sequence[Settled | None], Claimed]:
        """:meth:`settle`, and what :meth:`claim_unrouted` finds then, in one transaction."""

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        """Uses of rules from before that time count no more: delete so many of them, and return how many there were."""


class RestoreStore(Protocol):
    async def settle_restored(self, now: Ms, tell: Callable[[Restored], NewPost]) -> Restored | None:
        """On a copy that was put in the store's place, once and before anything is sent or routed; else None.

        What waited or was being sent becomes ``uncertain`` (reason ``restored``), the post that ``tell`` makes of the
        numbers is written, and the store is a copy no more: one transaction.
        """

    async def last_restored(self) -> Restored | None:
        """The same numbers later on; None in a store that was never put back."""

    async def restored_sms(self, *, after: SmsId, limit: int) -> Sequence[Sms]:
        """What is still ``uncertain`` because of it and was not judged by a person, oldest first."""


class OutboxStore(Protocol):
    async def enqueue(self, sms: NewSms, posts: Sequence[NewPost] = ()) -> Sms:
        """Write one SMS and its posts; with a key that exists already, return that row and write nothing."""

    async def claim_due(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        """Move up to ``limit`` due rows ``queued`` → ``sending`` and return them (attempts counted).

        A lane is (account, recipient). At most one row a lane; none where the lane has a row in ``sending``; none
        that has an earlier ``queued`` row of its own priority in the lane, due or not; expired rows not at all.
        Order: priority, then id.
        """

    async def next_due(self, account: str) -> Ms | None:
        """The earliest ``due_at`` of a queued row of the account, or None."""

    async def expire_queued(self, *, now: Ms, limit: int) -> Sequence[Sms]:
        """Move ``queued`` rows whose ``expires_at`` has come to ``stale`` and return them."""

    async def move(self, sms_id: SmsId, move: Move, now: Ms, change: Change = ..., *, began: Ms | None = None) -> bool:
        """Compare-and-set: make the move if the row is in one of its source states, else return False.

        ``began``: only if it is still the attempt with this ``sending_since``. What one attempt came to must not move
        the next, which may be another bridge's.

        Writes ``change`` and its posts with it, stamps ``sent_at``/``final_at``/``sending_since``, logs it in the
        row's history, and renews the ``fate`` post of a row that has an operator's message. All in one transaction.
        """

    async def note_probe(self, sms_id: SmsId, now: Ms) -> bool:
        """Record, before it leaves, that a ``sending`` row's request is repeated once (a probe). False: not allowed."""

    async def identical_since(self, sms: Sms, since: Ms) -> Ms | None:
        """When another row with the same account, recipient, sender name and text last left since then, or None."""

    async def recover_sending(self, now: Ms) -> Sequence[Sms]:
        """Every ``sending`` row whose bridge is gone becomes ``uncertain`` (reason ``interrupted``); returns them.

        At start, and where several bridges share the store again and again."""

    async def get_sms(self, sms_id: SmsId) -> Sms | None: ...


class DeliveryStore(Protocol):
    async def due_polls(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        """``sent`` rows with an id whose ``poll_at`` has come, oldest due first."""

    async def note_status(self, sms_id: SmsId, word: str, poll_at: Ms, polls: int) -> None:
        """A non-final answer: keep the word (as it came) and when to ask again; renews the fate if the word changed."""

    async def postpone_poll(self, sms_id: SmsId, poll_at: Ms) -> None:
        """No usable answer: nothing changes but the time of the next question."""


class AccountStore(Protocol):
    async def queued(self, account: str, *, limit: int) -> int:
        """How many SMS of the account wait to leave, counted no further than ``limit``."""

    async def account_state(self, account: str) -> AccountState: ...

    async def hold_account(self, account: str, *, reason: str, detail: str, now: Ms, probe_at: Ms) -> bool:
        """Hold the account's queue. Held already: moves ``probe_at``, counts the probe. True if it was not held."""

    async def release_account(self, account: str, now: Ms) -> bool:
        """True if it was held."""

    async def note_balance(self, account: str, balance: Balance, now: Ms) -> None:
        """Keep it; what it fell by was spent today."""

    async def spent_a_day(self, account: str, now: Ms) -> float | None:
        """By the last week's full days; None where none is known, or nothing was spent."""

    async def note_contact(self, account: str, now: Ms) -> None:
        """The platform answered something."""

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        """Open the alert and write its post in the admin chat, unless one with this key is open. True if opened."""

    async def clear_alert(self, key: str, text: str, params: dict[str, str | int | float], now: Ms) -> bool:
        """Close it and post the all-clear ``text``; False (and nothing written) if it is not open."""


@frozen
class LongestWaits:
    """How far ahead anything is ever planned. What is planned further was planned by a clock that was wrong."""

    sms: Ms
    poll: Ms
    post: Ms
    takeover: Ms


class ClockStore(Protocol):
    """For when the machine's clock was set."""

    async def newest_sms(self) -> SmsId:
        """The highest id of an SMS, 0 without one: what this run writes lies above."""

    async def shift_waits(self, by: Ms, *, now: Ms, longest: LongestWaits, since: SmsId) -> None:
        """The clock that shows ``now`` showed ``now - by`` until now: all that waits goes on waiting as long as it
        would have, but no longer than ``longest``. With ``by=0`` only the latter.

        Deadlines (``expires_at``, and ``sent_at``, from which the patience with a status counts) move along for SMS
        above the id ``since`` alone: only of those is it known that the same clock wrote them.
        """


class ChatStore(Protocol):
    async def claim_posts(
        self, chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = ...
    ) -> Sequence[Post]:
        """Due posts of these chats by priority, then id, none more urgent than ``least``; never one whose conversation
        has an earlier unposted one of kind ``inbound`` or ``notice`` ahead of it. A ``fate`` waits for none: it shows
        on the operator's own message. Reads only: a chat has one poster."""

    async def post_done(self, post: Post, posted: Posted, now: Ms) -> None:
        """Mark as posted, remember (chat id, message id) → conversation, inbound, sms, and the topic if one was made.

        A ``fate`` row written again meanwhile (revision moved) stays due."""

    async def post_retry(self, post_id: PostId, due_at: Ms, error: str) -> None: ...

    async def post_dropped(self, post_id: PostId, error: str, now: Ms) -> None:
        """Give up on a post for good (only for what is not a subscriber's message); kept with its error."""

    async def posts_to_come(self, *, limit: int) -> int:
        """How many posts wait to be shown, in all chats, counted no further than ``limit``."""

    async def add_post(self, post: NewPost, now: Ms) -> bool:
        """False if a post with this key exists."""

    async def conversation_of(self, chat_id: int, message_id: int) -> Conversation | None:
        """By a message of ours or of an operator that was stored for it.

        By exactly this chat id: message numbers restart in a migrated group, and a stranger's message there must not
        find an old conversation. What was posted before the move is found by its code.
        """

    async def conversation_of_topic(self, chat_id: int, thread_id: int) -> Conversation | None: ...

    async def conversation_of_code(self, chat: str, code: str) -> Conversation | None: ...

    async def conversation(self, conversation_id: ConversationId) -> Conversation | None: ...

    async def set_topic(self, conversation_id: ConversationId, chat_id: int, thread_id: int | None) -> None:
        """Store the conversation's topic, or forget a deleted one (None). A forgotten topic still finds its
        conversation by :meth:`conversation_of_topic`."""

    async def chat_migrated(self, old_id: int, new_id: int, now: Ms) -> None:
        """The group became a supergroup. Rows keep the old id and are found by it; topics are forgotten."""

    async def chat_aliases(self) -> dict[int, int]:
        """Old chat id → the newest id, chains resolved."""


class PostStore(Protocol):
    """For a chat with more to show than it takes, and for what stands around a talk."""

    async def posts_behind(self, post: Post, *, limit: int) -> Sequence[Post]:
        """What waits behind it in its conversation (``inbound``, ``notice``), due or not, in order."""

    async def burst_done(self, posts: Sequence[Post], posted: Posted, now: Ms) -> None:
        """:meth:`ChatStore.post_done` for posts of one conversation that stand in one message, all or none; the
        message leads to what the last is about."""

    async def posts_ahead(self, chats: Sequence[str], *, talks: int, posts: int) -> tuple[int, int]:
        """How many conversations and how many SMS wait to be shown, each counted no further than its limit a chat."""

    async def open_backlog(self, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
        """Say in ``chat``, ahead of them, how many SMS wait in ``chats``; once until it is closed."""

    async def close_backlog(self, key: str, now: Ms) -> None:
        """Where one is open, and what was said of it stands in the chat: a post that makes it say that it is over."""

    async def earlier(self, subscriber: str, before: InboundId, *, limit: int) -> Earlier:
        """What this number wrote before that message, counted up to ``limit``."""

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None: ...


class WatchStore(Protocol):
    """For what people are told because nothing happened."""

    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        """Remind of talks that wait for a person since a moment in ``(after, until]``, each in its chat and once until
        somebody answers; not where the team has not seen the SMS yet. Returns how many."""

    async def remind_of_drafts(self, *, until: Ms, now: Ms, limit: int) -> int:
        """Remind of drafts that wait for a word since ``until`` or longer, each under its message and once; not where
        the question was not shown yet, and not of corrections. Returns how many."""

    async def expire_drafts(self, *, before: Ms, now: Ms, limit: int) -> int:
        """Call stale what waits for a word since then or longer. Returns how many."""

    async def last_called(self, account: str) -> Ms | None:
        """When the account's latest inbound came; None where it is not among the newest of all accounts."""

    async def last_sign(self) -> Ms | None:
        """The latest moment at which a bridge surely ran on this store."""

    async def arrived_late(self, *, after: Ms, before: Ms) -> int:
        """Inbound messages that had waited for a start at ``before``: received since, and dated by the platform between
        the two; or received earlier and routed since."""


class DeskStore(Protocol):
    """What an operator does. Every verb is idempotent by the key of the Telegram message or button press."""

    async def operator_reply(self, sms: NewSms, now: Ms) -> Sms:
        """Write the reply, remember its message as part of the conversation, write the fate post. Known key: that row.

        Does not pause automatic replies: :meth:`take_over` does."""

    async def take_over(self, subscriber: str, until: Ms, now: Ms) -> None:
        """A person answers: hold automatic replies to this number back until then."""

    async def sms_of_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS that came from this operator's message, by exactly this chat id: one that waits for a word, else the
        latest."""

    async def send_again(self, sms_id: SmsId, *, key: str, author: str, now: Ms) -> Sms | None:
        """A person's "send again": a new queued row with ``retry_of``; an ``uncertain`` or ``parked`` old row becomes
        ``abandoned``. None where the old row allows it no more (already judged, delivered, under way)."""


class DraftStore(Protocol):
    """What may still be changed before it leaves."""

    async def rewrite(self, sms_id: SmsId, was: str, new: Rewrite, now: Ms) -> bool:
        """Compare-and-set on the text ``was`` and the states ``draft`` and ``queued``: another text, and with it
        ``draft`` or ``queued`` as ``new`` says. Logged in the row's history. False: it left, or another was quicker."""

    async def sms_of_key(self, key: str) -> Sms | None: ...

    async def shown_on_message(self, chat_id: int, message_id: int) -> Sms | None:
        """The SMS whose state this operator's message shows: the latest that came from it, a correction only once
        somebody let it go."""


@frozen
class About:
    """What a message in a chat is about, as far as it is on record."""

    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None


class Among(StrEnum):
    """What a search looks through."""

    TALKS = "talks"
    """Conversations, by number, name and tags of their subscribers."""
    INBOUND = "inbound"
    SMS = "sms"


@frozen
class Find:
    """What to look for in one page of rows, the newest first."""

    text: str
    chats: Sequence[str] | None
    """Names of the chats whose conversations count; None: all."""
    among: Among
    before: int
    """Rows with lower ids."""
    rows: int
    """Looks at no more: a reader is held no longer than they take."""
    limit: int
    """Stops where it has found so many conversations."""


@frozen
class Found:
    row: int
    """Its id."""
    conversation: Conversation
    name: str
    at: Ms | None = None
    """When what was found was written; None where number, name or tag told."""
    text: str = ""


@frozen
class FoundPage:
    found: Sequence[Found]
    """The newest first, each conversation once."""
    rest: int
    """What has lower ids is not looked through yet; 0: nothing is left."""
    at: Ms | None
    """When the last row was written that was looked at; None for conversations."""


@frozen
class Tally:
    """What came and went since a moment."""

    received: int
    people: int
    """Different numbers that wrote."""
    by_people: int
    """SMS that persons wrote."""
    by_rules: int
    parts: int
    delivered: int
    failed: int
    open: int
    """Waiting or under way, or with an outcome that nobody knows yet."""


class OrderStore(Protocol):
    """What people order in the chats, and what they ask."""

    async def carry_out(self, order: Order, *, done: NewPost | None, already: NewPost | None, now: Ms) -> bool:
        """Make the change, record who made it, write the post ``done``: one transaction. False where it was so
        already: then ``already`` is written. Both have one key, so an order that comes twice is answered once. Without
        posts whoever gave the order is told in another way.

        A change that a topic shows (name, open or closed) renews the topics it concerns.
        """

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None: ...

    async def begin_conversation(self, chat: str, subscriber: str, *, account: str, now: Ms) -> Conversation:
        """A person writes first: the conversation of (chat, subscriber), made if it is missing, opened if closed."""

    async def about(self, chat_id: int, message_id: int) -> About:
        """By exactly this chat id, as :meth:`ChatStore.conversation_of`."""

    async def answers_to(self, inbound: Inbound, *, limit: int) -> Sequence[Sms]:
        """The SMS that an inbound message was answered with, oldest first."""

    async def talk(self, subscriber: str, *, before: Ms, limit: int) -> tuple[Sequence[Story], bool]:
        """What was said with this number before then, both directions, and what people did about it (``act``): the
        newest ``limit`` lines, oldest first, and whether there are older ones."""

    async def deeds(self, subscriber: str, *, limit: int) -> Sequence[Story]:
        """What people did about this number, the latest, oldest first."""

    async def find(self, wanted: Find) -> FoundPage:
        """One page of a search."""

    async def tally(self, since: Ms) -> Tally: ...


class UpdateStore(Protocol):
    async def store_updates(self, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        """Commit raw updates; known ones are skipped. Returns how many were new."""

    async def pending_updates(self, bot_id: int, *, limit: int) -> Sequence[StoredUpdate]:
        """Unprocessed ones in the order of arrival."""

    async def updates_since(self, bot_id: int, since: Ms) -> Sequence[StoredUpdate]:
        """What was received since then, processed or not, in the order of arrival; of very many the newest."""

    async def finish_update(self, bot_id: int, update_id: int, state: UpdateState, error: str, now: Ms) -> None: ...

    async def purge_updates(self, before: Ms, *, limit: int) -> int:
        """Forget so many of the processed updates received before then; parked ones stay. Returns how many."""


@frozen
class Story:
    """One line of a subscriber's or an SMS's history, oldest first."""

    at: Ms
    what: str
    """``in``, ``out``, ``move``, ``post``, ``act``."""
    text: str
    state: str
    account: str
    detail: str
    sms_id: SmsId | None = None
    inbound_id: InboundId | None = None
    author: str = ""
    """Who decided it, where a person did."""


@frozen
class QueueStatus:
    """Counts and ages for ``status``, the probes and the metrics."""

    inbound_new: int
    inbound_oldest: Ms | None
    inbound_quarantined: int
    sms_by_state: dict[str, int]
    """Without ``delivered``: that count would grow with every SMS ever sent."""
    sms_oldest_queued: Ms | None
    sms_oldest_draft: Ms | None
    """Since when the oldest waits for a person's word."""
    posts_waiting: int
    posts_oldest: Ms | None
    updates_pending: int
    updates_parked: int
    last_inbound_at: Ms | None
    accounts: tuple[AccountState, ...]


@frozen
class Span:
    """Messages that rules decided about, from one to another."""

    first: InboundId
    last: InboundId
    count: int


@frozen
class Member:
    """A bridge, as the others see it."""

    id: str
    name: str
    """Host and process, for people."""
    roles: frozenset[str]
    version: str
    rules_version: str
    started_at: Ms
    seen_at: Ms
    duties: frozenset[str]
    """What it does for all of them."""


@frozen
class Standing:
    """What a bridge may count on, from the moment at which it asked."""

    duties: frozenset[str]
    """Those of the wanted ones that are this bridge's now."""
    lasts: Ms | None
    """How long they stay so without asking again; None: for ever, since nobody else is there."""
    sends_last: Ms | None
    """For so long nobody else calls this bridge's sends lost."""
    members: tuple[Member, ...]
    """All that are alive, this one included, the oldest first."""
    id: str
    """This one's own."""
    now: Ms | None
    """What time it is, by the clock that all of them share; None: by this machine's."""


class FleetStore(Protocol):
    """For several bridges on one store: who is alive, and who does what only one may do."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, duties: Sequence[str]) -> Standing:
        """I am here, and would do these duties. One that I do not name any more is free for others."""

    async def leave(self) -> None:
        """I do nothing any more: all that is mine is free at once."""

    async def ring(self, words: Sequence[str]) -> None:
        """Let the other bridges hear these words. May be lost: whoever waits looks now and then by himself."""

    async def hear(self, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with each word that another bridge rings, until cancelled. Survives the server's absence."""


class QueryStore(Protocol):
    """Reading for people and probes; never part of a message's way."""

    async def queue_status(self) -> QueueStatus: ...

    async def members(self) -> Sequence[Member]:
        """The bridges that share the store and are alive, the oldest first; none where it belongs to one alone."""

    async def list_sms(self, states: Sequence[SmsState], *, limit: int) -> Sequence[Sms]: ...

    async def history(self, subscriber: str, *, limit: int) -> Sequence[Story]:
        """What was said with this number, both directions, oldest first, the newest ``limit`` lines."""

    async def sms_story(self, sms_id: SmsId) -> Sequence[Story]:
        """Every state change of one SMS."""

    async def get_inbound(self, inbound_id: InboundId) -> Inbound | None: ...

    async def contact(self, subscriber: str) -> Contact: ...

    async def routed_span(self, *, last: int | None = None, since: Ms = 0) -> Span | None:
        """Where the ``last`` messages lie that rules decided about (all of them without it), of those received at
        ``since`` or later; None if there is none. Takes time with what is stored."""

    async def routed(self, span: Span, *, after: InboundId, since: Ms = 0, limit: int) -> Sequence[Inbound]:
        """The next of them above the id ``after``, oldest first."""


class Store(
    InboxStore,
    RouterStore,
    OutboxStore,
    DeliveryStore,
    AccountStore,
    ClockStore,
    ChatStore,
    PostStore,
    WatchStore,
    DeskStore,
    DraftStore,
    OrderStore,
    UpdateStore,
    QueryStore,
    RestoreStore,
    FleetStore,
    Protocol,
):
    """One store; implementations live in ``bridge.store``."""

    async def ping(self) -> None:
        """Prove that a commit would go through: :raises StoreUnavailable: if not."""

    async def close(self) -> None:
        """Finish what is being written, then close. Nothing may be called afterwards."""
