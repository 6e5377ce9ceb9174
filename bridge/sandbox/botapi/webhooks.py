"""Calls the bot's webhook with updates, and repeats an update until the answer is 2xx.

The updates of one chat are sent one after the other: a failed update blocks the next ones. Updates of different chats
and presses of buttons by different people are sent in parallel. If an answer is lost, its update comes twice.
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
    """The webhook that the bot has set, and its latest error."""

    url: str
    secret: str
    max_connections: int
    error_at: Ms | None = None
    error: str = ""


def checked(url: str, secret: str, max_connections: int | None, *, local: bool) -> Webhook:
    """Check the settings of a webhook. ``local``: the server runs in local mode, which calls any address.

    :raises Refusal: Telegram would not call this address.
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
    """Sends the updates of :class:`UpdateQueue` to the webhook."""

    def __init__(self, queue: UpdateQueue, clock: Clock, *, retry: Ms, changed: Callable[[], None]) -> None:
        self._queue = queue
        self._clock = clock
        self._retry = retry
        self._changed = changed
        self._senders: dict[int, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(1)
        self._session: aiohttp.ClientSession | None = None
        self._lost = 0
        self.webhook: Webhook | None = None
        self.paused = False
        self.calls: list[tuple[int, int]] = []
        """The calls so far: update id, and status of the answer (0: no answer)."""
        queue.on_put = self.look

    def set(self, webhook: Webhook | None) -> None:
        self._stop_senders()
        self.webhook = webhook
        if webhook is not None:
            self._free = asyncio.Semaphore(webhook.max_connections)
        self.look()

    def lose_answers(self, times: int) -> None:
        """Lose the next ``times`` answers, so that Telegram repeats their updates."""
        self._lost += times

    def look(self) -> None:
        """Start sending the updates that wait, if there are any."""
        if self.webhook is None or self.paused:
            return
        for update in self._queue.waiting():
            sequence = sequence_of(update)
            if sequence not in self._senders or self._senders[sequence].done():
                self._senders[sequence] = asyncio.get_running_loop().create_task(self._send(sequence))

    async def stop(self) -> None:
        senders = list(self._senders.values())
        self._stop_senders()
        await asyncio.gather(*senders, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def pause(self) -> None:
        """Send nothing: Telegram itself has an outage."""
        self.paused = True
        self._stop_senders()

    def resume(self) -> None:
        self.paused = False
        self.look()

    def _stop_senders(self) -> None:
        for task in self._senders.values():
            task.cancel()
        self._senders = {}

    async def _send(self, sequence: int) -> None:
        failures = 0
        while (update := self._first(sequence)) is not None:
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
                await self._clock.sleep(min(self._retry * 2 ** min(failures - 1, 10), LONGEST_RETRY))

    def _first(self, sequence: int) -> dict[str, Json] | None:
        return next((update for update in self._queue.waiting() if sequence_of(update) == sequence), None)

    async def _call(self, webhook: Webhook, update: dict[str, Json]) -> str | None:
        """Call the webhook. Returns the error for ``getWebhookInfo``, or None if the update was accepted."""
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


def sequence_of(update: dict[str, Json]) -> int:
    """The id of the chat, or of the person who pressed a button. Updates with the same id keep their order."""
    for kind, body in update.items():
        if kind == "update_id" or not isinstance(body, dict):
            continue
        holder = body.get("from" if kind == "callback_query" else "chat")
        if isinstance(holder, dict) and isinstance(found := holder.get("id"), int):
            return found
    return 0
