"""Decides what the answer to a send means for each recipient. Pure; never raises, whatever the bytes are.

One rule decides every doubt: an SMS that the platform may have taken is UNKNOWN, and UNKNOWN is never sent again
automatically.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.model.answers import Receipt, SendOutcome, SmsReason
from bridge.platforms.http import Answer, NoAnswer
from bridge.platforms.iba_table import STATUSES, AnswerRow
from bridge.platforms.iba_text import AnswerText, cut, find_row, read_text, showable
from bridge.value import value_object

_LONGEST_ID = 32
_ID = re.compile(rf"[0-9]{{1,{_LONGEST_ID}}}")
_MAY_BE_ID = re.compile(r"[0-9]{6,}")
_WORD_OR_CODE = re.compile(r"[^\W\d_]{2,}|^-[0-9]{1,5}$")
# Words such as "будет отправлена", "принято", "sent", "OK" may be a new wording of an acceptance, so they are no error.
_MAY_BE_TAKEN = re.compile(
    r"отправлен|принят|поставл|доставл|очеред|успешн|будет|\b(?:ok|ок|sent|accept|queue|success|submit|deliver)",
    re.IGNORECASE,
)
# PHP prints these when a script dies, perhaps after it took the message.
_SCRIPT_DIED = re.compile(r"(?:php )?(?:fatal error|parse error|warning|notice|deprecated|uncaught)\b", re.IGNORECASE)


@value_object
class _Meaning:
    """The meaning of an answer that is the same for all recipients."""

    outcome: SendOutcome
    reason: SmsReason


def _unknown(reason: SmsReason) -> _Meaning:
    return _Meaning(outcome=SendOutcome.UNKNOWN, reason=reason)


def classify(
    answer: Answer | NoAnswer, recipients: Sequence[str], *, secrets: Sequence[str] = ()
) -> tuple[Receipt, ...]:
    """One receipt for each recipient, in their order.

    ``secrets`` (password, login, text of the SMS) are removed from ``detail``, because the platform may echo them.
    """
    if len(recipients) == 1 and (plain := _plain_id(answer)):
        return (Receipt(outcome=SendOutcome.ACCEPTED, ids=(plain,)),)
    if isinstance(answer, NoAnswer):
        outcome = SendOutcome.UNKNOWN if answer.left else SendOutcome.NOT_SENT
        return (Receipt(outcome=outcome, reason=SmsReason(answer.fault)),) * len(recipients)
    text = read_text(answer)
    success = 200 <= answer.status < 300
    meaning = _of_success(text, recipients) if success else _of_status(answer.status, text, recipients)
    if isinstance(meaning, tuple):
        return meaning
    detail = showable(text, secrets=secrets, recipients=recipients)
    if answer.status != 200:
        detail = cut(f"HTTP {answer.status}: {detail}" if detail else f"HTTP {answer.status}")
    return (Receipt(outcome=meaning.outcome, reason=meaning.reason, detail=detail),) * len(recipients)


def _plain_id(answer: Answer | NoAnswer) -> str:
    """The id if the answer is one id and nothing else; otherwise empty. Nearly all answers are one id, and this path
    reads them faster, with the same result."""
    if isinstance(answer, Answer) and answer.status == 200 and answer.whole and len(answer.body) <= 2 * _LONGEST_ID:
        body = answer.body.strip()
        if body.isdigit() and len(body) <= _LONGEST_ID and body.strip(b"0"):
            return body.decode("ascii")
    return ""


def _of_status(status: int, text: AnswerText, recipients: Sequence[str]) -> _Meaning:
    if 300 <= status < 400:
        # The client does not follow a redirect. Probably the script did not run, but that is not certain: PHP's own
        # redirect is a 302 from inside a script. A second attempt could send twice, so a person decides.
        return _unknown(SmsReason.REDIRECTED)
    if status >= 500:
        return _unknown(SmsReason.SERVER_ERROR)
    if status >= 400 and (row := find_row(text)) is not None:
        return _of_row(row, text, recipients)
    outcome, reason = STATUSES.get(status, (SendOutcome.UNKNOWN, SmsReason.ODD_STATUS))
    return _Meaning(outcome=outcome, reason=reason)


def _of_success(text: AnswerText, recipients: Sequence[str]) -> _Meaning | tuple[Receipt, ...]:
    tokens = text.tokens
    bare = text.whole and not text.markup
    if bare and tokens and all(_ID.fullmatch(token) for token in tokens):
        return _of_ids(tokens, recipients)
    if (row := find_row(text)) is not None:
        return _of_row(row, text, recipients)
    if not bare:
        return _unknown(SmsReason.HTML if text.markup else SmsReason.TOO_LONG)
    # A broken platform answers with an empty body, but so does a script that died after it took the message.
    return _of_prose(text, recipients) if tokens else _unknown(SmsReason.EMPTY)


def _of_row(row: AnswerRow, text: AnswerText, recipients: Sequence[str]) -> _Meaning:
    if len(recipients) > 1 and (row.about_one_recipient or _foreign_numbers(text.plain, recipients)):
        return _unknown(SmsReason.COUNT_DIFFERS)
    return _Meaning(outcome=row.outcome, reason=row.reason)


def _of_ids(tokens: Sequence[str], recipients: Sequence[str]) -> _Meaning | tuple[Receipt, ...]:
    zeros = [token for token in tokens if not token.strip("0")]
    if len(zeros) == len(tokens):
        return _Meaning(outcome=SendOutcome.ZERO, reason=SmsReason.ZERO)
    ids = tuple(dict.fromkeys(tokens))
    if len(recipients) == 1 and not zeros:
        return (Receipt(outcome=SendOutcome.ACCEPTED, ids=ids),)
    # Each message has its own id (platform's document), so a repeated id or a 0 means that one is missing.
    if zeros or len(tokens) != len(recipients) or len(ids) != len(tokens):
        return _unknown(SmsReason.COUNT_DIFFERS)
    return tuple(Receipt(outcome=SendOutcome.ACCEPTED, ids=(one,)) for one in ids)


def _of_prose(text: AnswerText, recipients: Sequence[str]) -> _Meaning:
    """The meaning of unknown words.

    An accepted send is answered with ids alone, so readable words are an error: REFUSED. That costs no money, because a
    refused SMS is sent again only if a person wants it after reading the words. UNKNOWN could repeat the request (a
    probe), and would ask a person about every unlisted error of the family. The answer is UNKNOWN in three cases: the
    words may be an acceptance (they contain an id, or speak of sending), a script died, or there are several
    recipients.
    """
    if _SCRIPT_DIED.match(text.plain):
        return _unknown(SmsReason.HTML)
    if not text.readable or not _WORD_OR_CODE.search(text.plain):
        return _unknown(SmsReason.GARBLED)
    if _MAY_BE_TAKEN.search(text.plain) or _foreign_numbers(text.plain, recipients):
        return _unknown(SmsReason.POSSIBLY_TAKEN)
    if len(recipients) > 1:
        return _unknown(SmsReason.COUNT_DIFFERS)
    return _Meaning(outcome=SendOutcome.REFUSED, reason=SmsReason.UNKNOWN_WORDS)


def _foreign_numbers(text: str, recipients: Sequence[str]) -> bool:
    """True if the text contains long numbers that are no recipients; they may be ids."""
    return any(run not in recipients for run in _MAY_BE_ID.findall(text))
