"""Reads the platform's answers to our two questions: the status of an SMS, and the balance.

Pure. An answer that is not usable raises a :class:`~bridge.errors.PlatformError`, whose text may be shown to people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.errors import PlatformError
from bridge.model.answers import Balance, DeliveryReport, ReportOutcome, SmsReason
from bridge.platforms.http import Answer, HttpFault, NoAnswer
from bridge.platforms.iba_table import STATUS_WORDS, STATUSES
from bridge.platforms.iba_text import AnswerText, find_row, read_text, showable

_ERROR_WORD = ("error", "ошибк")
_ZONE_WORDS = frozenset({"msk", "мск", "utc", "gmt"})
_PUNCTUATION = ":.()[]{}\"'|="
_SPACED = r"[ \u00a0'][0-9]{3}"
_NUMBER = rf"[+-]?(?:[0-9]{{1,3}}(?:{_SPACED})+|[0-9]{{1,15}})(?:[.,][0-9]{{1,6}})?"
_CURRENCY = r"(?:[^\W\d_]{1,12}\.?|[₽$€₴₸])"
_AMOUNT_LINE = re.compile(rf"(?:balance\s*[:=]?\s*)?({_NUMBER})\s*({_CURRENCY})?", re.IGNORECASE)
_CURRENCY_LINE = re.compile(rf"(?:currency\s*[:=]?\s*)?({_CURRENCY})", re.IGNORECASE)
_DIRECTION_LINE = re.compile(rf"([^:=]{{1,100}}?)\s*[:=]\s*({_NUMBER})\s*{_CURRENCY}?")

_NO_ANSWER = {
    HttpFault.INVALID_URL: "the account's url is not a usable address",
    HttpFault.DNS: "the platform's name does not resolve",
    HttpFault.NOT_CONNECTED: "no connection to the platform",
    HttpFault.CONNECT_TIMEOUT: "no connection to the platform in time",
    HttpFault.TLS: "the encrypted connection failed; check the certificate",
    HttpFault.DISCONNECTED: "the platform closed the connection",
    HttpFault.READ_TIMEOUT: "the platform did not answer in time",
    HttpFault.BAD_HTTP: "what came back is not HTTP",
    HttpFault.BROKEN_BODY: "the answer broke off",
    HttpFault.CLIENT_ERROR: "the request failed",
}


def parse_report(answer: Answer | NoAnswer, *, secrets: Sequence[str] = ()) -> DeliveryReport:
    """Read the status of one SMS: one word, perhaps with a time in any form before or behind it.

    An answer of more than one word is an error: "not deliver" must not be read as "deliver".
    :raises PlatformError: no usable answer.
    """
    text = _usable(answer, "status", secrets)
    parts = [part for part in (token.strip(_PUNCTUATION) for token in text.tokens) if part]
    said = [part for part in parts if _is_word(part)]
    if len(said) != 1 or len(said[0]) > 40 or said[0].casefold().startswith(_ERROR_WORD):
        raise _unreadable("status", text, secrets)
    (word,) = said
    parts.remove(word)
    outcome = STATUS_WORDS.get(word.casefold(), ReportOutcome.OTHER)
    return DeliveryReport(outcome=outcome, status=word, at_raw=" ".join(parts)[:100])


def parse_balance(answer: Answer | NoAnswer, *, secrets: Sequence[str] = ()) -> Balance:
    """Read ``Balance``, ``Currency``, then ``Direction: Summ`` lines (document), or one line ``100.01 RUR`` (seen).

    :raises PlatformError: no usable answer. By the document an error has an empty body.
    """
    text = _usable(answer, "balance", secrets)
    lines = [line for line in map(str.strip, text.plain.splitlines()) if line]
    amount = _AMOUNT_LINE.fullmatch(lines[0]) if lines else None
    if amount is None:
        raise _unreadable("balance", text, secrets)
    rest = lines[1:]
    currency = amount[2] or ""
    if not currency and rest and (second := _CURRENCY_LINE.fullmatch(rest[0])) is not None:
        currency = second[1]
    # Lines that are no directions are left out: directions are for people only, and the amount is known.
    directions = (_DIRECTION_LINE.fullmatch(line) for line in rest)
    return Balance(
        amount=_amount(amount[1]),
        currency=currency,
        directions=tuple((one[1].strip(), _amount(one[2])) for one in directions if one is not None),
    )


def _usable(answer: Answer | NoAnswer, question: str, secrets: Sequence[str]) -> AnswerText:
    """The text of a usable answer: HTTP 200, plain text, no known error. :raises PlatformError: it is not usable."""
    if isinstance(answer, NoAnswer):
        raise _not_usable(question, _NO_ANSWER[answer.fault], SmsReason(answer.fault))
    text = read_text(answer)
    if answer.status != 200:
        row = find_row(text)
        reason = row.reason if row is not None and answer.status < 500 else _of_status(answer.status)
        raise _not_usable(question, f"HTTP {answer.status}", reason, f"HTTP {answer.status}")
    if not text.plain:
        raise _not_usable(question, "an empty answer", SmsReason.EMPTY)
    if text.markup or not text.whole or not text.readable or find_row(text) is not None:
        raise _unreadable(question, text, secrets)
    return text


def _unreadable(question: str, text: AnswerText, secrets: Sequence[str]) -> PlatformError:
    """The error for a text that is no answer to the question."""
    row = find_row(text)
    if row is not None:
        reason = row.reason
    elif text.markup:
        reason = SmsReason.HTML
    elif not text.whole:
        reason = SmsReason.TOO_LONG
    else:
        reason = SmsReason.UNKNOWN_WORDS if text.readable else SmsReason.GARBLED
    said = showable(text, secrets=secrets)
    return _not_usable(question, said, reason, said)


def _of_status(status: int) -> SmsReason:
    if status in STATUSES:
        return STATUSES[status][1]
    return {3: SmsReason.REDIRECTED, 5: SmsReason.SERVER_ERROR}.get(status // 100, SmsReason.ODD_STATUS)


def _not_usable(question: str, why: str, reason: SmsReason, detail: str = "") -> PlatformError:
    return PlatformError(f"no usable answer to the {question} question: {why}", reason=reason, detail=detail)


def _is_word(part: str) -> bool:
    """True for a status word, False for a part of a date or a time."""
    has_digit = any(char.isdigit() for char in part)
    return not has_digit and any(map(str.isalpha, part)) and part.casefold() not in _ZONE_WORDS


def _amount(number: str) -> float:
    return float(re.sub(r"[ \u00a0']", "", number).replace(",", "."))
