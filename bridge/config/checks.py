"""Checks that need several values of ``config.yaml``: names that refer to each other, addresses that collide.

:func:`mistakes` reads the document, not the typed settings. So it finds mistakes even if other parts of the file are
wrong, and a person sees all of them at once. :func:`warnings` needs a configuration without mistakes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from bridge.config.settings import (
    CallbackSettings,
    ServerSettings,
    Settings,
    TelegramSettings,
    WebSettings,
)
from bridge.errors import Problem
from bridge.schema.document import Document, Path
from bridge.schema.values import did_you_mean, parse_whole

TEST_SENDER = "TESTSMS"
RESERVED_PATHS = frozenset({"/livez", "/readyz"})
WEBHOOK_PORTS = frozenset({443, 80, 88, 8443})
"""The only ports that Telegram's own servers call."""
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def mistakes(document: Document) -> list[Problem]:
    """Contradictions between values. Values of a wrong type are left to the schema."""
    return [*_listeners(document), *_chats(document), *_webhook(document), *_callbacks(document)]


def warnings(settings: Settings, document: Document) -> list[Problem]:
    """Warnings about settings that work but are probably not meant."""
    return [
        *_sender_warnings(settings, document),
        *_callback_warnings(settings, document),
        *_telegram_warnings(settings, document),
    ]


def _text(document: Document, path: Path, default: str) -> str:
    """The text at ``path``; ``default`` if there is none."""
    value = document.get(path)
    return value if isinstance(value, str) else default


def _names(document: Document, path: Path) -> list[str]:
    """The keys of the mapping at ``path``; empty if there is none."""
    value = document.get(path)
    return list(value) if isinstance(value, dict) else []


def _listeners(document: Document) -> Iterator[Problem]:
    server, web = (
        (_text(document, (key, "host"), default.host), _text(document, (key, "port"), str(default.port)))
        for key, default in (("server", ServerSettings()), ("web", WebSettings()))
    )
    if server == web:
        path = ("web", "port") if document.get(("web", "port")) is not None else ("server", "port")
        yield document.problem(path, "`server` and `web` need different ports: callbacks have a listener of their own")


def _chats(document: Document) -> Iterator[Problem]:
    chats = _names(document, ("telegram", "chats"))
    for key in ("default_chat", "admin_chat"):
        name = _text(document, ("telegram", key), "")
        if name and name not in chats:
            hint = did_you_mean(name, chats) or (
                f"; there are: {', '.join(chats)}" if chats else "; `telegram.chats` is empty"
            )
            yield document.problem(("telegram", key), f"no such chat in `telegram.chats`{hint}")
    seen: dict[int, str] = {}
    for chat in chats:
        path = ("telegram", "chats", chat, "id")
        try:
            other = seen.setdefault(parse_whole(document.get(path)), chat)
        except ValueError:
            continue  # the schema reports it
        if other != chat:
            yield document.problem(path, f"the same chat as `{other}`; ids must differ")


def _webhook(document: Document) -> Iterator[Problem]:
    """Check the address and the secret of a webhook. Only the official Bot API server restricts the address."""
    if _text(document, ("telegram", "updates"), "") != "webhook":
        return
    secret, url = ("telegram", "webhook_secret"), ("web", "public_url")
    value = _text(document, secret, "")
    if not value:
        yield document.problem(
            secret if document.get(secret) is not None else ("telegram", "updates"),
            "`updates: webhook` needs a `webhook_secret`: 1 to 256 random letters and digits, known to Telegram alone",
        )
    elif not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value):
        yield document.problem(secret, "Telegram takes 1 to 256 Latin letters, digits, `_` and `-` here")
    public = _text(document, url, "")
    if not public:
        yield document.problem(
            url if document.get(url) is not None else ("telegram", "updates"),
            "`updates: webhook` needs `web.public_url`: the https address under which Telegram reaches `web`",
        )
        return
    official = TelegramSettings().api_url
    if _text(document, ("telegram", "api_url"), official).rstrip("/") == official:
        yield from _public_address(document, url, public)


