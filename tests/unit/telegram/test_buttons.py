"""Buttons: what is shown can be pressed."""

from __future__ import annotations

from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.operator_messages import BUTTONS


def test_every_kind_has_a_handler() -> None:
    assert set(BUTTONS) == set(ButtonKind)


def test_the_data_begin_with_the_kind() -> None:
    assert button("Send", ButtonKind.RELEASE, 5, 2).data == "release:5:2"
