"""The command line as a person and a script use it: separate processes, real exit codes, a real service between."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from bridge.cli.service import ProcessStatus
from bridge.cli.status import explained, joined
from bridge.model.base import HOUR
from bridge.model.sms import SmsState
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.faults import Fault
from bridge.sandbox.platform import SimulatedPlatform
from bridge.store import open_store
from tests.contract.builders import SetClock, opened, person
from tests.processes import sms_bridge
from tests.service import Service, free_port


@pytest.fixture
async def service(tmp_path: Path, platform: SimulatedPlatform) -> AsyncIterator[Service]:
    made = Service(tmp_path, platform, None)
    yield made
    await made.close()


async def test_send_speaks_to_the_running_service(service: Service, platform: SimulatedPlatform) -> None:
    await service.start()
    config = ("-c", str(service.config))
    result = await sms_bridge("send", "8 (999) 000-00-01", "привет", "--key", "a", "--json", *config)
    assert result.code == 0, result.err
    again = await sms_bridge("send", "89990000001", "привет", "--key", "a", "--json", *config)
    assert again.json()["id"] == result.json()["id"]  # type: ignore[index]
    assert [sms.recipient for sms in platform.book] == ["79990000001"]
    assert "привет" not in result.out


async def test_send_does_it_alone_where_no_service_runs(service: Service, platform: SimulatedPlatform) -> None:
    result = await sms_bridge("send", "+79990000001", "привет", "-c", str(service.config))
    assert result.code == 0, result.err
    assert "sent" in result.out
    assert len(platform.book) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("send", "900", "привет"), "900"),
        (("send", "79990000001", " "), "empty"),
        (("send", "79990000001", "x", "--account", "other"), "main"),
    ],
)
async def test_a_wrong_order_says_what_to_do(service: Service, words: tuple[str, ...], complaint: str) -> None:
    result = await sms_bridge(*words, "-c", str(service.config))
    assert result.code == 1
    assert complaint in result.err
    assert "Traceback" not in result.err


async def test_the_queue_of_unknown_outcomes_is_worked_off_by_a_person(
    service: Service, platform: SimulatedPlatform
) -> None:
    config = ("-c", str(service.config))
    platform.misbehave(Fault.CUT_AFTER_READING, times=2)
    await service.start()
    for number in ("79990000001", "79990000002"):
        result = await sms_bridge("send", number, "раз", *config)
        assert result.code == 1
        assert "uncertain" in result.out
    listed = (await sms_bridge("queue", "list", "--json", *config)).json()
    assert isinstance(listed, list)
    assert {row["state"] for row in listed} == {"uncertain"}
    first, second = sorted(row["id"] for row in listed)
    retried = await sms_bridge("queue", "retry", str(first), *config)
    assert retried.code == 0, retried.err
    await platform.wait_for(lambda each: each.taken == 1)
    again = await sms_bridge("queue", "retry", str(first), *config)
    assert again.out == retried.out, "the same order twice is one SMS"
    await service.stop()
    abandoned = await sms_bridge("queue", "abandon", str(second), *config)
    assert abandoned.code == 0, abandoned.err
    assert "no service is running" in abandoned.out
    assert platform.taken == 1
    shown = await sms_bridge("queue", "show", str(second), *config)
    assert "раз" in shown.out
    assert "abandoned" in shown.out
    assert (await sms_bridge("queue", "list", "--json", *config)).json() == []
    assert (await sms_bridge("queue", "show", "999", *config)).code == 1


async def test_drafts_are_listed_with_their_age(service: Service) -> None:
    config = ("-c", str(service.config))
    clock = SetClock(SystemClock().now() - 5 * HOUR)
    async with opened(open_store(service.database, clock=clock)) as store:
        await store.operator_reply(replace(person("k"), state=SmsState.DRAFT, due_at=clock.now()), clock.now())
    [listed] = (await sms_bridge("queue", "list", "--json", *config)).json()  # type: ignore[misc]
    assert listed["state"] == "draft"
    assert "5h ago" in (await sms_bridge("queue", "list", *config)).out
    assert "5h ago" in (await sms_bridge("status", *config)).out


async def test_status_and_history_read_beside_a_running_service(service: Service, platform: SimulatedPlatform) -> None:
    config = ("-c", str(service.config))
    assert (await sms_bridge("status", *config)).code == 1
    await service.start()
    assert (await platform.send_callback(service.callback_url, text="эхо 1", sender="79990000001")).acknowledged
    await platform.wait_for(lambda each: each.taken == 1)
    status = (await sms_bridge("status", "--json", *config)).json()
    assert isinstance(status, dict)
    assert status["running"] is True
    assert status["live"]["store"] == "ok"
    assert (await sms_bridge("status", *config)).code == 0
    history = await sms_bridge("history", "8 999 000 00 01", *config)
    assert "эхо 1" in history.out
    assert "Ответ 1" in history.out


def test_status_says_what_a_failure_of_telegram_is() -> None:
    assert explained("ok, last heard 3s ago") == "ok, last heard 3s ago"
    several = [
        ProcessStatus(process="process 7", parts={"telegram": "ok"}),
        ProcessStatus(process="process 8", parts={"telegram": "failure: unauthorised, last heard 30s ago"}),
    ]
    words = "process 7: ok; process 8: failure: unauthorised (the token was refused), last heard 30s ago"
    assert joined(several, explained) == {"telegram": words}


async def test_balance_proves_the_login(service: Service, platform: SimulatedPlatform) -> None:
    result = await sms_bridge("balance", "--json", "-c", str(service.config))
    assert result.json()["main"]["amount"] == platform.balance  # type: ignore[index]
    wrong = service.config.read_text(encoding="utf-8").replace("password: demo", "password: wrong-secret")
    service.config.write_text(wrong, encoding="utf-8")
    result = await sms_bridge("balance", "-c", str(service.config))
    assert result.code == 1
    assert "wrong-secret" not in result.out + result.err


async def test_one_run_for_a_store(service: Service) -> None:
    await service.start()
    service.config.write_text(service.config.read_text().replace(str(service.port), str(free_port())))
    second = await sms_bridge("run", "-c", str(service.config))
    assert second.code == 1
    assert "bridge.db" in second.err
    assert "Traceback" not in second.err
    assert await service.stop() == 0


async def test_a_bad_configuration_ends_the_start_with_78_and_check_with_1(service: Service) -> None:
    service.config.write_text(service.config.read_text().replace("sender:", "sendr:"), encoding="utf-8")
    started = await sms_bridge("run", "-c", str(service.config))
    assert started.code == 78
    checked = await sms_bridge("check", "-c", str(service.config))
    assert checked.code == 1
    assert "sender" in checked.out
    listed = await sms_bridge("check", "--format", "json", "-c", str(service.config))
    assert listed.code == 1
    assert json.loads(listed.out)["mistakes"]


async def test_a_bad_rule_ends_the_start_with_78(service: Service) -> None:
    rules = service.folder / "rules" / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("keyword", "kyeword"), encoding="utf-8")
    started = await sms_bridge("run", "-c", str(service.config))
    assert started.code == 78
    assert "did you mean" in started.err


async def test_ctrl_c_is_130_and_a_taken_port_is_a_sentence(service: Service) -> None:
    await service.start()
    assert await service.end(signal.SIGINT) == 130
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", service.port))
        sock.listen()
        result = await sms_bridge("run", "-c", str(service.config))
    assert result.code == 1
    assert str(service.port) in result.err
    assert "Traceback" not in result.err


async def test_systemd_is_told_when_callbacks_are_taken(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        await service.start()
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.sock_recv(listener, 100), 10) == b"READY=1"
        await service.stop()
        assert await asyncio.wait_for(loop.sock_recv(listener, 100), 10) == b"STOPPING=1"


async def test_the_answer_for_scripts_is_json_and_nothing_else(service: Service, platform: SimulatedPlatform) -> None:
    result = await sms_bridge("send", "+79990000001", "привет", "--json", "-c", str(service.config))
    assert result.json()["state"] == "sent"  # type: ignore[index]
    assert result.err == ""


async def test_a_text_from_outside_cannot_command_the_terminal(service: Service, platform: SimulatedPlatform) -> None:
    await service.start()
    text = "раз\x1b[31mдва [bold]три\nчетыре"
    assert (await platform.send_callback(service.callback_url, text=text, sender="79990000001")).acknowledged
    result = await sms_bridge("history", "79990000001", "-c", str(service.config))
    assert "раз·[31mдва [bold]три ⏎ четыре" in result.out


async def test_an_uncertain_send_says_what_a_person_can_do(service: Service, platform: SimulatedPlatform) -> None:
    platform.misbehave(Fault.CUT_AFTER_TAKING)
    result = await sms_bridge("send", "+79990000001", "привет", "-c", str(service.config))
    assert result.code == 1
    assert "queue retry 1" in result.err
    assert "may arrive twice" in result.err
    listed = await sms_bridge("queue", "list", "-c", str(service.config))
    assert "79990000001" in listed.out


async def test_a_sandbox_takes_commands_from_a_pipe_and_shows_what_came_of_them() -> None:
    commands = "sms Где мой заказ?\nreply Выезжает\nrepli x\nfault cut-after\n"
    result = await sms_bridge("sandbox", "--port", "0", stdin=commands)
    assert result.code == 0, result.err
    assert "smsid=5001" in result.out
    assert "rule everything-else (rules/10-support.yaml:" in result.out
    assert "no command `repli`; did you mean `reply`?" in result.out
    assert "no fault `cut-after`; did you mean `cut_after_" in result.out
    assert "👍" in result.out
    assert "\x1b" not in result.out


async def test_an_operator_at_the_prompt_can_do_what_telegram_lets_people_do(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(
        """# a day
