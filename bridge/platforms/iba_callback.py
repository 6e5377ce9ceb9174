"""Reads the platform's call for an inbound SMS, and makes the answer that the platform expects.

Works on the raw bytes of the query, because the decoded query of a framework has lost a Windows-1251 text. Never
raises, whatever the bytes are. Never refuses a call with an id, because the platform would repeat it for ever.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256

from bridge.config import CallbackSettings
from bridge.model.base import Ms
from bridge.model.inbound import InboundCall
from bridge.text import charsets, phones
from bridge.value import value_object

SECRET_PARAMETER = b"key"
"""Our own parameter: the platform calls the URL that was registered with it, and that URL contains the secret."""

_PARAMETERS = {name.encode(): name for name in ("date", "text", "smsid", "sender", "receiver", "prefix")}
_HASHED = ("sender", "receiver", "text")
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_SMSID = re.compile(rb"[0-9A-Za-z_-]{1,64}")
_LONGEST_TEXT = 64 * 1024  # bytes; the longest SMS has 1,530 Cyrillic letters, 3,060 bytes
_LONGEST_NUMBER = 100
_NOTHING = (b"",)


class CallFault(StrEnum):
    """Why a call with an id is quarantined. Stable codes; the texts for people are made from them."""

    NO_SENDER = "no_sender"
    DUPLICATE_PARAMETER = "duplicate_parameter"
    """A parameter has two different values. The first is used; the raw query has both."""
    TOO_LONG = "too_long"


@value_object
class CallRefused:
    """A call without a usable id. It cannot be acknowledged, so the answer is 400."""

    reason: str
    """``no_smsid`` or ``bad_smsid``."""


def parse_callback(
    raw_query: bytes, *, account: str, settings: CallbackSettings, region: str, received_at: Ms
) -> InboundCall | CallRefused:
    """Read a call from the raw bytes behind the ``?``.

    Only ``smsid`` is required. A date in an unknown form is kept raw. Bytes that are not percent-encoded stay as they
    are, and so do malformed escapes such as ``%ZZ``.
    """
    values, has_secret = _values(raw_query)
    smsid = values["smsid"][0] if "smsid" in values else b""
    if not _SMSID.fullmatch(smsid):
        return CallRefused(reason="bad_smsid" if smsid else "no_smsid")

    def text_of(name: str) -> str:
        return charsets.decode(values[name][0], settings.encoding) if name in values else ""

    sender = _number(text_of("sender"))
    date_raw = text_of("date").strip()
    return InboundCall(
        account=account,
        smsid=smsid.decode("ascii"),
        sender=sender,
        subscriber=phones.normalise(sender, region),
        receiver=_number(text_of("receiver")),
        prefix=text_of("prefix").strip(),
        text=text_of("text"),
        date_raw=date_raw,
        date=parse_date(date_raw, settings.timezone),
        raw_query=_without_secret(raw_query) if has_secret else raw_query,
        content_hash=_content_hash(values),
        received_at=received_at,
        fault=_fault(values, sender),
    )


def acknowledgement(settings: CallbackSettings, smsid: str) -> bytes:
    """The body after which the platform stops calling. It must be sent only for a message that is on disk."""
    return settings.answer.replace("{smsid}", smsid).encode("utf-8", "replace")


def unquote(value: bytes) -> bytes:
    """Decode a value: ``+`` is a space, ``%41`` a byte. Takes a third of the time of ``urllib``'s function."""
    if b"+" in value:
        value = value.replace(b"+", b" ")
    return _ESCAPES.sub(_unescaped, value) if b"%" in value else value


def _unescaped(run: re.Match[bytes]) -> bytes:
    return unhexlify(run[0].replace(b"%", b""))


def _values(raw_query: bytes) -> tuple[dict[str, list[bytes]], bool]:
    """The different values of each known parameter, percent-decoded and in their order; and True if the query has the
    secret."""
    values: dict[str, list[bytes]] = {}
    has_secret = False
    for pair in raw_query.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        name = _PARAMETERS.get(raw_name) or _PARAMETERS.get(bare := unquote(raw_name))
        if name is None:
            has_secret = has_secret or bare == SECRET_PARAMETER
            continue
        value = unquote(raw_value)
        known = values.setdefault(name, [value])
        if value not in known:
            known.append(value)
    return values, has_secret


def _without_secret(raw_query: bytes) -> bytes:
    pairs = raw_query.split(b"&")
    return b"&".join(pair for pair in pairs if unquote(pair.partition(b"=")[0]) != SECRET_PARAMETER)


def _number(text: str) -> str:
    """The number that the platform meant: a space before digits was a ``+`` that was not escaped."""
    trimmed = text.strip()
    return f"+{trimmed}" if text.startswith(" ") and trimmed.isascii() and trimmed.isdecimal() else trimmed


def _content_hash(values: Mapping[str, Sequence[bytes]]) -> bytes:
    """Hash of the content. The lengths are hashed, too, so that different contents never give the same bytes."""
    parts = [value for name in _HASHED for value in values.get(name, _NOTHING)]
    return sha256(b"".join([len(value).to_bytes(8, "big") + value for value in parts])).digest()


def _fault(values: Mapping[str, Sequence[bytes]], sender: str) -> str | None:
    too_long = False
    for name, several in values.items():
        if len(several) > 1:
            return CallFault.DUPLICATE_PARAMETER
        too_long = too_long or len(several[0]) > (_LONGEST_TEXT if name == "text" else _LONGEST_NUMBER)
    if not sender:
        return CallFault.NO_SENDER
    return CallFault.TOO_LONG if too_long else None


# ---------------------------------------------------------------- the date; the document does not state its form

_UNIX = re.compile(r"[0-9]{9,10}(?:\.[0-9]{1,9})?|[0-9]{12,13}", re.ASCII)
_RUSSIAN = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})(?:[ T,]+(\d\d?):(\d\d)(?::(\d\d))?(?:\.\d+)?)?", re.ASCII)
# The `+` of an ISO offset was not escaped and has become a space.
_LOST_PLUS = re.compile(r"(?<=:\d\d) (?=\d\d:?\d\d$)", re.ASCII)


@lru_cache(maxsize=256)
def parse_date(raw: str, zone: tzinfo) -> Ms | None:
    """Read ``YYYY-MM-DD HH:MM:SS``, ``DD.MM.YYYY HH:MM:SS``, ISO 8601 or a Unix time. None for any other form.

    A time without an offset is in ``zone``.
    """
    text = raw.strip()
    try:
        if _UNIX.fullmatch(text):
            return int(text) if len(text) >= 12 and text.isdecimal() else int(float(text) * 1000)
        if russian := _RUSSIAN.fullmatch(text):
            day, month, year, hour, minute, second = (int(part or 0) for part in russian.groups())
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        else:
            moment = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    except (ValueError, OverflowError):
        return None  # an odd date is no reason to refuse a message; the raw string is kept
