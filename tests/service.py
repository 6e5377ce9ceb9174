"""``sms-bridge run`` as a process of its own, to be killed at any moment."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import yaml

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.processes import Forked, Streams

SUPPORT = -1001234567890
START_SECONDS = 60
LOOK_AGAIN = 0.02
"""Seconds between two looks at another process's store; every wait is bounded by a time limit."""

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
  - name: everything-else
    forward: support
"""


PORTS = range(12_000, 32_000)
"""Below those that systems give to outgoing connections: while a killed service is away, none may take its port."""


def free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@asynccontextmanager
async def simulated_platform(**account: Any) -> AsyncIterator[SimulatedPlatform]:
    """Started, in real time, with an account that may use any sender name."""
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, **account))
    await platform.start()
    try:
        yield platform
    finally:
        await platform.stop()


class Service:
    """Writes a configuration and runs the real command with it, again and again."""

    def __init__(
        self,
        folder: Path,
        platform: SimulatedPlatform,
        telegram: SimulatedBotApi | None,
        *,
        sabotage: str | None = None,
        environment: Mapping[str, str] | None = None,
        new_interpreter: bool = False,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        rules: str = RULES,
        roles: str = "",
        **account: object,
    ) -> None:
        """``sabotage`` names a module of ``tests.chaos.sabotage``; ``environment`` is added to ours (a library that
        reads it when it is imported wants a ``new_interpreter``); ``settings`` are merged into the sections of the
        configuration; ``account`` into the account's. ``roles``: of this process."""
        self.folder = folder
        self._roles = ("--roles", roles) if roles else ()
        self._says = b"callbacks:" if not roles or "intake" in roles else b"running:"
        self._sabotage = sabotage
        self._new_interpreter = new_interpreter
        self.environment = dict(environment or {})
        """Read at each start."""
        self.port = free_port()
        self.web_port = free_port()
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules" / "rules.yaml").write_text(rules, encoding="utf-8")
        config: dict[str, object] = {
            "server": {"port": self.port},
            "web": {"port": self.web_port},
            "accounts": {"main": {**self._account(platform), **account}},
            "telegram": self._telegram(telegram),
            "guards": {"per_number": "off", "same_text": "off", "daily_parts": "off", "takeover": "off"},
            "rules": "rules/",
            "storage": {"url": "sqlite:///data/bridge.db"},
            "logging": {"format": "json", "level": "debug"},
        }
        for section, values in (settings or {}).items():
            config[section] = {**cast(dict[str, object], config.get(section, {})), **values}
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        self.log = folder / "log.jsonl"
        self._process: asyncio.subprocess.Process | Forked | None = None

    @staticmethod
    def _account(platform: SimulatedPlatform) -> Mapping[str, object]:
        return {
            "url": platform.url,
            "login": "demo",
            "password": "demo",
            "sender": "MyShop",
            "rate": "off",
            "balance": {"every": "off"},
            "status": {"poll": ["1s"], "rate": "off"},
        }

    @staticmethod
    def _telegram(telegram: SimulatedBotApi | None) -> Mapping[str, object]:
        chats = {"support": {"id": SUPPORT, "mode": "topics"}}
        return {
            "token": telegram.token if telegram is not None else "",
            "api_url": telegram.url if telegram is not None else "http://127.0.0.1:9",
            "chats": chats,
            "default_chat": "support",
            "admin_chat": "support",
        }

    @property
    def callback_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sms.php"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "bridge.db"

    async def start(self) -> None:
        """Start it and wait until it takes callbacks."""
        before = await self.spawn()
        assert self._process is not None
        async with asyncio.timeout(START_SECONDS):
            while not self._ready(before):
                if self._process.returncode is not None:
                    code, self._process = self._process.returncode, None
                    raise AssertionError(f"the service ended: {code}\n{self.log.read_text()[-3000:]}")
                await asyncio.sleep(LOOK_AGAIN / 4)

    async def spawn(self) -> int:
        """Start it and wait for nothing; how long its log was before. Its stderr goes there, past this process."""
        arguments = ("run", "-c", str(self.config), *self._roles)
        with self.log.open("ab") as log:
            before = log.tell()
            if not self._new_interpreter:
                self._process = Forked(
                    arguments, Streams(stderr=self.log), environment=self.environment, sabotage=self._sabotage
                )
                return before
            module = ("bridge",) if self._sabotage is None else ("tests.chaos.sabotage", self._sabotage)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *module, *arguments),
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env={**os.environ, **self.environment},
            )
        return before

    def _ready(self, since: int) -> bool:
        """Did it say so in what it wrote after the first ``since`` bytes of its log?"""
        with self.log.open("rb") as log:
            log.seek(since)
            return any(line.startswith(self._says) and line.endswith(b"\n") for line in log)

    @property
    def pid(self) -> int:
        assert self._process is not None, "the service does not run"
        return self._process.pid

    async def kill(self) -> None:
        """kill -9."""
        await self.end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return await self.end(signal.SIGTERM)

    async def end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        async with asyncio.timeout(30):
            return await process.wait()

    async def ended(self, within_s: float) -> int:
        """Wait until it ends by itself; returns the exit code. :raises TimeoutError: it did not."""
        process = self._process
        assert process is not None
        async with asyncio.timeout(within_s):
            code = await process.wait()
        self._process = None
        return code

    async def close(self) -> None:
        if self._process is not None:
            await self.kill()

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Look into the store from outside, as a person with the sqlite3 shell would."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def count(self, query: str, *values: object) -> int:
        value = self.rows(query, *values)[0][0]
        assert isinstance(value, int)
        return value

    def events(self) -> list[dict[str, object]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def until_logged(self, event: str, *, seconds: float = 30) -> None:
        """Wait until the log names this event."""
        try:
            async with asyncio.timeout(seconds):
                while not any(each["event"] == event for each in self.events()):
                    await asyncio.sleep(LOOK_AGAIN)
        except TimeoutError:
            raise AssertionError(f"the log does not name {event}") from None

    async def until(self, query: str, expected: int, *, seconds: float = 30) -> None:
        """Wait until a count in the store is what it should be."""
        try:
            async with asyncio.timeout(seconds):
                while self.count(query) != expected:
                    await asyncio.sleep(LOOK_AGAIN)
        except TimeoutError:
            raise AssertionError(f"{query} is {self.count(query)}, not {expected}") from None