sms Где мой заказ?
wait ⏎ #
as Борис
send voice
wait только текст
react 👍
say Всем привет
reply Едет
wait 🕊
edit Едет, ждите
delete
sms +79161234567 А мой?
wait А мой? ⏎ #
with 79083730330
close-topic
wait forum_topic_closed
reopen-topic
wait forum_topic_reopened
with
reply Завтра
wait Завтра  (id
later 1h
""",
        encoding="utf-8",
    )
    result = await sms_bridge("sandbox", "--port", "0", "--script", str(script))
    assert result.code == 0, result.out[-1500:] + result.err
    assert "support / +79083730330: Борис: voice" in result.out
    assert "support: Борис: Всем привет" in result.out
    assert "Борис: (edited) Едет, ждите" in result.out
    assert "MyShop → 79161234567: Завтра" in result.out
    assert "> react 👍" in result.out
    assert "Всем привет  (id" not in result.out, "what is said to colleagues stays there"


async def test_a_private_chat_can_be_played(tmp_path: Path) -> None:
    example = Path("config.example.yaml").read_text(encoding="utf-8")
    config, script = tmp_path / "config.yaml", tmp_path / "script"
    private = example.replace(":--1001234567890}", ":-555001}").replace("mode: topics", "mode: replies")
    config.write_text(private, encoding="utf-8")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text("rules: [{name: all, forward: support}]", encoding="utf-8")
    script.write_text("sms Где мой заказ?\nwait ⏎ #\nreply Едет\nwait 🕊\n", encoding="utf-8")
    result = await sms_bridge("sandbox", "-c", str(config), "--port", "0", "--script", str(script))
    assert result.code == 0, result.out[-1500:] + result.err
    assert "MyShop → 79083730330: Едет" in result.out


async def test_a_script_says_what_time_it_is(tmp_path: Path) -> None:
    script = tmp_path / "script"
    day = ("until 09:00", "sms часы", "wait deliver", "until 08:50", "sms часы", "wait deliver")
    script.write_text("\n".join(day), encoding="utf-8")
    result = await sms_bridge("sandbox", "--port", "0", "--script", str(script))
    assert result.code == 0, result.out[-1500:] + result.err
    [(first, nine), (second, before)] = re.findall(r"deliver ([0-9-]+) ([0-9]+:[0-9])", result.out)
    assert (nine, before) == ("09:0", "08:5")
    assert date.fromisoformat(second) - date.fromisoformat(first) == timedelta(days=1)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("send money", "usage: send KIND [CAPTION]; KIND is one of: photo, voice"),
        ("react ✅", "usage: react EMOJI; EMOJI is one of Telegram's own"),
        ("edit Да", "nobody wrote anything to edit yet"),
        ("later soon", "usage: later DURATION; DURATION is written as in the configuration"),
        ("until noon", "usage: until HH:MM; HH:MM is a time of day such as 09:00"),
        ("press 1", "there is no button in the chat yet"),
        ("with 79990000000", "no conversation with `79990000000` in the chat yet"),
        ("as", "usage: as NAME"),
    ],
)
async def test_a_wrong_word_at_the_prompt_is_answered_with_the_right_ones(
    tmp_path: Path, command: str, answer: str
) -> None:
    script = tmp_path / "script"
    script.write_text(command, encoding="utf-8")
    result = await sms_bridge("sandbox", "--port", "0", "--script", str(script))
    assert result.code == 1
    assert answer in result.err


async def test_a_sandbox_reads_a_script_of_another_encoding_without_falling_over(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes("часы".encode("cp1251"))
    result = await sms_bridge("sandbox", "--port", "0", "--script", str(script))
    assert result.code == 1
    assert "line 1: no command" in result.err
    assert "Traceback" not in result.err


async def test_a_sandbox_on_a_taken_port_says_how_to_take_another(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        result = await sms_bridge("sandbox", "--port", str(sock.getsockname()[1]))
    assert result.code == 1
    assert "--port 0" in result.err
    assert "Traceback" not in result.err


async def test_a_sandbox_script_plays_the_readme() -> None:
    script = Path(__file__).with_name("readme.sandbox")
    result = await sms_bridge("sandbox", "--port", "0", "--script", str(script))
    assert result.code == 0, result.out + result.err
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    transcript = readme.partition("```\n> sms")[2].partition("```")[0]
    shown = {timeless(line) for line in transcript.splitlines() if line.startswith(" ") and line.strip() != "часы"}
    assert len(shown) > 10
    assert shown - {timeless(line) for line in result.out.splitlines()} == set(), "README shows what is not so"


def timeless(line: str) -> str:
    """A line of the sandbox without what differs each time: ids of SMS and times."""
    return re.sub(r"\b(\d{13}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\b", "…", line)


@pytest.mark.parametrize(("typed", "code"), [(b"help\nquit\n", 0), (b"help\n\x03", 130)], ids=["quit", "ctrl-c"])
async def test_the_sandbox_has_a_plain_prompt_where_the_extra_is_not_installed(
    tmp_path: Path, typed: bytes, code: int
) -> None:
    (tmp_path / "prompt_toolkit.py").write_text("raise ImportError", encoding="utf-8")
    ours, theirs = pty.openpty()
    with open(ours, "wb", buffering=0) as keyboard, open(theirs, "rb") as terminal:
        process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", sys.executable, "-m", "bridge", "sandbox", "--port", "0"),
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            stdin=terminal,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while b"or play subscriber" not in await process.stdout.readline():
                pass
            keyboard.write(typed.removesuffix(b"\x03"))
            while b"help" not in await process.stdout.readline():
                pass
            if typed.endswith(b"\x03"):
                keyboard.write(b"\x03")
            _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (code, "")
