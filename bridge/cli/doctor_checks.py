"""The checks of the doctor besides Telegram: configuration, store, platform, and our own callback.

They send no SMS, store nothing and print no secret. They say nothing about things that they cannot check.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bridge.cli.common import wall_clock
from bridge.cli.service import ServiceRefused, nodes, process_statuses
from bridge.config import AccountSettings, Settings
from bridge.config.checks import TEST_SENDER
from bridge.errors import ConfigError, PlatformError, StoreError
from bridge.schema import display_path
from bridge.telegram.setup.findings import Finding, fault, ok, warning
from bridge.web.answers import BODIES
from bridge.web.health import ELSEWHERE

MEGABYTE = 2**20
LOW_SPACE = 500
"""Free megabytes below which a person should be warned."""
SELF_CALL_S = 5
LINK_TEXTS = {"ok": "link.ok", "off (no token)": "link.off", **dict.fromkeys(ELSEWHERE, "link.elsewhere")}
_PREFERENCE = ("link.ok", "failure", "link.elsewhere", "link.away", "link.off")
"""Text ids of the states of the link to Telegram, the most informative first. ``failure`` stands for any failure."""
NOT_ACKNOWLEDGED = 400
"""The status that answers a call without an id or an update. The call was read and not stored."""


def check_config(settings: Settings) -> list[Finding]:
    from bridge.app.rulebook import rules_of

    try:
        rules = rules_of(settings)
    except ConfigError as error:
        return problems(error)
    # The sender name for trials has a finding of its own.
    others = [each for each in (*settings.warnings, *rules.warnings) if not each.message.startswith(TEST_SENDER)]
    return [ok("config", rules=len(rules.rules)), *(warning("config_warning", problem=str(each)) for each in others)]


def problems(error: ConfigError) -> list[Finding]:
    return [fault("config_problem", problem=str(each)) for each in error.problems]


async def check_store(settings: Settings) -> list[Finding]:
    """Check the permissions of the user who runs the doctor, and the free space."""
    if settings.storage.is_postgresql:
        return await check_server(settings)
    path = settings.storage.sqlite_path
    folder = existing_folder(path)
    why = write_obstacle(path, folder)
    if why:
        return [fault("store_refused", path=display_path(path), why=why)]
    free = shutil.disk_usage(folder).free // MEGABYTE
    shown = display_path(path)
    if free >= LOW_SPACE:
        return [ok("store", path=shown, free=free)]
    level = fault if free < LOW_SPACE // 10 else warning
    return [level("disk_low", path=shown, free=free)]


async def check_server(settings: Settings) -> list[Finding]:
    """Check that the PostgreSQL database can be reached, is ours and can be written to. Writes nothing."""
    from bridge.store import check_shared_storage

    try:
        await check_shared_storage(settings.storage.url, now=wall_clock())
    except StoreError as error:
        return [fault("server_refused", detail=str(error))]
    return [ok("server")]


def existing_folder(path: Path) -> Path:
    """The nearest folder above ``path`` that exists; the start of the service creates the others."""
    return next(folder for folder in path.absolute().parents if folder.exists())


def write_obstacle(path: Path, folder: Path) -> str:
    """The text id of the reason why the store could not be written; empty if it could."""
    if not folder.is_dir():
        return "path.no_folder"
    if path.is_dir():
        return "path.is_folder"
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        return "path.no_rights"
    return ""


async def check_service(settings: Settings) -> tuple[Finding, bool]:
    """Check whether a service runs on this store, by its local socket. Returns the finding, and True if one runs."""
    try:
        running = await process_statuses(settings)
    except ServiceRefused as error:
        return warning("service_silent", detail=str(error)), True
    if not running:
        names = ", ".join(node.name for node in await nodes(settings))
        return (ok("service_elsewhere", bridges=names), True) if names else (ok("service_off"), False)
    states = [status.parts.get("telegram", "") for status in running]
    state = best_link(states)
    return ok("service", why=link(state), telegram=state), True


def best_link(states: Sequence[str]) -> str:
    """The most informative state of the link to Telegram. Of several processes, one has the link for all."""

    def rank(state: str) -> int:
        found = link(state)
        return _PREFERENCE.index(found) if found in _PREFERENCE else _PREFERENCE.index("failure")

    return min(states, key=rank, default="")


def link(state: str) -> str:
    """The text id for the state of the link to Telegram (``telegram_line`` in bridge/app/service.py)."""
    said = state.partition(",")[0]
    kind, _, failure = said.partition(": ")
    return f"failure.{failure}" if kind == "failure" else LINK_TEXTS.get(said, "link.away")


async def check_account(name: str, account: AccountSettings, settings: Settings) -> list[Finding]:
    found = [await check_login(name, account)]
    if TEST_SENDER in {sender.upper() for sender in (account.sender, *account.senders.values())}:
        found.append(warning("sender_test", account=name))
    return [*found, callback_address(name, account, settings), await check_callback(name, account, settings)]


async def check_login(name: str, account: AccountSettings) -> Finding:
    from bridge.platforms.choice import platform_of

    platform = platform_of(account)
    try:
        balance = await platform.balance()
    except PlatformError as error:
        return fault("account_refused", account=name, why=f"reason.{error.reason}", detail=error.detail)
    finally:
        await platform.close()
    return ok("account", account=name, amount=f"{balance.amount:.2f}", currency=balance.currency)


def callback_address(name: str, account: AccountSettings, settings: Settings) -> Finding:
    """The callback address to register with the platform. The public host is unknown, and the secret is not shown."""
    key = "?key=<callback.secret>" if account.callback.secret.get_secret_value() else ""
    where = f"http://<host>:{settings.server.port}{account.callback.path}{key}"
    return ok("callback", account=name, address=where)


async def check_webhook(settings: Settings) -> list[Finding]:
    """Call our webhook as Telegram does, with the right secret but without an update. It refuses the call and stores
    nothing."""
    telegram = settings.telegram
    if telegram.updates != "webhook" or not telegram.token.get_secret_value():
        return []
    from bridge.telegram.updates.intake import address
    from bridge.web.webhook import SECRET_HEADER

    url = address(settings.web.public_url)
    secret = telegram.webhook_secret.get_secret_value()
    timeout = aiohttp.ClientTimeout(total=SELF_CALL_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=b"{}", headers={SECRET_HEADER: secret}, allow_redirects=False) as answer,
        ):
            status, ours = answer.status, await answer.read() == BODIES[NOT_ACKNOWLEDGED]
    except (aiohttp.ClientError, TimeoutError) as error:
        return [warning("webhook_unreachable", url=url, detail=type(error).__name__)]
    if status == NOT_ACKNOWLEDGED and ours:
        return [ok("webhook_answers", url=url)]
    return [fault("webhook_refused", url=url, status=status)]


async def check_callback(name: str, account: AccountSettings, settings: Settings) -> Finding:
    """Call our callback without an id. The call is refused, and the status tells how far it got."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)
    host = f"[{host}]" if ":" in host else host
    address = f"{host}:{settings.server.port}"
    secret = account.callback.secret.get_secret_value()
    timeout = aiohttp.ClientTimeout(total=SELF_CALL_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(
                f"http://{address}{account.callback.path}",
                params={"key": secret} if secret else {},
                allow_redirects=False,
            ) as answer,
        ):
            status, ours = answer.status, answer.headers.get("Server") == "sms-bridge"
    except (aiohttp.ClientError, TimeoutError):
        return warning("callback_down", account=name, place=address)
    if ours and status == NOT_ACKNOWLEDGED:
        return ok("callback_answers", account=name)
    if ours and status == 403 and account.callback.allow:
        return ok("callback_guarded", account=name, place=address)
    return fault("callback_refused", account=name, place=address, status=status)
