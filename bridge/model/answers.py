"""What the platform answers, and what it is worth."""

from __future__ import annotations

from enum import StrEnum

from bridge.model.base import Ms
from bridge.value import value_object


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


@value_object
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


@value_object
class Report:
    """The platform's answer to "what became of this id"."""

    outcome: ReportClass
    word: str
    """As it came."""
    at_raw: str = ""
    """The platform's time of the update, as it came."""


@value_object
class Balance:
    amount: float
    currency: str
    directions: tuple[tuple[str, float], ...] = ()


@value_object
class AccountState:
    """Why an account's queue stands still, and its last known balance. Kept in the store: a restart must not forget."""

    account: str
    suspended_reason: str = ""
    """Empty while the account works."""
    suspended_detail: str = ""
    suspended_since: Ms | None = None
    probe_at: Ms | None = None
    """When to ask the platform again whether the hold is over."""
    probes: int = 0
    balance: float | None = None
    currency: str = ""
    balance_at: Ms | None = None
    last_contact_at: Ms | None = None
    """The last time the platform answered anything."""
