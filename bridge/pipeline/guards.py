"""Limits that hold whatever the rules say: which numbers get automatic replies, how often, and at what cost.

Pure: the guards use only what was read with the message. A guard never loses a message. It holds automatic replies back
and names the reason, which is stored with the message.
"""

from __future__ import annotations

from collections.abc import Collection

from bridge.config import GuardSettings, Rate
from bridge.model.base import Ms
from bridge.model.contact import RecentReply
from bridge.model.routing import UnroutedMessage
from bridge.model.routing_outcome import Suppression
from bridge.text import phones

SHOWN_TO_PEOPLE = frozenset(
    {
        Suppression.UNANSWERABLE,
        Suppression.OPTED_OUT,
        Suppression.RESTORED,
        Suppression.TOO_OLD,
        Suppression.TAKEN_OVER,
        Suppression.ROBOT_OFF,
        Suppression.DAILY_PARTS,
    }
)
"""After these reasons, a message that no rule forwards goes to the default chat, because no automatic reply leaves and
a person has to look.

Not among them: a blocked number, because a person blocked it; and a number over its limit, because the team gets one
alert about it, and showing each of its messages would be the flood that the guard stops."""


def longest_window(guards: GuardSettings) -> Ms:
    """The longest period that a guard looks back, in milliseconds. Recent replies must be read that far back."""
    return max((rate.per for rate in (guards.per_number, guards.same_text) if rate is not None), default=0)


def suppression_of_message(
    message: UnroutedMessage, *, own_numbers: Collection[str], max_age: Ms | None, now: Ms
) -> Suppression | None:
    """The reason to hold back every automatic reply to this message, whatever its text and its rule. None: no reason.

    Opt-outs are checked for each rule instead, because a rule that fires on this message may change them.
    """
    inbound, contact = message.inbound, message.contact
    if not phones.can_be_answered(inbound.subscriber, own_numbers):
        return Suppression.UNANSWERABLE
    if contact.blocked:
        return Suppression.BLOCKED
    if message.restored:
        return Suppression.RESTORED
    if max_age is not None and now - written_at(message) > max_age:
        return Suppression.TOO_OLD
    if contact.robot_off:
        return Suppression.ROBOT_OFF
    if contact.robot_paused_until > now:
        return Suppression.TAKEN_OVER
    return None


def written_at(message: UnroutedMessage) -> Ms:
    """When the subscriber wrote the message, as far as known.

    The time of receipt can be later: the platform repeats calls while the bridge is down.
    """
    received, date = message.inbound.received_at, message.inbound.date
    return received if date is None else min(received, date)


def suppression_of_text(
    text: str, recent: Collection[RecentReply], guards: GuardSettings, now: Ms
) -> Suppression | None:
    """The reason to hold back this text to this number. None: no reason.

    ``recent``: the recent replies to the number, and the replies of the same decision that already leave.
    """
    if exceeds(guards.per_number, [reply.at for reply in recent], now):
        return Suppression.PER_NUMBER
    if exceeds(guards.same_text, [reply.at for reply in recent if reply.text == text], now):
        return Suppression.SAME_TEXT
    return None


def exceeds(rate: Rate | None, times: Collection[Ms], now: Ms) -> bool:
    """Whether one more reply at ``now`` exceeds the rate.

    Times in the future count, too: the clock was set back since.
    """
    return rate is not None and sum(1 for at in times if abs(now - at) < rate.per) >= rate.count
