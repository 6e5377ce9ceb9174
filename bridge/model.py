"""The nouns of this program and the states they may be in.

Everything here is a value: frozen, keyword-only, free of I/O. All points in time are integers of milliseconds
since 1970-01-01 UTC (:data:`Ms`), all durations integers of milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum, StrEnum
from typing import NewType

from bridge.frozen import frozen

Ms = int
"""Milliseconds: since 1970-01-01 UTC for a point in time, plain for a duration."""

InboundId = NewType("InboundId", int)
SmsId = NewType("SmsId", int)
PostId = NewType("PostId", int)
ConversationId = NewType("ConversationId", int)

SECOND: Ms = 1_000
MINUTE: Ms = 60 * SECOND
HOUR: Ms = 60 * MINUTE
DAY: Ms = 24 * HOUR

DEFAULT_CHAT = ""
"""The name by which a row means "the chat that is the default when the row is posted"."""
ADMIN_CHAT = "@admin"
"""The same for the admin chat. Configured chat names never begin with ``@``."""


# ---------------------------------------------------------------- inbound


class InboundState(StrEnum):
    NEW = "new"
    ROUTED = "routed"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    """Reserved for rules that wait (a call, a question)."""


@frozen
class InboundCall:
    """One callback of the platform, parsed and not yet stored (the platform's document, incoming messages)."""

    account: str
    smsid: str
    sender: str
    """As the platform wrote it."""
    subscriber: str
    """``sender`` normalised: digits of the international number without ``+``; short numbers and names as they are."""
    receiver: str
    prefix: str
    text: str
    date_raw: str
    date: Ms | None
    """The platform's own time of the message, if its form was known."""
    raw_query: bytes
    """The query as it came, the callback's secret taken out."""
    content_hash: bytes
    """Of the percent-decoded bytes of sender, receiver and text: with account and smsid the key of a duplicate."""
    received_at: Ms
    fault: str | None = None
    """Why the call was malformed; such a message is stored, acknowledged and put to the team (quarantine)."""


@frozen
class Inbound:
    """A stored inbound SMS."""

    id: InboundId
    account: str
    smsid: str
    sender: str
    subscriber: str
    receiver: str
    prefix: str
    text: str
    date_raw: str
    date: Ms | None
    received_at: Ms
    state: InboundState
    fault: str | None
    conflict_of: InboundId | None
    """An earlier message with the same account and smsid and other content: an alert, not a duplicate."""
    repeats: int
    """How often the platform brought it again after the first time."""
    rule: str | None
    rules_version: str | None
    outcome: str | None
    """What routing did, in one word, for people: ``replied``, ``forwarded``, ``dropped``, ``suppressed: …``."""


@frozen
class Accepted:
    """What became of a callback. Returned only after the commit."""

    id: InboundId
    new: bool
    repeats: int


@frozen
class Contact:
    """What is known of a subscriber. ``version`` grows with every change and with every automatic reply."""

    subscriber: str
    version: int
    first_seen_at: Ms | None = None
    name: str = ""
    opted_out: bool = False
    blocked: bool = False
    robot_paused_until: Ms = 0
    """Automatic replies are held back until then: a person took over."""
    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """What rules have ``set``; ``language`` chooses among the texts of a reply."""
    robot_off: bool = False
    """A person switched automatic replies off for this number, until one switches them on again."""


@frozen
class RecentReply:
    """An automatic reply that counts against the guards' budgets."""

    at: Ms
    text: str


class Counted(StrEnum):
    """What of a rule is counted, for its ``limit`` and its ``once``."""

    MATCH = "match"
    REPLY = "reply"


@frozen
class Use:
    """A match or a reply of a rule that counts them."""

    rule: str
    what: Counted
    at: Ms
    """The time of receipt of the message."""


@frozen
class Unrouted:
    """An inbound message with all that a decision may depend on, read together."""

    inbound: Inbound
    contact: Contact
    recent: tuple[RecentReply, ...]
    """Automatic replies to this subscriber since the time the router asked for, oldest first."""
    restored: bool = False
    """It waited in a copy of the store that was put back: a rule may have answered it after the copy was made."""
    uses: tuple[Use, ...] = ()
    """Of this subscriber, as far back as the claim asked."""


@frozen
class Claim:
    """What the router wants to be told of."""

    limit: int
    """Messages."""
    recent_since: Ms
    """Since when automatic replies count against the guards' budgets."""
    day: str
    """``YYYY-MM-DD``, whose spend counts."""
    uses_since: Ms | None = None
    """Since when a subscriber's uses of rules count; None: not at all."""
    totals: Mapping[str, Ms] = field(default_factory=dict)
    """Rules that are limited over all subscribers, each with the time since which its matches count."""


@frozen
class Claimed:
    """The oldest messages that nobody has routed, at most one of each subscriber, and what their replies may cost."""

    messages: tuple[Unrouted, ...]
    day: str
    spent: int
    """Parts of automatic replies written on that day, over all accounts."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Matches of the rules that the claim named."""


# ---------------------------------------------------------------- rules


@frozen
class Forward:
    """A rule's wish to show the message in a chat of the configuration."""

    chat: str
    note: str = ""
    silent: bool = False


@frozen
class Reply:
    """A rule's wish to answer by SMS, rendered."""

    text: str
    sender_name: str | None = None
    ttl: Ms | None = None
    confirms_opt_out: bool = False
    """The one text that a number still gets after this very message has opted it out."""


class OptWish(StrEnum):
    """What a rule wants done about automatic texts to the sender."""

    OUT = "out"
    IN = "in"
    ASK_OUT = "ask_out"
    """The text was not clear enough ("Стоп, спасибо"): a person is to decide, nothing is sent."""
    ASK_IN = "ask_in"


@frozen
class ContactWish:
    """What a rule wants changed of what is known of the sender."""

    opt: OptWish | None = None
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


@frozen
class Fired:
    """One rule that matched and what it wants, in file order."""

    rule: str
    file: str
    line: int
    replies: tuple[Reply, ...] = ()
    forwards: tuple[Forward, ...] = ()
    drop: bool = False
    error: str | None = None
    """The template could not be rendered: nothing of this rule is sent, the default chat gets the message and this."""
    contact: ContactWish | None = None
    counted: tuple[Counted, ...] = ()
    """What is to be counted of this match, with the time of receipt."""
    spent: bool = False
    """There is a reply, but this sender has had it as often as ``once`` allows."""
    recovered: str | None = None
    """Why the rule's own texts could not be made; what it does here is its ``on_error``."""


@frozen
class Decision:
    """What the rules say about one message; pure, before any guard."""

    fired: tuple[Fired, ...]
    """Empty where nothing matched: the message goes to the default chat and is counted."""
    rules_version: str


# ---------------------------------------------------------------- outbound SMS


class SmsState(StrEnum):
    DRAFT = "draft"
    """Waits for a person's word."""
    QUEUED = "queued"
    SENDING = "sending"
    """Committed before the request leaves; found at a start it becomes ``uncertain``."""
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    UNCONFIRMED = "unconfirmed"
    """Polling gave up."""
    FAILED = "failed"
    PARKED = "parked"
    """The platform took it and holds it until somebody tops up; never send it again."""
    UNCERTAIN = "uncertain"
    """The request may have arrived. A person decides."""
    CANCELLED = "cancelled"
    STALE = "stale"
    """Not worth sending any more: it waited too long, for its turn (ttl) or for a person's word."""
    ABANDONED = "abandoned"


class Ask(StrEnum):
    """Why a person is asked before an SMS leaves, or may still stop it: ``Sms.asks``. Texts are made of these."""

    PARTS = "parts"
    """More parts than ``confirm_parts``."""
    COMMAND_PARTS = "command_parts"
    """The same of what a command sends, which no edit of a message makes shorter."""
    DEAR = "dear"
    """Characters that Latin texts can do without cost a part or more."""
    NOTE_INSIDE = "note_inside"
    """A line that is not the first begins with a note mark."""
    OPTED_OUT = "opted_out"
    BLOCKED = "blocked"
    CAPTION = "caption"
    """Only the words under a picture or a file can go out."""
    PLACE = "place"
    """A place can go out as a link to a map."""
    CORRECTS_SENT = "corrects_sent"
    """The text of a message that was edited after it left."""
    CORRECTS_UNCLEAR = "corrects_unclear"
    """The same, where nobody knows whether the first text left."""
    CORRECTS_UNSENT = "corrects_unsent"
    """The same, where the first text surely did not leave."""
    UNDO = "undo"
    """Nobody is asked: the row is queued and due a moment later, and may be stopped until then."""


UNDECIDED = "undecided"
"""Why a draft became ``stale``: ``Sms.reason``."""
DRAFT_LIFE: Ms = DAY
"""How long a draft waits for a person's word. "We are there in an hour" must not leave three days later."""
CORRECTIONS = frozenset({Ask.CORRECTS_SENT, Ask.CORRECTS_UNCLEAR, Ask.CORRECTS_UNSENT})


class Move(StrEnum):
    """Every change of an outbound SMS's state, by name. :data:`MOVES` says from where to where."""

    RELEASE = "release"
    HOLD_BACK = "hold_back"
    CANCEL = "cancel"
    EXPIRE_WAITING = "expire_waiting"
    REFUSE_QUEUED = "refuse_queued"
    START = "start"
    ACCEPTED = "accepted"
    RETRY = "retry"
    REFUSED = "refused"
    PARK = "park"
    LOSE_TRACK = "lose_track"
    PROVE = "prove"
    ABANDON = "abandon"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    GIVE_UP = "give_up"
    RESTORE = "restore"


S = SmsState
MOVES: Mapping[Move, tuple[frozenset[SmsState], SmsState]] = {
    Move.RELEASE: (frozenset({S.DRAFT}), S.QUEUED),
    Move.HOLD_BACK: (frozenset({S.QUEUED}), S.DRAFT),
    Move.CANCEL: (frozenset({S.DRAFT, S.QUEUED}), S.CANCELLED),
    Move.EXPIRE_WAITING: (frozenset({S.DRAFT, S.QUEUED}), S.STALE),
    Move.REFUSE_QUEUED: (frozenset({S.QUEUED}), S.FAILED),
    Move.START: (frozenset({S.QUEUED}), S.SENDING),
    Move.ACCEPTED: (frozenset({S.SENDING}), S.SENT),
    Move.RETRY: (frozenset({S.SENDING}), S.QUEUED),
    Move.REFUSED: (frozenset({S.SENDING}), S.FAILED),
    Move.PARK: (frozenset({S.SENDING}), S.PARKED),
    Move.LOSE_TRACK: (frozenset({S.SENDING}), S.UNCERTAIN),
    Move.PROVE: (frozenset({S.UNCERTAIN, S.PARKED}), S.SENT),
    Move.ABANDON: (frozenset({S.UNCERTAIN, S.PARKED}), S.ABANDONED),
    Move.DELIVERED: (frozenset({S.SENT}), S.DELIVERED),
    Move.UNDELIVERED: (frozenset({S.SENT}), S.UNDELIVERED),
    Move.EXPIRED: (frozenset({S.SENT}), S.EXPIRED),
    Move.GIVE_UP: (frozenset({S.SENT}), S.UNCONFIRMED),
    Move.RESTORE: (frozenset({S.DRAFT, S.QUEUED, S.SENDING}), S.UNCERTAIN),
}
"""The only table of allowed changes; the store refuses everything else. docs/architecture.md shows it to people."""

BIRTH_STATES = frozenset({S.DRAFT, S.QUEUED, S.SENDING})
FINAL_STATES = frozenset(
    {S.DELIVERED, S.UNDELIVERED, S.EXPIRED, S.UNCONFIRMED, S.FAILED, S.CANCELLED, S.STALE, S.ABANDONED}
)


class Priority(IntEnum):
    """Lower goes first within a lane and within an account."""

    PERSON = 0
    AUTOMATIC = 1
    BROADCAST = 2


class Origin(StrEnum):
    RULE = "rule"
    OPERATOR = "operator"
    COMMAND = "command"


@frozen
class NewSms:
    """An SMS somebody wants sent. ``key`` makes writing it idempotent: a second row with the same key is not made."""

    key: str
    account: str
    recipient: str
    sender_name: str
    text: str
    parts: int
    origin: Origin
    priority: Priority
    state: SmsState = SmsState.QUEUED
    """``draft``, ``queued`` or ``sending``. ``sending`` is a wish: the store queues the row where its lane is busy."""
    due_at: Ms = 0
    expires_at: Ms | None = None
    inbound_id: InboundId | None = None
    conversation_id: ConversationId | None = None
    chat_id: int | None = None
    """Telegram chat of the operator's message that this SMS came from; its fate is shown there."""
    message_id: int | None = None
    author: str = ""
    """Who wanted it, for people: an operator's name and id, a rule's name, ``cli``."""
    retry_of: SmsId | None = None
    asks: tuple[Ask, ...] = ()


@frozen
class Sms:
    """A stored outbound SMS."""

    id: SmsId
    key: str
    account: str
    recipient: str
    sender_name: str
    text: str
    parts: int
    origin: Origin
    priority: Priority
    state: SmsState
    created_at: Ms
    due_at: Ms
    expires_at: Ms | None
    attempts: int
    """Requests that left or may have left, and connections that failed."""
    sending_since: Ms | None
    sent_at: Ms | None
    final_at: Ms | None
    platform_ids: tuple[str, ...]
    platform_status: str
    """The platform's last word about delivery, as it came."""
    reason: str
    """A :class:`Reason`; empty while all is well."""
    detail: str
    """The platform's words for people; never the SMS's text, never a secret."""
    poll_at: Ms | None
    polls: int
    inbound_id: InboundId | None
    conversation_id: ConversationId | None
    chat_id: int | None
    message_id: int | None
    author: str
    retry_of: SmsId | None
    asks: tuple[Ask, ...] = ()
    """Why a person was or is asked about it; what was decided says ``state``."""


@frozen
class Rewrite:
    """Another text for an SMS that has not left, and what is to become of it with that text."""

    text: str
    parts: int
    asks: tuple[Ask, ...]
    draft: bool
    """It waits for a person's word from now on; else it is queued."""
    due_at: Ms
    """Not sent before then; a wait that is longer already is kept."""
    author: str


@frozen
class Change:
    """What a :class:`Move` writes beside the state. ``None`` leaves a column as it is."""

    reason: str | None = None
    detail: str | None = None
    due_at: Ms | None = None
    platform_ids: tuple[str, ...] | None = None
    platform_status: str | None = None
    poll_at: Ms | None = None
    polls: int | None = None
    author: str = ""
    """Who decided it, where a person did; kept in the row's history."""
    posts: tuple[NewPost, ...] = ()
    """Chat posts that belong to the change and are written with it, or not at all."""


# ---------------------------------------------------------------- the platform's answers


class SendClass(StrEnum):
    """What an answer to a send means for the message (docs/architecture.md, the three outcomes)."""

    ACCEPTED = "accepted"
    PARKED = "parked"
    REFUSED = "refused"
    """Permanent for this message."""
    ACCOUNT_FAULT = "account_fault"
    """Nothing wrong with the message: back to the queue, the account is held."""
    ZERO = "zero"
    """The document's only error; the balance tells whether the account or the message is meant."""
    SAME_REQUEST = "same_request"
    """The same request was made less than a minute ago."""
    NOT_SENT = "not_sent"
    """Surely did not reach the platform."""
    TEMPORARY = "temporary"
    """The platform answered that it is ill without having taken the message (429)."""
    UNKNOWN = "unknown"
    """May have arrived."""


class Reason(StrEnum):
    """Why an SMS is in its state: ``Receipt.reason``, ``Sms.reason``. Stable; people's texts are made from these."""

    # what the platform said
    ZERO = "zero"
    """``0``, the document's only error: bad login, no credit and a bad number look alike."""
    BAD_LOGIN = "bad_login"
    BLOCKED = "blocked"
    """The account is blocked."""
    NO_CREDIT = "no_credit"
    PARKED = "parked"
    """Taken, and sent as soon as somebody tops up."""
    STOP_LIST = "stop_list"
    DIRECTION_CLOSED = "direction_closed"
    MODERATED = "moderated"
    """The text was refused by a moderator."""
    BAD_SENDER = "bad_sender"
    """The sender name is not registered, not approved or too long."""
    NO_TEXT = "no_text"
    BAD_NUMBER = "bad_number"
    """Said by the platform; or by us without asking, where it is no number at all."""
    SAME_REQUEST = "same_request"
    UNKNOWN_WORDS = "unknown_answer"
    """Plain words that nobody knows; ``detail`` shows them."""

    # answers that do not tell what became of the message
    POSSIBLY_TAKEN = "possibly_taken"
    """Unknown words that speak of sending, or hold what may be an id."""
    COUNT_DIFFERS = "count_differs"
    """Not one id for each recipient."""
    EMPTY = "empty_answer"
    HTML = "html_answer"
    """A page, or a script that died in the middle of its work."""
    GARBLED = "garbled_answer"
    TOO_LONG = "long_answer"

    # what HTTP said; the status stands in ``detail``
    REDIRECTED = "http_3xx"
    """The address has moved: set the account's ``url``."""
    SERVER_ERROR = "http_5xx"
    BUSY = "http_429"
    NOT_ADMITTED = "http_not_admitted"
    """401, 403, 404, 405, 410: no such script there, or not for us. Check ``url`` and ``script``."""
    BAD_REQUEST = "http_bad_request"
    """400, 414, 431: refused for its form, most likely for its length."""
    ODD_STATUS = "http_other"

    # no answer
    INVALID_URL = "invalid_url"
    DNS = "dns"
    NOT_CONNECTED = "not_connected"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    DISCONNECTED = "disconnected"
    READ_TIMEOUT = "read_timeout"
    BAD_HTTP = "bad_http"
    BROKEN_BODY = "broken_body"
    CLIENT_ERROR = "client_error"
    """Anything else that went wrong on our side."""

    # said by the pipeline
    INTERNAL = "internal"
    """A fault of ours in the adapter; nobody knows whether the request left."""
    INTERRUPTED = "interrupted"
    """The bridge was stopped or died in mid-send."""
    PROVED_BY_PROBE = "proved_by_probe"
    """The repetition was refused as the same request: the first one arrived."""
    NO_ACCOUNT = "no_account"
    """The account it should go out by is not in the configuration any more."""
    ZEROS = "zeros"
    """A bare ``0`` for several recipients in a row: the account is meant."""
    RESTORED = "restored"
    """It waited in a copy of the store that was put back: it may have been sent after the copy was made."""


@frozen
class Receipt:
    """The outcome of one send request."""

    outcome: SendClass
    ids: tuple[str, ...] = ()
    reason: str = ""
    """A :class:`Reason`, or empty."""
    detail: str = ""
    """The platform's own words, shortened, markup stripped; safe to show and to log."""


class ReportClass(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    PARTLY = "partly"
    """Non-final, shown."""
    OTHER = "other"
    """A word nobody knows: kept as it came, visible, non-final."""


@frozen
class Report:
    """The platform's answer to "what became of this id"."""

    outcome: ReportClass
    word: str
    """As it came."""
    at_raw: str = ""
    """The platform's time of the update, as it came."""


@frozen
class Balance:
    amount: float
    currency: str
    directions: tuple[tuple[str, float], ...] = ()


@frozen
class AccountState:
    """Why an account's queue stands still, and its last known balance. Kept in the store: a restart must not forget."""

    account: str
    held_reason: str = ""
    """Empty while the account works."""
    held_detail: str = ""
    held_since: Ms | None = None
    probe_at: Ms | None = None
    """When to ask the platform again whether the hold is over."""
    probes: int = 0
    balance: float | None = None
    currency: str = ""
    balance_at: Ms | None = None
    last_contact_at: Ms | None = None
    """The last time the platform answered anything."""


# ---------------------------------------------------------------- conversations and chat posts


@frozen
class Conversation:
    """A subscriber seen from one chat. An answer goes out by the account and from the number of the latest inbound."""

    id: ConversationId
    chat: str
    """Name of the chat in the configuration (never ``@admin``)."""
    subscriber: str
    code: str
    """The short id that every post carries (``a7f3``): finds the conversation where the mapping was lost."""
    account: str
    receiver: str
    """Our number that the latest inbound was written to."""
    thread_id: int | None
    """Topic of the conversation, in chats with topics."""
    last_inbound_id: InboundId | None
    last_inbound_at: Ms | None
    closed_at: Ms | None = None
    """Somebody put it aside; the subscriber's next SMS opens it again."""
    claimed_by: int | None = None
    """Telegram user id of the colleague who said that the conversation is theirs."""
    claimed_name: str = ""
    claimed_until: Ms = 0


class PostKind(StrEnum):
    INBOUND = "inbound"
    """A subscriber's SMS, in its conversation."""
    NOTICE = "notice"
    """A line for the team about a conversation or an operator's message; ``payload['text']`` is a text id."""
    ALERT = "alert"
    """A line in the admin chat; ``payload['text']`` is a text id."""
    FATE = "fate"
    """The state of an SMS shown on the operator's message: one row an SMS, always the latest state."""
    OPENING = "opening"
    """An SMS by which a person began a conversation: its first message in the chat, with the latest state."""
    TOPIC = "topic"
    """The conversation's topic is to look as the store says: its name, open or closed."""


class PostPriority(IntEnum):
    """New SMS before failures before status changes before reactions: a group has one small budget for all of them."""

    AHEAD = -1
    """What is of no use behind new SMS: that there are many of them, and a button that lives for a moment."""
    INBOUND = 0
    FAILURE = 1
    STATUS = 2
    REACTION = 3


Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@frozen
class NewPost:
    """Something to show in a chat. ``key`` makes writing it idempotent (``None``: always written)."""

    chat: str
    """Configured name, :data:`DEFAULT_CHAT` or :data:`ADMIN_CHAT`; ``id:-100…`` addresses a chat by its id."""
    kind: PostKind
    priority: PostPriority
    key: str | None = None
    payload: Mapping[str, Json] = field(default_factory=dict)
    """JSON. Never holds the SMS's text: that is read from ``inbound_id`` or ``sms_id`` when the post is rendered."""
    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None
    reply_to: int | None = None
    """Message id in the chat that this post answers."""
    due_at: Ms = 0


def opening_key(chat_id: int, message_id: int) -> str:
    """The key of the ``opening`` of what a command's message sends. Written again with each change of its SMS."""
    return f"opening:{chat_id}:{message_id}"


@frozen
class Post:
    """A stored chat post, joined with what it is about."""

    id: PostId
    chat: str
    kind: PostKind
    priority: PostPriority
    payload: Mapping[str, Json]
    reply_to: int | None
    attempts: int
    revision: int
    """Grows when a ``fate`` or ``opening`` is written again while it is being posted; ``post_done`` compares it."""
    shown: str
    """For these two: what was shown last (renderer's own words), so that nothing is said twice."""
    created_at: Ms
    due_at: Ms
    conversation: Conversation | None
    inbound: Inbound | None
    sms: Sms | None
    contact: Contact | None


@frozen
class Posted:
    """What Telegram answered to a post; stored with "done" in one transaction."""

    chat_id: int
    message_id: int | None = None
    thread_id: int | None = None
    """Set when a topic was made for the conversation."""
    shown: str = ""


@frozen
class Earlier:
    """What a subscriber wrote before an SMS."""

    count: int
    """As far as it was counted."""
    last_at: Ms | None


class Deed(StrEnum):
    """What people change about a subscriber or a conversation by a command or a button. Kept with author and time."""

    BLOCK = "block"
    UNBLOCK = "unblock"
    RENAME = "rename"
    TAG = "tag"
    UNTAG = "untag"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    ROBOT_OFF = "robot_off"
    ROBOT_ON = "robot_on"
    CLOSE = "close"
    OPEN = "open"
    CLAIM = "claim"
    RELEASE = "release"


@frozen
class Order:
    """One change that a person wants made, once: ``key`` is made of the message or the press it came from."""

    key: str
    deed: Deed
    author: str
    """For people: name and id."""
    subscriber: str
    conversation_id: ConversationId | None = None
    """What ``close``, ``open``, ``claim`` and ``release`` are about."""
    detail: str = ""
    """The name, the tag, or the name of whoever claims."""
    user_id: int | None = None
    """Who claims."""
    until: Ms = 0
    """When a claim ends by itself."""
    by_hand: tuple[int, int] | None = None
    """Chat and message id of Telegram's own line about it, where it was done there and the topic shows it already."""


class UpdateState(StrEnum):
    NEW = "new"
    DONE = "done"
    PARKED = "parked"
    """Could not be parsed or processed: kept for a person, does not block the rest."""


@frozen
class StoredUpdate:
    update_id: int
    raw: str
    """JSON as Telegram sent it."""
    received_at: Ms


CROWD = 10
"""Alerts of one kind that are told of one by one."""


@frozen
class Alert:
    """A condition the team is told of once, with its all-clear. ``key`` names the condition while it lasts."""

    key: str
    text: str
    """Text id in the telegram texts, for example ``alert.account_fault``."""
    params: Mapping[str, Json] = field(default_factory=dict)
    account: str = ""
    crowd: Alert | None = None
    """Opened in this one's place where ``CROWD`` others are open whose keys begin with its key: the team is told of a
    flood, once, and not flooded."""


@frozen
class Restored:
    """What was found open in a copy of the store when a bridge first ran on it."""

    taken_at: Ms
    """When the copy was made. What happened later is not in it."""
    restored_at: Ms
    """What operators wrote or pressed before that is not acted upon."""
    last_inbound: InboundId
    """No rule answers this message or an earlier one any more."""
    sms: int
    """SMS that waited or were being sent: ``uncertain`` now."""
    inbound: int
    """Messages that were not routed: people see them, no rule answers."""
    updates: int
    """Updates of Telegram that were not processed: what they say is not sent."""


# ---------------------------------------------------------------- routing's result


@frozen
class Shown:
    """A forward to write: the conversation (chat, subscriber) is made or brought up to date with the post."""

    chat: str
    payload: Mapping[str, Json] = field(default_factory=dict)


@frozen
class ContactChange:
    """What is known of a subscriber from now on."""

    opted_out: bool
    tags: tuple[str, ...]
    values: Mapping[str, str]


@frozen
class Settlement:
    """Everything that routing one inbound message writes, in one transaction or not at all."""

    inbound_id: InboundId
    subscriber: str
    contact_version: int
    """As read with the message; another value in the store means: decide again (``settle`` answers ``None``)."""
    now: Ms
    state: InboundState
    rule: str | None
    rules_version: str
    outcome: str
    replies: tuple[NewSms, ...] = ()
    spend_limit: int | None = None
    """Parts a day that automatic replies may cost over all accounts; above it: decide again."""
    spend_day: str = ""
    """The day the spend counts for, ``YYYY-MM-DD`` in UTC."""
    forwards: tuple[Shown, ...] = ()
    posts: tuple[NewPost, ...] = ()
    alerts: tuple[Alert, ...] = ()
    contact: ContactChange | None = None
    uses: tuple[Use, ...] = ()


@frozen
class Settled:
    """What ``settle`` wrote."""

    inbound_id: InboundId
    born_sending: tuple[Sms, ...] = ()
    """Rows that are ``sending`` already: the caller must send them now."""
