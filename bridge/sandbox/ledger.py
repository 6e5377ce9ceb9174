"""The books of the simulated platform's account: money, registered names, the SMS it took, their statuses.

Why it exists: every test of "sent once" compares with the book of SMS taken, so the book is kept apart from the sockets
and the faults. This module does no I/O and sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.sandbox.faults import Fault
from bridge.value import value_object

MAX_RECIPIENTS = 10
RECIPIENT = re.compile(r"[0-9]{7,15}")
LATIN_NAME = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,9}[\x21-\x7e])?")
"""Up to 11 characters of ASCII, without white space at the ends."""
DIGITS_NAME = re.compile(r"[0-9]{1,15}")

CENT = 10_000
"""Parts of one unit of money. Amounts are whole numbers of parts, so that a thousand times 2.3 is exactly 2300."""


@value_object
class TakenSms:
    """One SMS that the platform took and charged."""

    id: str
    at: Ms
    recipient: str
    sender_name: str
    text: str
    encoding: str
    """Encoding of the request: ``utf-8`` or ``windows-1251``."""


@value_object
class SendRequest:
    """A send request as the page understood it."""

    recipients: tuple[str, ...]
    sender_name: str
    text: str
    encoding: str


@dataclass(slots=True)
class _ReportPlan:
    """The planned statuses of one SMS, the number of polls answered, and the word reported last with its time."""

    words: Sequence[str]
    polls: int
    word: str
    at: Ms


@value_object
class SimulatedAccount:
    """The account that the simulated platform has."""

    login: str = "demo"
    password: str = "demo"
    sender_names: Sequence[str] | None = ("TESTSMS", "MyShop", "IBATelecom", "79001112233")
    """Registered sender names; None for an account with dynamic names."""
    balance: float = 1000.0
    price: float = 2.5
    """Price of one SMS."""
    same_request_window: Ms = 0
    """Refuse a request that was taken less than this many milliseconds ago; 0: never."""


class Ledger:
    """Keeps the account: charges and records the SMS that the platform takes, and answers polls for their statuses.

    :param keep_book: False only counts the SMS, and answers every status poll with the last usual word.
    """

    def __init__(self, account: SimulatedAccount, *, clock: Clock, first_id: int, keep_book: bool) -> None:
        self.book: list[TakenSms] = []
        self.parked: list[SendRequest] = []
        self.taken = 0
        self.usual_words: tuple[str, ...] = ("Send", "deliver")
        self.sender_names = account.sender_names
        self.price = account.price
        self.same_request_window = account.same_request_window
        self._clock = clock
        self._credit = round(account.balance * CENT)
        self._next_id = first_id
        self._first_id = first_id
        self._keep_book = keep_book
        self._by_id: dict[str, TakenSms] = {}
        self._report_plans: dict[str, _ReportPlan] = {}
        self._words_for: dict[str, tuple[str, ...]] = {}
        self._recent: dict[SendRequest, Ms] = {}

    @property
    def balance(self) -> float:
        return self._credit / CENT

    @balance.setter
    def balance(self, amount: float) -> None:
        self._credit = round(amount * CENT)

    # ------------------------------------------------------------ sending

    def objection(self, request: SendRequest) -> Fault | None:
        """The refusal by the document's rules for names, numbers and text. None if they accept the request."""
        name = request.sender_name
        if not name:
            return Fault.NO_SENDER
        if not (LATIN_NAME.fullmatch(name) or DIGITS_NAME.fullmatch(name)):
            return Fault.SENDER_TOO_LONG
        if self.sender_names is not None and name not in self.sender_names:
            return Fault.BAD_SENDER
        if not request.recipients:
            return Fault.NO_RECIPIENT
        if len(request.recipients) > MAX_RECIPIENTS or not all(map(RECIPIENT.fullmatch, request.recipients)):
            return Fault.RECIPIENT_TOO_LONG
        if not request.text:
            return Fault.NO_TEXT
        if self._is_repetition(request):
            return Fault.SAME_REQUEST
        return None

    def affords(self, request: SendRequest) -> bool:
        return self._credit >= self._cost(request)

    def take(self, request: SendRequest) -> tuple[TakenSms, ...]:
        """Charge the request and write it into the book: one SMS with an id for each recipient, in their order."""
        self._credit -= self._cost(request)
        self._remember_request(request)
        now = self._clock.now()
        taken = tuple(
            TakenSms(
                id=self.new_id(),
                at=now,
                recipient=recipient,
                sender_name=request.sender_name,
                text=request.text,
                encoding=request.encoding,
            )
            for recipient in request.recipients
        )
        self.taken += len(taken)
        if self._keep_book:
            self.book.extend(taken)
            self._by_id.update((sms.id, sms) for sms in taken)
        return taken

    def park(self, request: SendRequest) -> None:
        """Accept the request without money. :meth:`top_up` sends it later."""
        self._remember_request(request)
        self.parked.append(request)

    def top_up(self, amount: float) -> tuple[TakenSms, ...]:
        """Add money, and send parked requests in their order while it lasts."""
        self._credit += round(amount * CENT)
        out: list[TakenSms] = []
        while self.parked and self.affords(self.parked[0]):
            out.extend(self.take(self.parked.pop(0)))
        return tuple(out)

    def new_id(self) -> str:
        """A new id."""
        self._next_id += 1
        return str(self._next_id - 1)

    def _cost(self, request: SendRequest) -> int:
        return round(self.price * CENT) * len(request.recipients)

    def _is_repetition(self, request: SendRequest) -> bool:
        at = self._recent.get(request)
        return at is not None and self._clock.now() - at < self.same_request_window

    def _remember_request(self, request: SendRequest) -> None:
        if not self.same_request_window:
            return
        now = self._clock.now()
        for old in [old for old, at in self._recent.items() if now - at >= self.same_request_window]:
            del self._recent[old]
        self._recent[request] = now

    # ------------------------------------------------------------ statuses

    def plan_words(self, words: Sequence[str], recipient: str | None) -> None:
        """Set the answers to the first, second, … poll; the last is repeated. For SMS that were not polled yet."""
        if not words:
            raise ValueError("a status plan needs at least one word")
        if recipient is None:
            self.usual_words = tuple(words)
        else:
            self._words_for[recipient] = tuple(words)

    def set_word(self, platform_id: str, word: str) -> None:
        """Answer every later poll of this id with ``word``."""
        self._report_plans[platform_id] = _ReportPlan(words=(word,), polls=0, word=word, at=self._clock.now())

    def next_status(self, platform_id: str) -> tuple[str, Ms] | None:
        """Answer one poll: the status word of this id, and the time since which it holds. None for an unknown id."""
        plan = self._report_plans.get(platform_id)
        if plan is None:
            if not platform_id.isascii() or not platform_id.isdigit():
                return None
            if not self._first_id <= int(platform_id) < self._next_id:
                return None
            if not self._keep_book:
                return self.usual_words[-1], self._clock.now()
            words = self._words_for.get(self.recipient_of(platform_id) or "", self.usual_words)
            plan = self._report_plans[platform_id] = _ReportPlan(words=words, polls=0, word="", at=0)
        word = plan.words[min(plan.polls, len(plan.words) - 1)]
        plan.polls += 1
        if word != plan.word:
            plan.word, plan.at = word, self._clock.now()
        return word, plan.at

    def recipient_of(self, platform_id: str) -> str | None:
        sms = self._by_id.get(platform_id)
        return sms.recipient if sms else None


def send_request_of(fields: Mapping[str, str], encoding: str) -> SendRequest:
    """Read a send request from its fields. Refuses nothing."""
    numbers = fields.get("dadr", "").strip()
    return SendRequest(
        recipients=tuple(part.strip() for part in numbers.split(",")) if numbers else (),
        sender_name=fields.get("sadr", ""),
        text=fields.get("text", ""),
        encoding=encoding,
    )
