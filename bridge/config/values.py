"""Checks of single values of ``config.yaml``: sender names, addresses, tokens, times of day.

Each check takes a value and returns it, perhaps tidied. It raises :class:`ValueError` with a sentence for the person
who edits the file. No sentence repeats a value, because a password may stand in any field by mistake.
"""

from __future__ import annotations

import ipaddress
import re
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import phonenumbers
from pydantic import Field, SecretStr, ValidationInfo

from bridge.model.base import MINUTE
from bridge.schema.values import OFF, did_you_mean, from_file, parse_number, parse_whole

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
NO_CONFIRM_PARTS = 1_000
"""Value for ``confirm_parts: off``: more parts than any SMS has."""
MAX_UNDO = 10 * MINUTE

_NAME = re.compile(r"\w[\w.-]{0,63}")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{3,100}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DAYS = "mon|tue|wed|thu|fri|sat|sun"
_DAY_RANGE = re.compile(rf"(?:{_DAYS})(?:-(?:{_DAYS}))?")
_CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
_TIMES = rf"{_CLOCK}-({_CLOCK}|24:00)"
TimesText = Annotated[str, Field(pattern=f"^{_TIMES}$")]
"""One span of working hours as it is written (``09:00-18:00``), for the JSON Schema."""


def check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            "a name has letters, digits, `_`, `-` and `.`, begins with a letter or digit, and has at most 64"
        )
    return value


def check_not_empty(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def check_secret(value: SecretStr) -> SecretStr:
    if _CONTROL.search(value.get_secret_value()):
        raise ValueError("holds a line break or another control character")
    return value


def check_secret_not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty")
    return value


def check_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if token and not _TOKEN.fullmatch(token):
        raise ValueError("is no bot token; @BotFather gives one such as 123456789:AAF…, or leave it empty")
    return value


def normalise_own_number(value: str) -> str:
    """A number of ours as the platform writes it: digits without ``+`` and spaces. A name stays as it is."""
    digits = re.sub(r"[ ()+-]", "", value)
    if digits.isascii() and digits.isdigit():
        return digits
    return check_not_empty(value)


def _split(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        _ = parts.port  # an impossible port raises only when it is read
    except ValueError:
        return None
    return parts if parts.hostname and not re.search(r"\s", value) else None


def check_base_url(value: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"}:
        raise ValueError("expected an address such as https://host or http://host:8080")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("expected an address without user, `?` and `#`, such as https://host")
    return value.rstrip("/")


def check_public_url(value: str) -> str:
    return check_base_url(value) if value else value


def check_proxy(value: str) -> str:
    parts = _split(value) if value else None
    if value and (parts is None or parts.scheme not in {"http", "https", "socks5", "socks5h"}):
        raise ValueError("expected a proxy such as http://host:3128 or socks5://host:1080")
    if parts is not None and parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ValueError(
            "a SOCKS proxy needs the package socksio (pip install 'sms-bridge[socks]'); or give an http one"
        )
    return value


def check_host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if _HOST.fullmatch(value):
            return value
    raise ValueError("expected an address to listen on, such as 127.0.0.1 or 0.0.0.0; the port stands in `port`")


def check_path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("must begin with `/`, such as /sms.php")
    if not _PATH.fullmatch(value):
        raise ValueError("expected a path of Latin letters, digits, `/`, `.`, `_`, `-` and `~`, such as /sms.php")
    return value


def check_answer(value: str) -> str:
    if "{smsid}" not in value:
        raise ValueError(
            "must hold {smsid}, such as smsid={smsid}: without the id the platform brings each SMS again and again"
        )
    if re.search(r"[{}]", value.replace("{smsid}", "")):
        raise ValueError("{smsid} is the only thing that is filled in; other braces are not allowed")
    return value


def parse_amount_or_off(value: object, info: ValidationInfo) -> float | None:
    if value == OFF or (value is None and not from_file(info)):
        return None
    try:
        amount = parse_number(value)
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= 1e12:
        raise ValueError("expected an amount such as 500, or off")
    return amount


def check_chat_id(value: int) -> int:
    if value == 0:
        raise ValueError("expected the id of a chat: negative for groups, such as -1001234567890")
    return value


def parse_operators(value: object) -> object:
    if value == "members" or isinstance(value, tuple):
        return value
    expected = "expected `members` or a list of user ids such as [123456789]"
    if not isinstance(value, list):
        raise ValueError(expected)
    try:
        return tuple(parse_whole(user) for user in value)
    except ValueError:
        raise ValueError(expected) from None


def check_note_mark(value: str) -> str:
    if not 1 <= len(value) <= 8 or re.search(r"\s", value):
        raise ValueError("expected one to eight characters without spaces, such as //")
    if value == "/":
        raise ValueError("`/` begins a command; expected another mark, such as //")
    return value


def parse_confirm_parts(value: object) -> object:
    return NO_CONFIRM_PARTS if value == OFF else value


def check_undo(value: int | None) -> int | None:
    if value is not None and value > MAX_UNDO:
        raise ValueError("too long; a reply may be held back for at most 10m")
    return value


def check_storage(value: str) -> str:
    if value.startswith(POSTGRES):
        return check_postgres(value)
    path = value.removeprefix(SQLITE)
    if not value.startswith(SQLITE) or not path.strip("/ ") or re.search(r"[?#\x00-\x1f]", path):
        raise ValueError(
            f"expected {SQLITE}data/bridge.db (relative to this file), {SQLITE}/var/lib/… (absolute)"
            " or postgresql://user:password@host:5432/database"
        )
    if path == ":memory:" or path.endswith("/"):
        raise ValueError(f"the store needs a file that outlives the process, such as {SQLITE}data/bridge.db")
    return value


def check_postgres(value: str) -> str:
    """Check the URL and the installed packages. No connection to the server is made."""
    expected = "expected postgresql://user:password@host:5432/database"
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{expected}; the port is not a number") from error
    if not parts.path.strip("/"):
        raise ValueError(f"{expected}; the database is missing")
    if parts.fragment:
        raise ValueError(f"{expected}; write # in the password as %23")
    if find_spec("asyncpg") is None or find_spec("greenlet") is None:
        raise ValueError("PostgreSQL needs more packages: pip install 'sms-bridge[postgres]'")
    return value


def check_region(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        hint = did_you_mean(value, phonenumbers.SUPPORTED_REGIONS) if len(value) == 2 else ""
        raise ValueError(f"expected a country in two capital letters, such as RU{hint}")
    return value


def check_country(value: str) -> str:
    if value and not re.fullmatch(r"[A-Z]{2}", value):
        raise ValueError("expected a country in two capital letters, such as RU")
    return value


def check_days(value: str) -> str:
    if not _DAY_RANGE.fullmatch(value):
        raise ValueError("expected a day or days such as mon or mon-fri (mon tue wed thu fri sat sun)")
    return value


def parse_times(value: object) -> tuple[str, ...]:
    """The times of a day: ``09:00-18:00``, or a list of these."""
    items = [value] if isinstance(value, str) else value
    if (
        not isinstance(items, list | tuple)
        or not items
        or not all(isinstance(item, str) and re.fullmatch(_TIMES, item) for item in items)
    ):
        raise ValueError('expected times such as "09:00-18:00"')
    return tuple(items)
