"""What the team is told of once, with its all-clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from bridge.model.base import Json
from bridge.value import value_object

CROWD = 10
"""Alerts of one kind that are told of one by one."""


@value_object
class Alert:
    """A condition the team is told of once, with its all-clear. ``key`` names the condition while it lasts."""

    key: str
    text: str
    """Text id in the telegram texts, for example ``alert.account_fault``."""
    params: Mapping[str, Json] = field(default_factory=dict)
    account: str = ""
    crowd: Alert | None = None
    """Opened in this one's place where ``CROWD`` others are open whose keys begin with its key: the team is told of a
    flood, once, and not flooded."""
