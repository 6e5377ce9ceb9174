"""The whole path: ``sms-bridge run`` as anybody starts it, on a database in a temporary directory."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from tests.bench.farside import KEYWORDS, LOGIN, PASSWORD, SENDER_NAME

READY_S = 30.0
STOP_S = 30.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(place: Path, platform_url: str, port: int, web_port: int) -> Path:
    """A configuration whose limits are out of the way; everything that makes a message safe is as delivered."""
    rules = [
        {"name": f"word-{number}", "when": {"keyword": f"слово{number}"}, "reply": f"Ответ на «слово{number}»"}
        for number in range(KEYWORDS)
    ]
    rules.append({"name": "everything-else", "forward": "support"})
    config = {
        "server": {"host": "127.0.0.1", "port": port},
        "web": {"host": "127.0.0.1", "port": web_port},
        "accounts": {
            "main": {
                "url": platform_url,
                "script": "/sendsms.php",
                "login": LOGIN,
                "password": PASSWORD,
                "sender": SENDER_NAME,
                "rate": "off",
                "connections": 64,
                "callback": {"path": "/sms.php"},
                "status": {"poll": ["6h"], "rate": "off"},
                "balance": {"every": "6h", "warn_below": "off"},
            }
        },
        "telegram": {
            "token": "",
            "chats": {"support": {"id": "-1001234567890"}},
            "default_chat": "support",
        },
        "storage": {"url": "sqlite:///bench.db"},
        "rules": "rules/",
        "guards": {"daily_parts": "off"},
        "logging": {"format": "json", "level": "warning"},
    }
    (place / "rules").mkdir()
    # JSON is YAML, and quotes every string by itself
    (place / "rules" / "bench.yaml").write_text(json.dumps({"rules": rules}, ensure_ascii=False, indent=1))
    path = place / "config.yaml"
    path.write_text(json.dumps(config, ensure_ascii=False, indent=1))
    return path


class WholePath:
    """Context manager: a running bridge."""

    def __init__(self, platform_url: str, place: Path) -> None:
        self._port, self._web_port = _free_port(), _free_port()
        self._config = write_config(place, platform_url, self._port, self._web_port)
        self._log = place / "bridge.log"
        self.callback_url = f"http://127.0.0.1:{self._port}/sms.php"

    def __enter__(self) -> Self:
        command = Path(sys.executable).with_name("sms-bridge")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [command, "run", "-c", self._config], stdout=log, stderr=subprocess.STDOUT, cwd=self._log.parent
            )
        try:
            self._until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _until_ready(self) -> None:
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._web_port}/readyz", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)  # not up yet, or up and not ready
        said = self._log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"sms-bridge did not get ready (exit code {self._process.poll()}):\n{said}")
