"""What holds whatever the rules say: nobody is answered who cannot be, no robot is answered all night, no budget burns.

Pure: reads only what was read with the message. A guard never loses a message; it takes away automatic replies and
says why in one word, which is stored with the message.
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
"""Holds after which a message that no rule forwards goes to the default chat: the robot is silent, so a person looks.

A blocked number was silenced by a person, and a number over its budget is told of once: showing each of its messages
would be the flood that the guard is there to stop."""


def longest_window(guards: GuardSettings) -> Ms:
    """How far back recent replies must be read."""
    return max((rate.per for rate in (guards.per_number, guards.same_text) if rate is not None), default=0)


def hold_all(item: UnroutedMessage, *, own_numbers: Collection[str], max_age: Ms | None, now: Ms) -> Suppression | None:
    """A reason that holds back every automatic reply to this message, whatever its text and its rule.

    Whether the number opted out is asked for each rule: it may be this very message's rule that changes it.
    """
    inbound, contact = item.inbound, item.contact
    if not phones.answerable(inbound.subscriber, own_numbers):
        return Suppression.UNANSWERABLE
    if contact.blocked:
        return Suppression.BLOCKED
    if item.restored:
        return Suppression.RESTORED
    if max_age is not None and now - written_at(item) > max_age:
        return Suppression.TOO_OLD
    if contact.robot_off:
        return Suppression.ROBOT_OFF
    if contact.robot_paused_until > now:
        return Suppression.TAKEN_OVER
    return None


def written_at(item: UnroutedMessage) -> Ms:
    """When the subscriber wrote it, as far as known: the platform keeps calling through an outage of ours."""
    received, date = item.inbound.received_at, item.inbound.date
    return received if date is None else min(received, date)


def hold_text(text: str, recent: Collection[RecentReply], guards: GuardSettings, now: Ms) -> Suppression | None:
    """A reason that holds back this text to this number. ``recent`` includes what this decision already sends."""
    if over(guards.per_number, [reply.at for reply in recent], now):
        return Suppression.PER_NUMBER
    if over(guards.same_text, [reply.at for reply in recent if reply.text == text], now):
        return Suppression.SAME_TEXT
    return None


def over(rate: Rate | None, times: Collection[Ms], now: Ms) -> bool:
    """Would one more at ``now`` pass the rate? Times ahead, of a clock set back since, count like those before."""
    return rate is not None and sum(1 for at in times if abs(now - at) < rate.per) >= rate.count
