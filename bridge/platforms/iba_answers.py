"""What an answer to a send means for each recipient of the request. Pure; never raises, whatever the bytes.

One rule decides every doubt: what might have been taken is UNKNOWN, and UNKNOWN is never sent again silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.model.answers import Reason, Receipt, SendClass
from bridge.platforms.http import Answer, NoAnswer
from bridge.platforms.iba_table import STATUSES, Row
from bridge.platforms.iba_words import Words, cut, known, read, shown
from bridge.value import value_object

_LONGEST_ID = 32
_ID = re.compile(rf"[0-9]{{1,{_LONGEST_ID}}}")
_MAY_BE_ID = re.compile(r"[0-9]{6,}")
_WORD_OR_CODE = re.compile(r"[^\W\d_]{2,}|^-[0-9]{1,5}$")
# "будет отправлена", "принято", "sent", "OK": an error does not speak like that, an acceptance in new words does.
_MAY_BE_TAKEN = re.compile(
    r"отправлен|принят|поставл|доставл|очеред|успешн|будет|\b(?:ok|ок|sent|accept|queue|success|submit|deliver)",
    re.IGNORECASE,
)
# What PHP prints when a script dies, perhaps after it took the message.
_SCRIPT_DIED = re.compile(r"(?:php )?(?:fatal error|parse error|warning|notice|deprecated|uncaught)\b", re.IGNORECASE)


@value_object
class _Verdict:
    """The same for every recipient of the request."""

    outcome: SendClass
    reason: Reason


def _unknown(reason: Reason) -> _Verdict:
    return _Verdict(outcome=SendClass.UNKNOWN, reason=reason)


def classify(
    answer: Answer | NoAnswer, recipients: Sequence[str], *, secrets: Sequence[str] = ()
) -> tuple[Receipt, ...]:
    """One receipt for each recipient, in their order.

    ``secrets`` (password, login, the SMS's text) are taken out of ``detail`` should the platform echo them.
    """
    if len(recipients) == 1 and (plain := _plain_id(answer)):
        return (Receipt(outcome=SendClass.ACCEPTED, ids=(plain,)),)
    if isinstance(answer, NoAnswer):
        outcome = SendClass.UNKNOWN if answer.left else SendClass.NOT_SENT
        return (Receipt(outcome=outcome, reason=Reason(answer.fault)),) * len(recipients)
    words = read(answer)
    success = 200 <= answer.status < 300
    verdict = _of_success(words, recipients) if success else _of_status(answer.status, words, recipients)
    if isinstance(verdict, tuple):
        return verdict
    detail = shown(words, secrets=secrets, recipients=recipients)
    if answer.status != 200:
        detail = cut(f"HTTP {answer.status}: {detail}" if detail else f"HTTP {answer.status}")
    return (Receipt(outcome=verdict.outcome, reason=verdict.reason, detail=detail),) * len(recipients)


def _plain_id(answer: Answer | NoAnswer) -> str:
    """The id where the answer is nothing but one, as nearly all are. Without it the same would come out, only later."""
    if isinstance(answer, Answer) and answer.status == 200 and answer.whole and len(answer.body) <= 2 * _LONGEST_ID:
        body = answer.body.strip()
        if body.isdigit() and len(body) <= _LONGEST_ID and body.strip(b"0"):
            return body.decode("ascii")
    return ""


def _of_status(status: int, words: Words, recipients: Sequence[str]) -> _Verdict:
    if 300 <= status < 400:
        # Nothing follows it. That the script did not work is likely and no proof: PHP's own redirect is a 302 and comes
        # from inside a script. To hold the account and send later could send twice, so a person decides.
        return _unknown(Reason.REDIRECTED)
    if status >= 500:
        return _unknown(Reason.SERVER_ERROR)
    if status >= 400 and (row := known(words)) is not None:
        return _of_row(row, words, recipients)
    outcome, reason = STATUSES.get(status, (SendClass.UNKNOWN, Reason.ODD_STATUS))
    return _Verdict(outcome=outcome, reason=reason)


def _of_success(words: Words, recipients: Sequence[str]) -> _Verdict | tuple[Receipt, ...]:
    tokens = words.tokens
    bare = words.whole and not words.markup
    if bare and tokens and all(_ID.fullmatch(token) for token in tokens):
        return _of_ids(tokens, recipients)
    if (row := known(words)) is not None:
        return _of_row(row, words, recipients)
    if not bare:
        return _unknown(Reason.HTML if words.markup else Reason.TOO_LONG)
    # The family calls an empty body an ill platform. A script that died after taking the message has one, too.
    return _of_prose(words, recipients) if tokens else _unknown(Reason.EMPTY)


def _of_row(row: Row, words: Words, recipients: Sequence[str]) -> _Verdict:
    if len(recipients) > 1 and (row.of_one or _foreign_numbers(words.text, recipients)):
        return _unknown(Reason.COUNT_DIFFERS)
    return _Verdict(outcome=row.outcome, reason=row.reason)


def _of_ids(tokens: Sequence[str], recipients: Sequence[str]) -> _Verdict | tuple[Receipt, ...]:
    zeros = [token for token in tokens if not token.strip("0")]
    if len(zeros) == len(tokens):
        return _Verdict(outcome=SendClass.ZERO, reason=Reason.ZERO)
    ids = tuple(dict.fromkeys(tokens))
    if len(recipients) == 1 and not zeros:
        return (Receipt(outcome=SendClass.ACCEPTED, ids=ids),)
    # Each message has an id of its own (document), so a repeated one or a 0 among them is a missing one.
    if zeros or len(tokens) != len(recipients) or len(ids) != len(tokens):
        return _unknown(Reason.COUNT_DIFFERS)
    return tuple(Receipt(outcome=SendClass.ACCEPTED, ids=(one,)) for one in ids)


def _of_prose(words: Words, recipients: Sequence[str]) -> _Verdict:
    """Words nobody knows.

    An accepted send is answered with ids and nothing else, so readable words are an error: REFUSED. That costs no
    money by itself, for nothing is sent again unless a person who reads the platform's words wants it; UNKNOWN could
    repeat the request (a probe), and would ask a person about each of the family's many other errors. It is UNKNOWN all
    the same where the words could be an acceptance (an id in them, talk of sending), where a script died half-way, or
    where several recipients are meant.
    """
    if _SCRIPT_DIED.match(words.text):
        return _unknown(Reason.HTML)
    if not words.readable or not _WORD_OR_CODE.search(words.text):
        return _unknown(Reason.GARBLED)
    if _MAY_BE_TAKEN.search(words.text) or _foreign_numbers(words.text, recipients):
        return _unknown(Reason.POSSIBLY_TAKEN)
    if len(recipients) > 1:
        return _unknown(Reason.COUNT_DIFFERS)
    return _Verdict(outcome=SendClass.REFUSED, reason=Reason.UNKNOWN_WORDS)


def _foreign_numbers(text: str, recipients: Sequence[str]) -> bool:
    """Whether long numbers stand in the text that are not the recipients': they may be ids."""
    return any(run not in recipients for run in _MAY_BE_ID.findall(text))