def _public_address(document: Document, path: Path, address: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(address)
        port = parts.port or 443
    except ValueError:
        return  # the schema reports it
    if parts.scheme != "https":
        yield document.problem(path, "Telegram calls https addresses only, such as https://sms.example.org")
    elif port not in WEBHOOK_PORTS:
        yield document.problem(path, "Telegram calls the ports 443, 80, 88 and 8443 only")


def _callbacks(document: Document) -> Iterator[Problem]:
    """Check the paths and secrets of callbacks. Two accounts with one path need different secrets to be told apart."""
    default = CallbackSettings()
    seen: dict[tuple[str, str], str] = {}
    for account in _names(document, ("accounts",)):
        base = ("accounts", account, "callback")
        path = _text(document, (*base, "path"), default.path)
        secret = _text(document, (*base, "secret"), "")
        if path.rstrip("/") in RESERVED_PATHS:
            yield document.problem((*base, "path"), f"{path} answers whether the bridge is well; take another path")
        # A secret may also be the last segment of the path, so a path with and without a final slash is the same.
        other = seen.setdefault((path.rstrip("/"), secret), account)
        if other != account:
            secrets = "the same `secret`" if secret else "no `secret`"
            key = "secret" if document.get((*base, "secret")) is not None else "path"
            yield document.problem(
                (*base, key), f"the same `path` as account `{other}` and {secrets}: calls could not be told apart"
            )


def _sender_warnings(settings: Settings, document: Document) -> Iterator[Problem]:
    message = f"{TEST_SENDER} is the platform's name for trials; register a sender name of your own and write it here"
    for name, account in settings.accounts.items():
        if account.sender.upper() == TEST_SENDER:
            yield document.problem(("accounts", name, "sender"), message)
        for number, sender in account.senders.items():
            if sender.upper() == TEST_SENDER:
                yield document.problem(("accounts", name, "senders", number), message)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES


def _callback_warnings(settings: Settings, document: Document) -> Iterator[Problem]:
    """Warnings about callbacks that strangers can call, and about limits that do not work behind a proxy."""
    loopback = _is_loopback(settings.server.host)
    for name, account in settings.accounts.items():
        yield from _warnings_of_callback(account.callback, ("accounts", name, "callback"), document, loopback)


def _warnings_of_callback(
    callback: CallbackSettings, base: Path, document: Document, loopback: bool
) -> Iterator[Problem]:
    secret = callback.secret.get_secret_value()
    if not secret and not callback.allow:
        reach = "" if loopback else ", from any network that reaches `server.host`"
        yield document.problem(
            (*base, "secret"), f"no `secret` and no `allow`: whoever knows the address can put in SMS{reach}"
        )
    elif not secret and not loopback:
        yield document.problem(
            (*base, "secret"), "no `secret`, and `server.host` is not 127.0.0.1: only `allow` protects it"
        )
    elif secret and not re.fullmatch(r"[A-Za-z0-9._~-]+", secret):
        yield document.problem(
            (*base, "secret"), "has characters that must be percent-encoded in an address; letters and digits are safer"
        )
    behind_proxy = callback.allow and loopback and not callback.trusted_proxies
    if behind_proxy and not any(network.is_loopback for network in callback.allow):
        yield document.problem(
            (*base, "allow"),
            "`server.host` is local and `trusted_proxies` is empty: each call seems to come from the proxy",
        )


def _telegram_warnings(settings: Settings, document: Document) -> Iterator[Problem]:
    telegram = settings.telegram
    if telegram.token.get_secret_value() and not telegram.chats:
        yield document.problem(("telegram", "chats"), "a token and no chats: nobody sees what arrives")
    elif telegram.chats and not telegram.default_chat:
        yield document.problem(
            ("telegram", "default_chat"), "no `default_chat`: what no rule forwards is stored and seen by nobody"
        )
