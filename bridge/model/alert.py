"""Alerts: conditions that are reported once in the admin chat, until their all-clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from bridge.model.base import ADMIN_CHAT, InboundId, Json, Ms, SmsId
from bridge.model.post import AlertPayload, NewPost, PostPriority
from bridge.value import value_object

MAX_SINGLE_ALERTS = 10
"""How many open alerts of one kind are posted one by one. :attr:`Alert.summary` replaces all further ones."""


@value_object
class Alert:
    """A condition that is reported once in the admin chat. The alert stays open until its all-clear.

    Some alerts have no all-clear: their keys hold the day or the version of the rules, so each is reported once for it.
    """

    key: str
    """Names the condition. While an alert with this key is open, no second one is posted."""
    text: str
    """Text id in the telegram texts, for example ``alert.account_fault``."""
    params: Mapping[str, Json] = field(default_factory=dict)
    account: str = ""
    summary: Alert | None = None
    """Opened instead of this alert when :data:`MAX_SINGLE_ALERTS` other alerts are open whose keys begin with the key
    of the summary. A flood of the same condition becomes one post."""


def alert_post(
    text: str,
    params: Mapping[str, Json],
    *,
    key: str | None = None,
    priority: PostPriority = PostPriority.FAILURE,
    inbound_id: InboundId | None = None,
    sms_id: SmsId | None = None,
    due_at: Ms = 0,
) -> NewPost:
    """Build a line for the admin chat from the text with the id ``text``.

    ``key``: as :attr:`NewPost.key`. A second post with the same key is not written.
    """
    return NewPost(
        chat=ADMIN_CHAT,
        priority=priority,
        key=key,
        payload=AlertPayload(text=text, params=params),
        inbound_id=inbound_id,
        sms_id=sms_id,
        due_at=due_at,
    )
