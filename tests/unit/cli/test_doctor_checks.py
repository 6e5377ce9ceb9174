"""The doctor's finding about the link to Telegram, from the states that running processes report."""

from __future__ import annotations

import pytest

from bridge.cli.doctor_checks import best_link, link
from bridge.web.health import NOT_HERE, STANDBY

OK, OFF, AWAY = "ok, last heard 1s ago", "off (no token)", "not reached"
CONFLICT = "failure: conflict, last heard 20s ago"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([OK], "link.ok"),
        ([OFF], "link.off"),
        ([AWAY], "link.away"),
        ([STANDBY], "link.elsewhere"),
        ([CONFLICT], "failure.conflict"),
        ([OK, "ok, last heard 2s ago"], "link.ok"),
        ([OFF, OK], "link.ok"),
        ([CONFLICT, OK], "link.ok"),
        ([AWAY, OFF, CONFLICT], "failure.conflict"),
        ([OFF, AWAY], "link.away"),
        ([NOT_HERE, STANDBY], "link.elsewhere"),
        ([STANDBY, CONFLICT, NOT_HERE], "failure.conflict"),
        ([], "link.away"),
    ],
)
def test_of_several_processes_the_one_that_has_the_link_counts(words: list[str], said: str) -> None:
    assert link(best_link(words)) == said
