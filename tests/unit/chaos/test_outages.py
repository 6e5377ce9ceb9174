"""What the fault suite takes for the end of a trouble."""

from __future__ import annotations

import pytest

from tests.chaos.outages import told_over

GONE, BACK = b'{"event":"store_unavailable"}\n', b'{"event":"store_available"}\n'


@pytest.mark.parametrize(
    ("log", "over"),
    [
        (b"", False),
        (b'{"event":"routed"}\n', False),
        (GONE, False),
        (GONE + BACK, True),
        (GONE + BACK + GONE, False),
        (GONE + BACK + GONE + BACK, True),
    ],
)
def test_an_outage_is_over_when_its_end_was_told_as_often_as_its_beginning(log: bytes, over: bool) -> None:
    assert told_over(log) is over
