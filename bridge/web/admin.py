"""The local admin socket. Commands use it to reach the running service, because only the service writes to the store.

HTTP with JSON over a Unix socket that only the service's own user may open. It never has a network address.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.model.base import Json, SmsId
from bridge.model.sms import Sms
from bridge.pipeline.commands import Commands
from bridge.pipeline.reload import Reloaded

POSTGRES_PORT = 5432
MAX_SOCKET_PATH = 100
"""Bytes; the kernel allows 108. If the path is longer or the store is shared, the socket is in the temporary directory
and its name contains a hash."""
_DECIMAL = re.compile("[0-9]+")


def socket_path(settings: Settings) -> Path:
    """The socket of this process: beside its database file. On a shared store each process has a socket of its own."""
    if not settings.storage.is_postgresql:
        return socket_beside(settings.storage.sqlite_path)
    return _in_temporary(_store_key(settings.storage.url), f"-{_config_key(settings)}-{os.getpid()}")


def service_sockets(settings: Settings, *, own: bool = False) -> list[Path]:
    """The sockets of the services on this machine that use this store. Sockets of killed services are among them.

    Sockets of services with the same configuration file come first, because those services know the same accounts and
    rules. With ``own`` only these are returned.
    """
    path = socket_path(settings)
    if not settings.storage.is_postgresql:
        return [path] if path.exists() else []
    found = path.parent.glob(_in_temporary(_store_key(settings.storage.url), "-*").name)
    # Any user may create a file in the temporary directory, so only sockets of our own user count.
    mine = {each: f"-{_config_key(settings)}-" in each.name for each in found if _owner(each) == os.getuid()}
    return sorted((each for each in mine if mine[each] or not own), key=lambda each: (not mine[each], each))


def remove_stale_socket(settings: Settings, path: Path) -> None:
    """Delete the socket file of a process that has ended. Called when no process listens on the socket.

    The name of a socket beside a database file contains no process number, even if it ends with digits. This socket
    stays: the next run on the database file replaces it.
    """
    process = path.stem.rpartition("-")[2]
    if settings.storage.is_postgresql and _DECIMAL.fullmatch(process) and not _alive(int(process)):
        path.unlink(missing_ok=True)


def socket_beside(database: Path) -> Path:
    path = database.with_name(database.name + ".sock").absolute()
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH else _in_temporary(os.fsencode(path))


def _in_temporary(owner: bytes, end: str = "") -> Path:
    name = hashlib.sha256(owner).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"sms-bridge-{os.getuid()}-{name}{end}.sock"


def _store_key(url: str) -> bytes:
    """Identifies a store: the same for every database user and configuration file."""
    parts = urlsplit(url)
    query = sorted((name, value) for name, value in parse_qsl(parts.query) if name != "password")
    return repr((parts.hostname, parts.port or POSTGRES_PORT, parts.path, query)).encode()


def _config_key(settings: Settings) -> str:
    """Identifies a configuration by its path. A symbolic link is not followed, so the key stays the same between
    releases."""
    return hashlib.sha256(os.fsencode(os.path.abspath(settings.file))).hexdigest()[:8]


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None  # deleted since it was listed


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def as_json(sms: Sms) -> dict[str, Json]:
    """An SMS as JSON for people and scripts, without its text."""
    return {
        "id": sms.id,
        "account": sms.account,
        "recipient": sms.recipient,
        "sender_name": sms.sender_name,
        "state": sms.state.value,
        "origin": sms.origin.value,
        "parts": sms.parts,
        "attempts": sms.attempts,
        "created_at": sms.created_at,
        "sent_at": sms.sent_at,
        "platform_ids": list(sms.platform_ids),
        "platform_status": sms.platform_status,
        "reason": sms.reason,
        "detail": sms.detail,
        "retry_of": sms.retry_of,
    }


class AdminSocket:
    """Serves :class:`Commands` and the status on the socket."""

    def __init__(
        self,
        path: Path,
        commands: Commands,
        *,
        status: Callable[[], Awaitable[dict[str, str]]],
        reload: Callable[[], Awaitable[Reloaded]],
    ) -> None:
        self._path = path
        self._commands = commands
        self._status = status
        self._reload = reload
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/status", self._get_status)
        app.router.add_post("/reload", self._post_reload)
        app.router.add_post("/send", self._send)
        app.router.add_post("/queue/{id:[0-9]+}/retry", self._retry)
        app.router.add_post("/queue/{id:[0-9]+}/abandon", self._abandon)
        app.router.add_post("/queue/restored/retry", self._retry_restored)
        app.router.add_post("/queue/restored/abandon", self._abandon_restored)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        # A killed run may have left its socket. No process listens there: we hold the lock of the store, or have the
        # process number in the name.
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
        previous_umask = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, str(self._path)).start()
        finally:
            os.umask(previous_umask)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    async def _get_status(self, request: web.Request) -> web.Response:
        return web.json_response(await self._status())

    async def _post_reload(self, request: web.Request) -> web.Response:
        """Load the rule files. If they have mistakes, the service keeps the old rules and the answer lists the
        mistakes with status 200."""
        done = await self._reload()
        return web.json_response(
            {
                "loaded": not done.problems,
                "changed": done.changed,
                "version": done.version,
                "rules": done.rules,
                "mistakes": [asdict(problem) for problem in done.problems],
                "warnings": [asdict(problem) for problem in done.warnings],
            }
        )

    async def _send(self, request: web.Request) -> web.Response:
        try:
            message = await request.json()
            to, text = str(message["to"]), str(message["text"])
            account, key = str(message.get("account", "")), str(message.get("key", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return web.json_response({"error": "expected a JSON object with `to` and `text`"}, status=400)
        return await sms_answer(self._commands.send(to=to, text=text, account=account, author="cli", key=key))

    async def _retry(self, request: web.Request) -> web.Response:
        return await sms_answer(self._commands.retry(sms_id(request), author="cli"))

    async def _abandon(self, request: web.Request) -> web.Response:
        return await sms_answer(self._commands.abandon(sms_id(request), author="cli"))

    async def _retry_restored(self, request: web.Request) -> web.Response:
        return await count_answer(self._commands.retry_restored(author="cli"))

    async def _abandon_restored(self, request: web.Request) -> web.Response:
        return await count_answer(self._commands.abandon_restored(author="cli"))


def sms_id(request: web.Request) -> SmsId:
    return SmsId(int(request.match_info["id"]))


async def sms_answer(work: Awaitable[Sms]) -> web.Response:
    try:
        sms = await work
    except BridgeError as error:
        return web.json_response({"error": str(error)}, status=409)
    return web.json_response(as_json(sms))


async def count_answer(work: Awaitable[int]) -> web.Response:
    try:
        count = await work
    except BridgeError as error:
        return web.json_response({"error": str(error)}, status=409)
    return web.json_response({"count": count})
