"""What people are asked or told about an SMS that nobody wrote in a chat: a rule's answer, a command's SMS.

An operator's reply in a chat needs none of this: its fate is shown on the reply itself, with the same buttons.
"""

from __future__ import annotations

from bridge.config import AccountSettings
from bridge.model import ADMIN_CHAT, Json, NewPost, Origin, PostKind, PostPriority, Sms


def about_unknown(sms: Sms, account: AccountSettings | None, reason: str) -> tuple[NewPost, ...]:
    """May have arrived, nobody knows: "send again anyway" or "leave it".

    ``on_unknown: leave`` asks nobody about automatic replies; what a person wanted sent is always asked about, and so
    is what went by an account that is not configured any more.
    """
    if account is not None and account.on_unknown == "leave" and sms.origin is Origin.RULE:
        return ()
    return about(sms, "alert.uncertain", {"account": sms.account, "reason": reason})


def about_parked(sms: Sms) -> tuple[NewPost, ...]:
    return about(sms, "alert.parked", {"account": sms.account})


def about_failed(sms: Sms, reason: str, detail: str) -> tuple[NewPost, ...]:
    return about(sms, "alert.sms_failed", {"account": sms.account, "reason": reason, "detail": detail})


def about(sms: Sms, text: str, params: dict[str, Json]) -> tuple[NewPost, ...]:
    if sms.message_id is not None:
        return ()
    return (
        NewPost(
            chat=ADMIN_CHAT,
            kind=PostKind.ALERT,
            priority=PostPriority.FAILURE,
            key=f"{text}:{sms.id}",
            payload={"text": text, "params": params},
            sms_id=sms.id,
        ),
    )
