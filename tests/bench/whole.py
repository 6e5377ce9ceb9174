"""The whole path: ``sms-bridge run`` as anybody starts it, on a store of its own or on one that was filled before."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.bench import postgres
from tests.bench.load import LOGIN, PASSWORD, SCRIPT, SENDER_NAME, keyword
from tests.bench.processes import Subject

READY_S = 120.0
"""Ten thousand rules take a while to check."""
STOP_S = 60.0
LOOK_AGAIN = 0.005
CHAT = "support"
RULES_A_FILE = 1000
"""A file may not be larger than 1 MB."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """The settings that differ between measurements of the whole path."""

    rules: int = 100
    forward: bool = False
    """Every answered message is put into a chat too. Telegram is off: the posts wait in the store."""
    storage: str | None = None
    """Its URL. None: a new SQLite file."""
    processes: int = 1
    """Bridges that share the store and the work."""


def rules(setup: Setup) -> list[dict[str, object]]:
    """One for each word, with a template; the last takes what no other did."""
    forward = {"forward": CHAT} if setup.forward else {}
    found: list[dict[str, object]] = [
        {
            "name": f"word-{number}",
            "when": {"keyword": keyword(number)},
            "reply": f"Ответ на «{keyword(number)}»: {{{{ args | default('ждите', true) }}}}",
            **forward,
        }
        for number in range(setup.rules)
    ]
    return [*found, {"name": "everything-else", "forward": CHAT}]


def write_config(place: Path, platform_url: str, port: int, web_port: int, setup: Setup, storage: str) -> Path:
    """Everything as delivered and on: guards, delivery polling, the log at info. Only limits are out of the way."""
    config = {
        "server": {"host": "127.0.0.1", "port": port},
        "web": {"host": "127.0.0.1", "port": web_port},
        "accounts": {
            "main": {
                "url": platform_url,
                "script": SCRIPT,
                "login": LOGIN,
                "password": PASSWORD,
                "sender": SENDER_NAME,
                "rate": "off",
                "connections": 256,
                "callback": {"path": "/sms.php"},
                # asked sooner than delivered (5s), so that there are questions in a short run too
                "status": {"poll": ["1s", "65s", "5m", "30m", "2h", "6h"]},
            }
        },
        "telegram": {"token": "", "chats": {CHAT: {"id": "-1001234567890"}}, "default_chat": CHAT},
        "storage": {"url": storage},
        "rules": "rules/",
        "guards": {"daily_parts": 10_000_000},
        "logging": {"format": "json", "level": "info"},
    }
    (place / "rules").mkdir()
    wanted = rules(setup)
    for number, first in enumerate(range(0, len(wanted), RULES_A_FILE)):
        part = {"rules": wanted[first : first + RULES_A_FILE]}
        # JSON is YAML, and quotes every string by itself; files are read in the order of their names
        (place / "rules" / f"bench-{number:03}.yaml").write_text(json.dumps(part, ensure_ascii=False, indent=1))
    path = place / "config.yaml"
    path.write_text(json.dumps(config, ensure_ascii=False, indent=1))
    return path


class WholePath:
    """Context manager: a running bridge, or several on one store."""

    def __init__(self, platform_url: str, place: Path, setup: Setup | None = None) -> None:
        setup = setup or Setup()
        self._storage = setup.storage or f"sqlite:///{place / 'bench.db'}"
        self._bridges = []
        for number in range(setup.processes):
            folder = place / f"bridge-{number}"
            folder.mkdir()
            self._bridges.append(_Bridge(platform_url, folder, setup, self._storage))
        self._last_sms: int | None = None

    def __enter__(self) -> Self:
        try:
            for bridge in self._bridges:
                bridge.start()
        except BaseException:
            self.stop()
            raise
        # by now there is a table to ask
        self._last_sms = self._ask("SELECT coalesce(max(id), 0) FROM sms")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def subject(self) -> Subject:
        return Subject(
            callback_urls=tuple(bridge.callback_url for bridge in self._bridges),
            pids=tuple(bridge.pid for bridge in self._bridges),
        )

    @property
    def pid(self) -> int:
        return self._bridges[0].pid

    @property
    def ready_s(self) -> float:
        return max(bridge.ready_s for bridge in self._bridges)

    def stop(self) -> None:
        for bridge in self._bridges:
            bridge.stop()

    def unsettled(self) -> int:
        """SMS of this run that the store does not know as sent: their outcome is unknown, or they never left."""
        late = f"SELECT count(*) FROM sms WHERE id > {self._last_sms} AND state NOT IN ('sent', 'delivered')"
        return self._ask(late)

    def _ask(self, question: str) -> int:
        if not self._storage.startswith("sqlite"):
            return postgres.ask(self._storage, question)
        with closing(sqlite3.connect(self._storage.removeprefix("sqlite:///"))) as database:
            number: int = database.execute(question).fetchone()[0]
        return number


class _Bridge:
    def __init__(self, platform_url: str, place: Path, setup: Setup, storage: str) -> None:
        self._port, self._web_port = _free_port(), _free_port()
        self._config = write_config(place, platform_url, self._port, self._web_port, setup, storage)
        self._log = place / "bridge.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.callback_url = f"http://127.0.0.1:{self._port}/sms.php"
        self.ready_s = 0.0
        """From the command to the first good answer of its readiness probe."""

    def start(self) -> None:
        command = Path(sys.executable).with_name("sms-bridge")
        start = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [command, "run", "-c", self._config], stdout=log, stderr=subprocess.STDOUT, cwd=self._log.parent
            )
        try:
            self._until_ready(self._process, start + READY_S)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self.ready_s = time.monotonic() - start

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _until_ready(self, process: subprocess.Popen[bytes], end: float) -> None:
        while time.monotonic() < end:
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._web_port}/readyz", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(LOOK_AGAIN)  # not up yet, or up and not ready
        said = self._log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"sms-bridge did not get ready (exit code {process.poll()}):\n{said}")
