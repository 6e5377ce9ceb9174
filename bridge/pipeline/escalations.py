"""What people are asked or told about an SMS that nobody wrote in a chat: a rule's answer, a command's SMS.

An operator's reply in a chat needs none of this: its fate is shown on the reply itself, with the same buttons.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.config import AccountSettings
from bridge.model.alert import alert_post
from bridge.model.answers import Reason
from bridge.model.base import Json
from bridge.model.post import NewPost
from bridge.model.record import Restoration
from bridge.model.sms import Origin, Sms


def about_unknown(sms: Sms, account: AccountSettings | None, reason: str) -> tuple[NewPost, ...]:
    """May have arrived, nobody knows: "send again anyway" or "leave it".

    ``on_unknown: leave`` asks nobody about automatic replies; what a person wanted sent is always asked about, and so
    is what went by an account that is not configured any more. What a copy of the store left unknown is told of in one
    post (:func:`about_restored`), not in a question each.
    """
    if reason == Reason.RESTORED:
        return ()
    if account is not None and account.on_unknown == "leave" and sms.origin is Origin.RULE:
        return ()
    return about(sms, "alert.uncertain", {"account": sms.account, "reason": reason})


def about_parked(sms: Sms) -> tuple[NewPost, ...]:
    return about(sms, "alert.parked", {"account": sms.account})


def about_failed(sms: Sms, reason: str, detail: str) -> tuple[NewPost, ...]:
    return about(sms, "alert.sms_failed", {"account": sms.account, "reason": reason, "detail": detail})


def about_restored(restored: Restoration) -> NewPost:
    """The store was put back from a copy: what nobody knows any more, and what to do about it."""
    taken = datetime.fromtimestamp(restored.taken_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    params: dict[str, Json] = {
        "taken": taken,
        "sms": restored.sms,
        "inbound": restored.inbound,
        "updates": restored.updates,
    }
    return alert_post("alert.restored", params, key=f"restored:{restored.restored_at}")


def about(sms: Sms, text: str, params: dict[str, Json]) -> tuple[NewPost, ...]:
    if sms.message_id is not None:
        return ()
    return (alert_post(text, params, key=f"{text}:{sms.id}", sms_id=sms.id),)
