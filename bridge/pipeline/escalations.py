"""Builds posts that ask people about an SMS or report its failure, if no operator's message shows its delivery status.

These are replies of rules and SMS of the command line. An operator's reply in a chat shows its delivery status itself,
with the same buttons.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.config import AccountSettings
from bridge.model.alert import alert_post
from bridge.model.answers import SmsReason
from bridge.model.base import Json
from bridge.model.post import NewPost
from bridge.model.record import Restoration
from bridge.model.sms import Origin, Sms


def about_unknown(sms: Sms, account: AccountSettings | None, reason: str) -> tuple[NewPost, ...]:
    """Ask whether to send an SMS again that may have arrived.

    With ``on_unknown: leave`` no question is asked about automatic replies. People are always asked about an SMS that a
    person wanted sent, and about an SMS whose account is not configured any more. SMS that became unknown because the
    store was restored from a copy share one post (:func:`about_restored`).
    """
    if reason == SmsReason.RESTORED:
        return ()
    if account is not None and account.on_unknown == "leave" and sms.origin is Origin.RULE:
        return ()
    return _about(sms, "alert.uncertain", {"account": sms.account, "reason": reason})


def about_parked(sms: Sms) -> tuple[NewPost, ...]:
    """Report that the platform took the SMS and waits for money."""
    return _about(sms, "alert.parked", {"account": sms.account})


def about_failed(sms: Sms, reason: str, detail: str) -> tuple[NewPost, ...]:
    """Report that the SMS could not be sent, and why."""
    return _about(sms, "alert.sms_failed", {"account": sms.account, "reason": reason, "detail": detail})


def about_restored(restored: Restoration) -> NewPost:
    """Report that the store was put back from a copy: how much is unknown because of it, and what to do about it."""
    taken = datetime.fromtimestamp(restored.taken_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    params: dict[str, Json] = {
        "taken": taken,
        "sms": restored.sms,
        "inbound": restored.inbound,
        "updates": restored.updates,
    }
    return alert_post("alert.restored", params, key=f"restored:{restored.restored_at}")


def _about(sms: Sms, text: str, params: dict[str, Json]) -> tuple[NewPost, ...]:
    if sms.message_id is not None:
        return ()
    return (alert_post(text, params, key=f"{text}:{sms.id}", sms_id=sms.id),)
