"""Telegram as the one who calls: updates brought to the bot's webhook, again and again until it says 200.

One chat's updates come one after the other, a failed one holds up those behind it; different chats (and a person's
presses of buttons) are brought at once. What was not answered with 2xx comes again, so one update may come twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from bridge.model.base import MINUTE, Json, Ms
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.refusal import bad_request
from bridge.sandbox.botapi.updates import UpdateQueue

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
PORTS = frozenset({443, 80, 88, 8443})
LONGEST_RETRY: Ms = 1 * MINUTE
TIMEOUT_S = 60
_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")


@dataclass(kw_only=True, slots=True)
class Webhook:
    url: str
    secret: str
    max_connections: int
    error_at: Ms | None = None
    error: str = ""


def checked(url: str, secret: str, max_connections: int | None, *, local: bool) -> Webhook:
    """``local``: a Bot API server of one's own in its mode of that name, which calls any address.

    :raises Refusal: Telegram would not call there.
    """
    parts = re.fullmatch(r"(https?)://([^/:]+)(?::(\d+))?(/.*)?", url)
    if parts is None or (parts[1] != "https" and not local):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if not local and int(parts[3] or 443) not in PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    return Webhook(url=url, secret=secret, max_connections=min(max(max_connections or 40, 1), 100))


class WebhookCaller:
    """Brings what :class:`UpdateQueue` holds. Owned by the simulated server; knows nothing of who is called."""

    def __init__(self, queue: UpdateQueue, clock: Clock, *, retry: Ms, changed: Callable[[], None]) -> None:
        self._queue = queue
        self._clock = clock
        self._retry = retry
        self._changed = changed
        self._lines: dict[int, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(1)
        self._session: aiohttp.ClientSession | None = None
        self._lost = 0
        self.webhook: Webhook | None = None
        self.paused = False
        self.calls: list[tuple[int, int]] = []
        """Update id and the status that answered; 0 where none did."""
        queue.on_put = self.look

    def set(self, webhook: Webhook | None) -> None:
        self._stop_lines()
        self.webhook = webhook
        if webhook is not None:
            self._free = asyncio.Semaphore(webhook.max_connections)
        self.look()

    def lose_answers(self, times: int) -> None:
        """So many answers get lost on their way: Telegram brings these updates again."""
        self._lost += times

    def look(self) -> None:
        """Something may be there to be brought."""
        if self.webhook is None or self.paused:
            return
        for update in self._queue.waiting():
            line = line_of(update)
            if line not in self._lines or self._lines[line].done():
                self._lines[line] = asyncio.get_running_loop().create_task(self._bring(line))

    async def stop(self) -> None:
        lines = list(self._lines.values())
        self._stop_lines()
        await asyncio.gather(*lines, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def pause(self) -> None:
        """Telegram itself is away."""
        self.paused = True
        self._stop_lines()

    def resume(self) -> None:
        self.paused = False
        self.look()

    def _stop_lines(self) -> None:
        for task in self._lines.values():
            task.cancel()
        self._lines = {}

    async def _bring(self, line: int) -> None:
        failures = 0
        while (update := self._first(line)) is not None:
            assert self.webhook is not None
            async with self._free:
                problem = await self._call(self.webhook, update)
            if problem is None:
                failures = 0
                self._queue.confirm(update_id(update))
            else:
                failures += 1
                self.webhook.error, self.webhook.error_at = problem, self._clock.now()
            self._changed()
            if problem is not None:
                never = asyncio.Event()
                await self._clock.wait(never, min(self._retry * 2 ** min(failures - 1, 10), LONGEST_RETRY))

    def _first(self, line: int) -> dict[str, Json] | None:
        return next((update for update in self._queue.waiting() if line_of(update) == line), None)

    async def _call(self, webhook: Webhook, update: dict[str, Json]) -> str | None:
        """None: taken. Else what ``getWebhookInfo`` says of it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        headers = {SECRET_HEADER: webhook.secret} if webhook.secret else {}
        try:
            async with self._session.post(webhook.url, json=update, headers=headers, allow_redirects=False) as answer:
                status, reason = answer.status, answer.reason
        except aiohttp.ClientConnectorError:
            status, reason, said = 0, "", "Connection refused"
        except (aiohttp.ClientError, TimeoutError):
            status, reason, said = 0, "", "Connection timed out"
        else:
            said = f"Wrong response from the webhook: {status} {reason}"
        self.calls.append((update_id(update), status))
        if self._lost and status:
            self._lost -= 1
            return "Connection timed out"
        return None if 200 <= status < 300 else said


def update_id(update: dict[str, Json]) -> int:
    found = update["update_id"]
    assert isinstance(found, int)
    return found


def line_of(update: dict[str, Json]) -> int:
    """What keeps its order: a chat, or the presses of one person."""
    for kind, body in update.items():
        if kind == "update_id" or not isinstance(body, dict):
            continue
        holder = body.get("from" if kind == "callback_query" else "chat")
        if isinstance(holder, dict) and isinstance(found := holder.get("id"), int):
            return found
    return 0
