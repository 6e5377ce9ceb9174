"""``sendsms.php``: one page with three uses (send, delivery status, balance), as the platform's document describes it.

Why it exists: it separates the meaning of a request from the sockets and from the records for tests. If the document
leaves a choice open, the choice is a field of :class:`PlatformVariant`. A client must understand all variants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from bridge.sandbox.faults import FAULT_BODIES, HTTP_STATUS, REFUSAL_WORDS, USUAL_DELAY, ArmedFault, Fault, RequestKind
from bridge.sandbox.ledger import Ledger, SendRequest, SimulatedAccount, TakenSms, send_request_of
from bridge.sandbox.wire import Behaviour, WireReply, WireRequest
from bridge.value import value_object

PLATFORM_TIME = ZoneInfo("Europe/Moscow")
MAX_KNOWN = 512
"""Longest field in bytes whose decoded form is cached."""


SCRIPT = "/sendsms.php"
"""Path of the page."""


class BalanceForm(StrEnum):
    """How an answer writes the balance."""

    DOCUMENT = "document"
    """Amount, currency, then ``direction: amount``, each on a line."""
    ONE_LINE = "one_line"
    """``997.50 RUR``, seen in the field."""
    ONE_LINE_COMMA = "one_line_comma"


class StatusForm(StrEnum):
    """How a status answer joins the word and "the time of the status update". The document does not say it."""

    LINES = "lines"
    SPACE = "space"
    SEMICOLON = "semicolon"
    BR = "br"
    WORD_ONLY = "word_only"


_STATUS_GLUE: Mapping[StatusForm, str] = {
    StatusForm.LINES: "\n",
    StatusForm.SPACE: " ",
    StatusForm.SEMICOLON: ";",
    StatusForm.BR: "<br>",
}


@value_object
class PlatformVariant:
    """The choices in which platforms of the family differ, or which the document leaves open."""

    refuses_in_words: bool = False
    """True: refusals have words. False: ``0``, the only error of the document."""
    prose_encoding: str = "utf-8"
    """Encoding of answers in words: ``utf-8`` or ``windows-1251``."""
    separator: str = ","
    """Stands between the ids of several recipients."""
    bom: bool = False
    """True: a byte order mark stands before the ids."""
    without_credit: Fault = Fault.NO_CREDIT
    """What happens without credit: ``NO_CREDIT`` refuses a message, ``PARKED`` accepts it and holds it back."""
    balance_form: BalanceForm = BalanceForm.DOCUMENT
    status_form: StatusForm = StatusForm.LINES
    currency: str = "RUR"
    direction: str = "Россия"


@value_object
class PageRequest:
    """A decoded request."""

    kind: RequestKind
    method: str
    path: str
    target: bytes
    fields: Mapping[str, str]
    text_encoding: str


@value_object
class PageReply:
    """The answer of the page, its words, and the SMS that the platform took."""

    wire: WireReply
    words: str
    taken: tuple[TakenSms, ...] = ()


_BEHAVIOURS: Mapping[Fault, Behaviour] = {
    Fault.GARBAGE: Behaviour.NOT_HTTP,
    Fault.TRICKLE: Behaviour.TRICKLE,
    Fault.HANG: Behaviour.HANG,
    Fault.HANG_AFTER_TAKING: Behaviour.HANG,
    Fault.CUT_BEFORE_READING: Behaviour.CLOSE,
    Fault.CUT_AFTER_READING: Behaviour.CLOSE,
    Fault.CUT_AFTER_TAKING: Behaviour.CLOSE,
    Fault.RESET: Behaviour.RESET,
    Fault.RESET_AFTER_TAKING: Behaviour.RESET,
    Fault.HALF_HEADERS: Behaviour.HALF_HEADERS,
    Fault.HALF_BODY: Behaviour.HALF_BODY,
}
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_NOT_HTTP = b"\x15\x03\x01\x00\x02\x02\x0a"
"""A TLS alert."""


def decode(value: bytes) -> tuple[str, str]:
    """Decode as UTF-8 if it is valid, else as Windows-1251: the document allows both and names no way to tell."""
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return value.decode("cp1251", "replace"), "windows-1251"


def _unquote(value: bytes) -> bytes:
    """Undo ``%XX`` and ``+``; a malformed escape stays. Four times as fast as ``urllib``."""
    spaced = value.replace(b"+", b" ")
    if b"%" not in spaced:
        return spaced
    return _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), spaced)


def _field(part: bytes) -> tuple[str, str, str]:
    """Split ``name=value`` into the name, the value and the encoding of the value."""
    name, _, value = part.partition(b"=")
    return (decode(_unquote(name))[0], *decode(_unquote(value)))


_known_field = lru_cache(maxsize=4096)(_field)
"""A cache: login, password, sender name and most texts are the same in every request."""


def parse_query(query: bytes) -> tuple[dict[str, str], str]:
    """The parameters by name (the last of equal names), and the encoding of ``text``."""
    fields: dict[str, str] = {}
    text_encoding = "utf-8"
    for part in query.split(b"&"):
        name, value, encoding = _known_field(part) if len(part) <= MAX_KNOWN else _field(part)
        if name == "text":
            text_encoding = encoding
        if name:
            fields[name] = value
    return fields, text_encoding


class SendPage:
    """Reads the requests to the page and makes its answers."""

    def __init__(self, ledger: Ledger, account: SimulatedAccount, variant: PlatformVariant) -> None:
        self.variant = variant
        self._ledger = ledger
        self._account = account

    # ------------------------------------------------------------ reading

    def read(self, request: WireRequest) -> PageRequest:
        path, _, query = request.target.partition(b"?")
        fields, text_encoding = parse_query(query)
        where, method = path.decode("latin-1"), request.method.decode("latin-1")
        return PageRequest(
            kind=self._kind_of(method, where, fields),
            method=method,
            path=where,
            target=request.target,
            fields=fields,
            text_encoding=text_encoding,
        )

    def numbers_of(self, request: PageRequest) -> tuple[str, ...]:
        """The recipients that a request is about."""
        if request.kind is RequestKind.SEND:
            return send_request_of(request.fields, "utf-8").recipients
        if request.kind is RequestKind.STATUS:
            known = self._ledger.recipient_of(request.fields["smsid"])
            return (known,) if known else ()
        return ()

    def _kind_of(self, method: str, path: str, fields: Mapping[str, object]) -> RequestKind:
        if path != SCRIPT or method != "GET":
            return RequestKind.OTHER
        if "balance" in fields:
            return RequestKind.BALANCE
        return RequestKind.STATUS if "smsid" in fields else RequestKind.SEND

    # ------------------------------------------------------------ answering

    def reply(self, request: PageRequest, armed: ArmedFault | None) -> PageReply:
        if request.kind is RequestKind.OTHER:
            status = 405 if request.path == SCRIPT else 404
            return PageReply(wire=WireReply(status=status, body=b"<h1>Not here</h1>"), words="")
        if armed is None:
            words, taken = self._without_fault(request)
            return PageReply(wire=WireReply(body=self._encode(words)), words=words, taken=taken)
        return self._with_fault(request, armed)

    def _with_fault(self, request: PageRequest, armed: ArmedFault) -> PageReply:
        """The answer under a fault: first the page takes the SMS or not, then the fault spoils the answer."""
        fault, words = armed.fault, ""
        taken: tuple[TakenSms, ...] = ()
        if fault in REFUSAL_WORDS:
            words = self._refused_on_purpose(request, fault)
            return PageReply(wire=WireReply(body=self._encode(words), delay=armed.delay), words=words)
        if armed.takes:
            words, taken = self._without_fault(request)
        if fault is Fault.TWO_IDS and taken:
            words += self.variant.separator + self._ledger.new_id()
        body = FAULT_BODIES[fault] if fault in FAULT_BODIES else self._encode(words)
        status = HTTP_STATUS.get(fault, 200)
        if status != 200:
            body = b"<html><body><h1>%d</h1></body></html>" % status
        wire = WireReply(
            body=_NOT_HTTP if fault is Fault.GARBAGE else body,
            status=status,
            headers=b"Location: %s\r\n" % request.target if fault is Fault.REDIRECT else b"",
            behaviour=_BEHAVIOURS.get(fault, Behaviour.WHOLE),
            delay=armed.delay or USUAL_DELAY.get(fault, 0),
        )
        return PageReply(wire=wire, words=words, taken=taken)

    def _refused_on_purpose(self, request: PageRequest, fault: Fault) -> str:
        if request.kind is RequestKind.BALANCE:
            return ""
        if fault is Fault.PARKED and request.kind is RequestKind.SEND:
            self._ledger.park(send_request_of(request.fields, request.text_encoding))
        return REFUSAL_WORDS[fault]

    def _without_fault(self, request: PageRequest) -> tuple[str, tuple[TakenSms, ...]]:
        """The answer without a fault: the words of the page, and the SMS it took."""
        known = self._knows_login(request.fields)
        if request.kind is RequestKind.BALANCE:
            return (self._balance() if known and request.fields["balance"] == "1" else ""), ()
        if not known:
            return self._refusal(Fault.BAD_LOGIN), ()
        if request.kind is RequestKind.STATUS:
            return self._status(request.fields["smsid"]), ()
        return self._send(send_request_of(request.fields, request.text_encoding))

    def _knows_login(self, fields: Mapping[str, str]) -> bool:
        return fields.get("user") == self._account.login and fields.get("pwd") == self._account.password

    def _send(self, request: SendRequest) -> tuple[str, tuple[TakenSms, ...]]:
        objection = self._ledger.objection(request)
        if objection is not None:
            return self._refusal(objection), ()
        if not self._ledger.affords(request):
            if self.variant.without_credit is Fault.PARKED:
                self._ledger.park(request)
            return self._refusal(self.variant.without_credit), ()
        taken = self._ledger.take(request)
        ids = self.variant.separator.join([sms.id for sms in taken])
        return ("\ufeff" + ids if self.variant.bom else ids), taken

    def _status(self, platform_id: str) -> str:
        found = self._ledger.next_status(platform_id)
        if found is None:
            return REFUSAL_WORDS[Fault.ZERO]
        word, at = found
        form = self.variant.status_form
        if form is StatusForm.WORD_ONLY:
            return word
        when = datetime.fromtimestamp(at / 1000, UTC).astimezone(PLATFORM_TIME)
        return f"{word}{_STATUS_GLUE[form]}{when:%Y-%m-%d %H:%M:%S}"

    def _balance(self) -> str:
        amount, variant = f"{self._ledger.balance:.2f}", self.variant
        match variant.balance_form:
            case BalanceForm.DOCUMENT:
                return f"{amount}\n{variant.currency}\n{variant.direction}: {amount}\n"
            case BalanceForm.ONE_LINE:
                return f"{amount} {variant.currency}"
            case BalanceForm.ONE_LINE_COMMA:
                return f"{amount.replace('.', ',')} {variant.currency}"

    def _refusal(self, fault: Fault) -> str:
        """The words of a refusal, or ``0`` as in the document. Refusals that the document lacks always have words."""
        always = (Fault.PARKED, Fault.SAME_REQUEST)
        return REFUSAL_WORDS[fault] if self.variant.refuses_in_words or fault in always else REFUSAL_WORDS[Fault.ZERO]

    def _encode(self, words: str) -> bytes:
        return words.encode("cp1251" if self.variant.prose_encoding == "windows-1251" else "utf-8", "replace")
