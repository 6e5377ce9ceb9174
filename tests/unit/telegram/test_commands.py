"""How commands are parsed and answers are cut into messages."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from bridge.model.routing_outcome import RoutingOutcome
from bridge.telegram.client.message import MAX_UNITS, Button, units
from bridge.telegram.commands.call import pages, quoted
from bridge.telegram.commands.dispatch import HANDLERS
from bridge.telegram.commands.lookup import outcome
from bridge.telegram.commands.spec import COMMANDS, parse
from bridge.telegram.texts.labels import midnight, moment

HOUR = 3_600_000
NOON = 1_800_014_400_000
"""2027-01-15 12:00 UTC."""


@pytest.mark.parametrize(
    ("text", "name", "addressee", "rest"),
    [
        ("/close", "close", "", ""),
        ("/Close", "close", "", ""),
        ("  /tag vip ", "tag", "", "vip"),
        ("/sms@My_Bot +7900 hi\nthere", "sms", "my_bot", "+7900 hi\nthere"),
        ("/test\ntwo\nlines", "test", "", "two\nlines"),
        ("/start", "help", "", ""),
        ("\u200b/info", "info", "", ""),
    ],
)
def test_a_command_is_read(text: str, name: str, addressee: str, rest: str) -> None:
    written = parse(text)
    assert written is not None
    assert (written.command.name, written.addressee, written.rest) == (name, addressee, rest)


@pytest.mark.parametrize(
    "text", ["", "close", "/", "// close", "/nosuch", "/closed", "/close!", "/закрыть", "a /close"]
)
def test_unknown_commands_are_not_parsed(text: str) -> None:
    assert parse(text) is None


def test_every_command_has_a_handler() -> None:
    assert list(HANDLERS) == list(COMMANDS)


def test_lines_are_cut_into_messages_that_telegram_takes_with_buttons_under_the_last() -> None:
    lines = [f"{number} " + "😀" * 900 for number in range(9)]
    messages = pages(lines, buttons=[Button(label="b", data="d")])
    assert "\n".join(message.text for message in messages) == "\n".join(lines)
    assert all(units(message.text) <= MAX_UNITS for message in messages)
    assert [bool(message.buttons) for message in messages] == [False] * (len(messages) - 1) + [True]


def test_a_line_longer_than_a_message_is_cut_and_nothing_of_it_lost() -> None:
    line = "я" * 9000
    assert "".join(message.text for message in pages([line])) == line


def test_further_lines_of_a_quotation_are_indented() -> None:
    assert quoted("look\n#b2c3\r\n\u202ethere\n") == "look\n  #b2c3\n  there"


def test_a_day_begins_at_midnight_where_the_team_is() -> None:
    moscow = ZoneInfo("Europe/Moscow")
    assert midnight(NOON, UTC) == NOON - 12 * HOUR
    assert midnight(NOON, moscow) == NOON - 15 * HOUR
    assert midnight(NOON + 10 * HOUR, moscow, 6) == NOON + 9 * HOUR - 6 * 24 * HOUR


def test_times_are_written_as_the_language_does() -> None:
    assert moment(NOON, UTC, "ru") == "15.01.2027 12:00"
    assert moment(NOON, UTC, "en", seconds=True) == "2027-01-15 12:00:00"
    assert moment(2**62, UTC, "en") == str(2**62)


@pytest.mark.parametrize(
    ("noted", "shown"),
    [
        ("replied, forwarded", "answered, shown in a chat"),
        ("forwarded, suppressed: opted_out", "shown in a chat, reply held back: the subscriber opted out"),
        ("opted out, asked whether to opt in", "the subscriber opted out, the team was asked about opting in"),
        ("suppressed: once", "reply held back: this subscriber has had this reply already"),
        ("rule failed, kept", "the rule failed, kept, shown to nobody"),
        ("quarantined: no sender, no text", "malformed call: no sender, no text"),
        ("something new", "something new"),
        ("", "—"),
    ],
)
def test_an_outcome_is_shown_in_words(noted: str, shown: str) -> None:
    assert outcome(RoutingOutcome.parse(noted), "en") == shown
    assert str(RoutingOutcome.parse(noted)) == noted
