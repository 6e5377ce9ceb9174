"""The kinds of buttons, and the meaning of their data. Pure.

Data are ``<kind>:<rest>``, at most 64 bytes. A client may send any data with a press, so they prove no right.
"""

from __future__ import annotations

from enum import StrEnum

from bridge.telegram.client.message import Button


class ButtonKind(StrEnum):
    SEND_AGAIN = "again"
    """``<sms id>``"""
    LEAVE = "leave"
    """``<sms id>``"""
    RELEASE = "release"
    """``<sms id>:<parts>``: the number of parts that the author was asked about."""
    RELEASE_PLAIN = "plain"
    """As ``release``, with plain characters in place of costly ones."""
    STOP = "stop"
    """``<sms id>``"""
    OPT_OUT = "opt"
    """``out``, ``in`` or ``keep``; the post tells which subscriber it is."""
    CONVERSATION = "conversation"
    """``<close | open | claim>:<code>``"""
    HISTORY = "history"
    """``<code>:<time>``: the lines of a history before that time."""
    SEARCH = "search"
    """``<position>``: the place where a search goes on."""
    CANNED = "canned"
    """``<code>:<mark of the reply>``"""


def button(label: str, kind: ButtonKind, *data: object) -> Button:
    return Button(label=label, data=":".join([kind, *map(str, data)]))
