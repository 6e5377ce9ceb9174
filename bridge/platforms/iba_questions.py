"""The platform's answers to our two questions: what became of an SMS, and how much money is left.

Pure. No usable answer is a :class:`~bridge.errors.PlatformError` whose text is fit to be shown, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.errors import PlatformError
from bridge.model.answers import Balance, Reason, Report, ReportClass
from bridge.platforms.http import Answer, Fault, NoAnswer
from bridge.platforms.iba_table import STATUS_WORDS, STATUSES
from bridge.platforms.iba_words import Words, known, read, shown

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
    Fault.INVALID_URL: "the account's url is not a usable address",
    Fault.DNS: "the platform's name does not resolve",
    Fault.NOT_CONNECTED: "no connection to the platform",
    Fault.CONNECT_TIMEOUT: "no connection to the platform in time",
    Fault.TLS: "the encrypted connection failed; check the certificate",
    Fault.DISCONNECTED: "the platform closed the connection",
    Fault.READ_TIMEOUT: "the platform did not answer in time",
    Fault.BAD_HTTP: "what came back is not HTTP",
    Fault.BROKEN_BODY: "the answer broke off",
    Fault.CLIENT_ERROR: "the request failed",
}


def parse_report(answer: Answer | NoAnswer, *, secrets: Sequence[str] = ()) -> Report:
    """The status of one SMS: one word, and perhaps a time, in any form and on either side of it.

    More than one word is prose, and prose is an error: "not deliver" must not be read as "deliver".
    :raises PlatformError: no usable answer
    """
    words = _usable(answer, "status", secrets)
    parts = [part for part in (token.strip(_PUNCTUATION) for token in words.tokens) if part]
    said = [part for part in parts if _is_word(part)]
    if len(said) != 1 or len(said[0]) > 40 or said[0].casefold().startswith(_ERROR_WORD):
        raise _unreadable("status", words, secrets)
    (word,) = said
    parts.remove(word)
    return Report(outcome=STATUS_WORDS.get(word.casefold(), ReportClass.OTHER), word=word, at_raw=" ".join(parts)[:100])


def parse_balance(answer: Answer | NoAnswer, *, secrets: Sequence[str] = ()) -> Balance:
    """``Balance``, ``Currency``, then ``Direction: Summ`` lines (document); one line ``100.01 RUR`` (field).

    :raises PlatformError: no usable answer; the document: nothing at all on an error
    """
    words = _usable(answer, "balance", secrets)
    lines = [line for line in map(str.strip, words.text.splitlines()) if line]
    amount = _AMOUNT_LINE.fullmatch(lines[0]) if lines else None
    if amount is None:
        raise _unreadable("balance", words, secrets)
    rest = lines[1:]
    currency = amount[2] or ""
    if not currency and rest and (second := _CURRENCY_LINE.fullmatch(rest[0])) is not None:
        currency = second[1]
    # A line that is no direction is left out: only people read them, and the amount is known by now.
    directions = (_DIRECTION_LINE.fullmatch(line) for line in rest)
    return Balance(
        amount=_amount(amount[1]),
        currency=currency,
        directions=tuple((one[1].strip(), _amount(one[2])) for one in directions if one is not None),
    )


def _usable(answer: Answer | NoAnswer, question: str, secrets: Sequence[str]) -> Words:
    """HTTP 200, plain words, none of the known errors."""
    if isinstance(answer, NoAnswer):
        raise _no_use(question, _NO_ANSWER[answer.fault], Reason(answer.fault))
    words = read(answer)
    if answer.status != 200:
        row = known(words)
        reason = row.reason if row is not None and answer.status < 500 else _of_status(answer.status)
        raise _no_use(question, f"HTTP {answer.status}", reason, f"HTTP {answer.status}")
    if not words.text:
        raise _no_use(question, "an empty answer", Reason.EMPTY)
    if words.markup or not words.whole or not words.readable or known(words) is not None:
        raise _unreadable(question, words, secrets)
    return words


def _unreadable(question: str, words: Words, secrets: Sequence[str]) -> PlatformError:
    """There are words, and they are no answer to it."""
    row = known(words)
    if row is not None:
        reason = row.reason
    elif words.markup:
        reason = Reason.HTML
    elif not words.whole:
        reason = Reason.TOO_LONG
    else:
        reason = Reason.UNKNOWN_WORDS if words.readable else Reason.GARBLED
    said = shown(words, secrets=secrets)
    return _no_use(question, said, reason, said)


def _of_status(status: int) -> Reason:
    if status in STATUSES:
        return STATUSES[status][1]
    return {3: Reason.REDIRECTED, 5: Reason.SERVER_ERROR}.get(status // 100, Reason.ODD_STATUS)


def _no_use(question: str, why: str, reason: Reason, detail: str = "") -> PlatformError:
    return PlatformError(f"no usable answer to the {question} question: {why}", reason=reason, detail=detail)


def _is_word(part: str) -> bool:
    """A status word, as opposed to a piece of a date or a time."""
    has_digit = any(char.isdigit() for char in part)
    return not has_digit and any(map(str.isalpha, part)) and part.casefold() not in _ZONE_WORDS


def _amount(number: str) -> float:
    return float(re.sub(r"[ \u00a0']", "", number).replace(",", "."))
