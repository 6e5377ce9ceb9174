"""The log, with the real logging and structlog: what it contains, what it must not contain, and its limits."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from dataclasses import dataclass
from typing import TextIO

import aiohttp
import httpx
import pytest
import structlog
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import LoggingSettings
from bridge.telemetry import lines, output, redaction, sampling

PASSWORD = "pa55 word/Ж'"
TOKEN = "123456789:AAF-abcdefghijklmnopqrstuvwxyz012345"


@dataclass(slots=True)
class Log:
    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]


def configured(form: str = "json", level: str = "info", stream: TextIO | None = None, **more: sampling.Sampler) -> Log:
    log = Log(io.StringIO())
    settings = LoggingSettings.model_validate({"format": form, "level": level})
    output.configure(settings, {PASSWORD, TOKEN, "abc"}, stream=stream or log.stream, **more)
    root = logging.getLogger()
    # pytest's own handlers raise for a record that cannot be formatted; a service has none of them.
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, output.RedactingHandler)]
    return log


URLS = [
    f"http://smpp.example/sendsms.php?user=demo&pwd={PASSWORD}&sadr=x",
    "http://smpp.example/sendsms.php?user=demo&pwd=pa55%20word%2F%D0%96%27&sadr=x",
    "http://smpp.example/sendsms.php?user=demo&pwd=pa55+word/%d0%96%27&sadr=x",
    "http://smpp.example/sendsms.php?user=demo&pwd=pa55%20word%2F%C6%27&sadr=x",
    f"https://api.telegram.org/bot{TOKEN}/getUpdates",
    "https://api.telegram.org/bot987654321:BBF-abcdefghijklmnopqrstuvwxyz012345/getUpdates",
    "GET /sms.php?smsid=5&text=it's secret words &key=unknown-key HTTP/1.1",
    "http://user:unknown-key@proxy:3128/",
    repr({"password": PASSWORD}),
    repr(repr(repr({"password": PASSWORD}))),
    json.dumps({"password": PASSWORD}),
    json.dumps(json.dumps({"password": PASSWORD})),
    repr(PASSWORD.encode()),
    ascii(PASSWORD),
]
LEAKS = ["pa55", "abcdefghijklmnopqrstuvwxyz", "secret words", "unknown-key", "%D0%96", "%d0%96", "%C6"]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("url", URLS)
def test_no_secret_in_any_part_of_a_line(form: str, url: str) -> None:
    log = configured(form)
    own, foreign = structlog.get_logger("bridge.x"), logging.getLogger("library")
    own.info("sent", url=url, nested=[{"deep": (url,)}], thing=Exception(url), raw={url: 1})
    own.info("seen", **{url: url})
    own.warning(url)
    foreign.warning("to %s", url)
    foreign.warning(url)
    foreign.warning("%(u)s", {"u": url})
    try:
        raise ValueError(url) from KeyError(url)
    except ValueError:
        own.exception("broken")
        foreign.exception("broken %r", url)
    assert log.text.count("Traceback") == 2
    assert redaction.REDACTED in log.text
    for leak in LEAKS:
        assert leak not in log.text


def test_an_exception_keeps_its_class_its_frames_and_its_cause() -> None:
    log = configured()
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise RuntimeError(f"pwd={PASSWORD}") from inner
    except RuntimeError:
        structlog.get_logger().exception("broken")
    shown = str(log.lines[0]["exception"])
    assert "RuntimeError: pwd=[redacted]" in shown
    assert "KeyError: 'inner'" in shown
    assert "test_an_exception_keeps_its_class" in shown
    assert "PASSWORD = " not in shown  # local and global variables are not shown


def test_a_short_secret_is_taken_out_as_a_word_only() -> None:
    log = configured()
    structlog.get_logger().info("sent", a="abc", b="abcdef", c="x=abc;")
    assert [log.lines[0][key] for key in "abc"] == ["[redacted]", "abcdef", "x=[redacted];"]


def test_numbers_of_people_are_masked_in_lines_of_libraries_and_in_tracebacks() -> None:
    log = configured()
    library = logging.getLogger("library")
    library.warning("dadr=%s, 8-digit 12345678, masked 7999•••1122", 79001112233)
    library.warning("dadr=%2B79001112233&x=+79001112233")
    own = structlog.get_logger("bridge.x")
    own.info("sent", platform_id=1179038981, ids=["1179038981"], number="7900•••2233")
    try:
        raise ValueError("http://x/?dadr=79001112233")
    except ValueError:
        own.exception("broken")
    first, second, third, fourth = log.lines
    assert first["event"] == "dadr=7900•••2233, 8-digit 12345678, masked 7999•••1122"
    assert second["event"] == "dadr=%2B7900•••2233&x=+7900•••2233"
    assert (third["platform_id"], third["ids"], third["number"]) == (1179038981, ["1179038981"], "7900•••2233")
    assert "dadr=7900•••2233" in str(fourth["exception"])


async def test_what_httpx_and_aiohttp_log_of_real_requests_shows_nothing() -> None:
    async def answer(_: web.Request) -> web.Response:
        raise RuntimeError(f"bot{TOKEN}")

    log = configured(level="debug")
    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=logging.getLogger("aiohttp.access"))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/bot{TOKEN}/sms.php"
    try:
        async with httpx.AsyncClient() as client:
            assert (await client.get(address, params={"text": "secret words", "pwd": PASSWORD})).status_code == 500
        async with aiohttp.ClientSession() as session, session.get(address, params={"pwd": PASSWORD}) as response:
            assert response.status == 500
            logging.getLogger("library").warning("%r", response)
    finally:
        await runner.cleanup()
    assert {line["logger"] for line in log.lines} == {"aiohttp.server", "library"}
    assert "RuntimeError" in log.text
    for leak in [*LEAKS, "secret+words", "secret%20words"]:
        assert leak not in log.text


def test_debug_is_for_our_own_lines_only() -> None:
    log = configured(level="debug")
    structlog.get_logger("bridge.x").debug("ours")
    for name in ("aiosqlite", "telegram.Bot", "asyncio", "aiohttp.client"):
        logging.getLogger(name).debug("whole requests and SQL parameters")
    for name in ("httpx", "httpcore.http11", "aiohttp.access"):
        logging.getLogger(name).info("whole addresses")
    logging.getLogger("telegram").info("theirs")
    assert [line["event"] for line in log.lines] == ["ours", "theirs"]


def test_a_line_has_time_level_logger_and_fields() -> None:
    log = configured()
    structlog.get_logger("bridge.pipeline.router").warning("routed", id=5, account="main")
    (line,) = log.lines
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "routed",
        "level": "warning",
        "logger": "bridge.pipeline.router",
        "account": "main",
        "id": 5,
    }


def test_the_level_holds() -> None:
    log = configured(level="error")
    structlog.get_logger("bridge.x").warning("no")
    logging.getLogger("library").warning("no")
    structlog.get_logger("bridge.x").error("yes")
    assert [line["event"] for line in log.lines] == ["yes"]


def test_configuring_again_replaces_and_does_not_double() -> None:
    own = structlog.get_logger("bridge.x")
    first = configured(level="error")
    own.error("one")
    second = configured(form="console", level="info")
    own.info("two")
    assert [line["event"] for line in first.lines] == ["one"]
    assert second.text.count("\n") == 1
    assert "two" in second.text
    assert sum(isinstance(handler, output.RedactingHandler) for handler in logging.getLogger().handlers) == 1


def test_a_line_cannot_be_forged_and_no_character_breaks_the_stream() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    configured(form="console", stream=stream)
    logging.getLogger("library").warning("bad \x1b[31m red \x9b \ud800 \u202e end")
    shown = raw.getvalue().decode("utf-8")
    assert r"bad \x1b[31m red \x9b \ud800 \u202e end" in shown


def test_a_line_that_cannot_be_formatted_is_named_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    log = configured()
    logging.getLogger("library").warning("%d", PASSWORD)
    assert log.text == "log_line_lost logger='library' level=WARNING error=TypeError\n"
    assert capfd.readouterr().err == ""


def test_a_closed_stream_hurts_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    log = configured()
    log.stream.close()
    structlog.get_logger("bridge.x").error("nobody hears")
    assert capfd.readouterr().err == ""


def test_a_repr_that_fails_costs_one_value_only() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError(PASSWORD)

    log = configured()
    structlog.get_logger("bridge.x").info("seen", thing=Broken(), other=1)
    assert log.lines[0]["thing"] == "<Broken, whose repr raised RuntimeError>"
    assert log.lines[0]["other"] == 1


ACCEPT = "socket.accept() out of system resource"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_one_failing_accept_does_not_fill_the_log() -> None:
    clock = Clock()
    log = configured(sampler=sampling.Sampler(limit=3, window=60, clock=clock))
    loop = asyncio.new_event_loop()
    try:
        for number in range(82_670 // 100):
            context = {
                "message": "socket.accept() out of system resource",
                "exception": OSError(24, "Too many open files"),
            }
            loop.default_exception_handler({**context, "socket": f"<fd={number}>"})
            structlog.get_logger("bridge.x").debug("ours")
    finally:
        loop.close()
    assert len(log.lines) == 3
    clock.now += 61
    structlog.get_logger("bridge.x").info("anything")
    note, line = log.lines[3:]
    assert (note["event"], note["origin"], note["count"]) == ("log_lines_held_back", "asyncio", 823)
    assert note["template"] == ACCEPT
    assert line["event"] == "anything"
    structlog.get_logger("bridge.x").info("again")
    assert [each["event"] for each in log.lines[5:]] == ["again"]


def test_each_template_has_a_budget_of_its_own_and_our_lines_have_none() -> None:
    clock = Clock()
    log = configured(sampler=sampling.Sampler(limit=2, window=60, clock=clock))
    for number in range(5):
        logging.getLogger("library").warning("first %s", number)
        logging.getLogger("library").warning("second %s", number)
        logging.getLogger("another").warning(f"first {number}")
        structlog.get_logger("bridge.x").warning("ours", id=number)
    counts = [line["event"] for line in log.lines]
    assert len([event for event in counts if event != "ours"]) == 6
    assert counts.count("ours") == 5
    clock.now += 30
    logging.getLogger("library").warning("first %s", 9)
    assert len(log.lines) == 11
    clock.now += 31
    logging.getLogger("library").warning("first %s", 10)
    assert [line["event"] for line in log.lines[11:]] == ["log_lines_held_back"] * 3 + ["first 10"]


def test_templates_without_end_do_not_eat_the_memory() -> None:
    sampler = sampling.Sampler(limit=1)
    names = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(5_000)]
    passed = 0
    for name in names:
        passed += sampler.admits(logging.LogRecord("library", logging.WARNING, __file__, 0, name, (), None))
    assert passed == sampling.MAX_TEMPLATES + 1


@given(st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), st.one_of(st.text(), st.integers(), st.none())))
def test_a_plain_line_is_the_json_that_the_library_makes(line: dict[str, str | int | None]) -> None:
    assert lines.plain_json(line) == json.dumps(line, ensure_ascii=False)
