"""Alerts: conditions that the admin chat reads once, with their all-clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from bridge.model.base import ADMIN_CHAT, InboundId, Json, Ms, SmsId
from bridge.model.post import AlertPayload, NewPost, PostPriority
from bridge.value import value_object

SINGLE_ALERTS = 10
"""Alerts of one kind that are posted one by one; the next ones are replaced by :attr:`Alert.summary`."""


@value_object
class Alert:
    """A condition that is posted in the admin chat once. It stays open until its all-clear."""

    key: str
    """Names the condition; while an alert with this key is open, another is not posted."""
    text: str
    """Text id in the telegram texts, for example ``alert.account_fault``."""
    params: Mapping[str, Json] = field(default_factory=dict)
    account: str = ""
    summary: Alert | None = None
    """Opened instead of this alert where ``SINGLE_ALERTS`` alerts are open whose keys begin with its key: one post for
    a flood of the same condition."""


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

    ``key`` makes writing it idempotent, as in :attr:`NewPost.key`.
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
