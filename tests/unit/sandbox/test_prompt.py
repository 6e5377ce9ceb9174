"""The commands of the sandbox's prompt."""

from __future__ import annotations

from datetime import UTC

import pytest

from bridge.sandbox.clock import SandboxClock
from bridge.sandbox.prompt import Prompt
from bridge.sandbox.transcript import BadCommand


@pytest.mark.parametrize(
    ("word", "said"), [("09:05", "09:05"), ("9:05", "09:05"), ("00:00", "00:00"), ("23:59", "23:59")]
)
async def test_time_is_passed_over_until_a_time_of_day(word: str, said: str) -> None:
    assert await told(f"until {word}") == [f"it is {said}"]


@pytest.mark.parametrize(
    "word", ["", "9", "09", "0900", "09:00:30", "09:00+03:00", "09:00Z", "T09:00", "24:00", "09:60", "-9:00", "٠٩:٠٠"]
)
async def test_what_is_no_time_of_day_is_answered_with_the_usage(word: str) -> None:
    with pytest.raises(BadCommand, match="usage: until HH:MM; HH:MM is a time of day such as 09:00"):
        await told(f"until {word}")


async def told(words: str) -> list[str]:
    lines: list[str] = []
    stage = Prompt(clock=SandboxClock(), zone=UTC, chats=[], tell=lambda line: lines.append(line.text))
    await stage.perform(words)
    return lines
