"""Limits what one connection of the callback listener uses: one of the allowed connections, and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.web.access import ConnectionCounter
from bridge.web.throttled_log import ThrottledLog


class ConnectionGuard:
    """Counts the connection, and limits the time for a request head and for a client that does not read."""

    __slots__ = (
        "_admitted",
        "_counter",
        "_head_timer",
        "_loop",
        "_on_late_head",
        "_transport",
        "_write_timer",
        "log",
        "remote",
    )

    def __init__(self, counter: ConnectionCounter, throttled_log: ThrottledLog) -> None:
        self._counter = counter
        self.log = throttled_log
        self._loop = asyncio.get_running_loop()
        self._admitted = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self.remote = ""
        """The peer's address as text; empty if it has none."""

    def admit(self, transport: asyncio.Transport, on_late_head: Callable[[], object]) -> bool:
        """Count a new connection. If there are too many, close it and return False.

        ``on_late_head`` is called when a request head takes too long.
        """
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self._transport = transport
        self._on_late_head = on_late_head
        self._admitted = self._counter.admit(self.remote)
        if not self._admitted:
            self.log.warning("connection_refused", remote=self.remote)
            transport.abort()
        return self._admitted

    @property
    def keepalive(self) -> float:
        """Seconds that the connection may be idle."""
        return self._counter.limits.keepalive

    def handed_over(self, on_late_head: Callable[[], object]) -> None:
        """Another protocol takes the connection over. From now on its ``on_late_head`` is called."""
        self._on_late_head = on_late_head

    def leave(self) -> None:
        """The connection is closed: stop the timers and no longer count it."""
        self.stop_watching_head()
        self.writing_resumed()
        if self._admitted:
            self._admitted = False
            self._counter.leave(self.remote)

    def watch_head(self) -> None:
        """Start the time limit for a request head, unless it runs already."""
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._counter.limits.head_timeout, self._head_is_late)

    def stop_watching_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def writing_paused(self) -> None:
        """The client does not read its answers: start a time limit, as long as that of an idle connection."""
        self._write_timer = self._loop.call_later(self._counter.limits.keepalive, self._answers_not_read)

    def writing_resumed(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        self.log.warning("request_incomplete", remote=self.remote)
        self._on_late_head()

    def _answers_not_read(self) -> None:
        self.log.warning("answers_not_read", remote=self.remote)
        self._transport.abort()
