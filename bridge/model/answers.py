"""Answers of the platform: to a send, about a delivery, about a balance."""

from __future__ import annotations

from enum import StrEnum

from bridge.model.base import Ms
from bridge.value import value_object


class SendOutcome(StrEnum):
    """The outcome of one send request (docs/architecture.md, "The three outcomes of a send")."""

    ACCEPTED = "accepted"
    PARKED = "parked"
    REFUSED = "refused"
    """Finally refused: this SMS cannot be sent."""
    ACCOUNT_FAULT = "account_fault"
    """Nothing is wrong with the SMS: it goes back to the queue, and the account is suspended."""
    ZERO = "zero"
    """A bare ``0``, the only error in the platform's document. The balance tells whether the account is at fault."""
    SAME_REQUEST = "same_request"
    """The same request was made less than a minute ago."""
    NOT_SENT = "not_sent"
    """The request surely did not reach the platform."""
    TEMPORARY = "temporary"
    """The platform could not take the SMS just now (429)."""
    UNKNOWN = "unknown"
    """The SMS may have arrived."""


class SmsReason(StrEnum):
    """Why an SMS is in its state: ``Receipt.reason``, ``Sms.reason``. The ids of texts use these values."""

    # what the platform said
    ZERO = "zero"
    """``0``, the only error in the document. A bad login, no credit and a bad number look the same."""
    BAD_LOGIN = "bad_login"
    BLOCKED = "blocked"
    """The account is blocked."""
    NO_CREDIT = "no_credit"
    PARKED = "parked"
    """Taken; the platform sends it after a top-up."""
    STOP_LIST = "stop_list"
    DIRECTION_CLOSED = "direction_closed"
    MODERATED = "moderated"
    """A moderator of the platform refused the text."""
    BAD_SENDER = "bad_sender"
    """The sender name is not registered, not approved or too long."""
    NO_TEXT = "no_text"
    BAD_NUMBER = "bad_number"
    """The platform says so. Or the recipient is not a number, and no request was made."""
    SAME_REQUEST = "same_request"
    UNKNOWN_WORDS = "unknown_answer"
    """Readable words that the bridge does not know. ``detail`` holds them."""

    # answers after which the outcome is unknown
    POSSIBLY_TAKEN = "possibly_taken"
    """Unknown words that mention sending, or may contain an id."""
    COUNT_DIFFERS = "count_differs"
    """The number of ids is not the number of recipients."""
    EMPTY = "empty_answer"
    HTML = "html_answer"
    """A web page, or the output of a script that failed in the middle."""
    GARBLED = "garbled_answer"
    TOO_LONG = "long_answer"

    # the HTTP status; ``detail`` holds it
    REDIRECTED = "http_3xx"
    """The address has changed: set the account's ``url``."""
    SERVER_ERROR = "http_5xx"
    BUSY = "http_429"
    NOT_ADMITTED = "http_not_admitted"
    """401, 403, 404, 405, 410: the script is not there, or access is denied. Check ``url`` and ``script``."""
    BAD_REQUEST = "http_bad_request"
    """400, 414, 431: the request is malformed, most likely too long."""
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
    """Any other error on our side."""

    # from the pipeline
    INTERNAL = "internal"
    """A fault in our adapter: the request may have left."""
    INTERRUPTED = "interrupted"
    """The service stopped or was killed during the send."""
    PROVED_BY_PROBE = "proved_by_probe"
    """The platform refused the probe as the same request, so the first request had arrived."""
    NO_ACCOUNT = "no_account"
    """The account of the SMS is not in the configuration any more."""
    ZEROS = "zeros"
    """A bare ``0`` for several recipients in a row: the account is at fault, not the SMS."""
    RESTORED = "restored"
    """The SMS waited in a copy of the store that was put back. It may have been sent after the copy was made."""


@value_object
class Receipt:
    """The result of one send request: its outcome, and what the platform said with it."""

    outcome: SendOutcome
    ids: tuple[str, ...] = ()
    reason: str = ""
    """A :class:`SmsReason`, or empty."""
    detail: str = ""
    """The platform's own words, shortened, markup stripped; safe to show and to log."""


class ReportOutcome(StrEnum):
    """The outcome that a delivery report names."""

    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    PARTLY = "partly"
    """Some parts are delivered. Not final."""
    OTHER = "other"
    """A word that the bridge does not know. It is stored and shown as it came. Not final."""


@value_object
class DeliveryReport:
    """The delivery report of one platform id."""

    outcome: ReportOutcome
    status: str
    """The platform's word for the status, as it came."""
    at_raw: str = ""
    """The platform's time of the change, as it came."""


@value_object
class Balance:
    """The balance of an account, and the amounts that the platform names for single directions."""

    amount: float
    currency: str
    directions: tuple[tuple[str, float], ...] = ()


@value_object
class AccountState:
    """Whether an account is suspended, and its last known balance. Stored, so that it survives a restart."""

    account: str
    suspended_reason: str = ""
    """Empty: the account is not suspended."""
    suspended_detail: str = ""
    suspended_since: Ms | None = None
    probe_at: Ms | None = None
    """When to ask the platform again whether the fault is over."""
    probes: int = 0
    balance: float | None = None
    currency: str = ""
    balance_at: Ms | None = None
    last_answer_at: Ms | None = None
    """The last time the platform answered anything."""
