"""Limits that hold whatever the rules say: whom a robot may answer, how often, and how much that may cost.

Pure: they read only what was read with the message. A guard never loses a message: it holds automatic replies back and
names the reason, which is stored with the message.
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
"""After these, a message that no rule forwards goes to the default chat: the robot is silent, so a person looks.

A blocked number was silenced by a person. The team gets one alert about a number over its limit: showing each of its
messages would be the flood that the guard stops."""


def longest_window(guards: GuardSettings) -> Ms:
    """How far back recent replies must be read."""
    return max((rate.per for rate in (guards.per_number, guards.same_text) if rate is not None), default=0)


def suppression_of_all(
    item: UnroutedMessage, *, own_numbers: Collection[str], max_age: Ms | None, now: Ms
) -> Suppression | None:
    """The reason to hold back every automatic reply to this message, whatever its text and its rule; None: no reason.

    Opt-outs are checked for each rule instead: the rule that fires on this message may change them.
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
    """When the subscriber wrote it, as far as known. The platform repeats its calls while the bridge is down."""
    received, date = item.inbound.received_at, item.inbound.date
    return received if date is None else min(received, date)


def suppression_of_text(
    text: str, recent: Collection[RecentReply], guards: GuardSettings, now: Ms
) -> Suppression | None:
    """The reason to hold back this text to this number; None: no reason.

    ``recent``: the number's recent replies, and those that this decision already sends.
    """
    if exceeds(guards.per_number, [reply.at for reply in recent], now):
        return Suppression.PER_NUMBER
    if exceeds(guards.same_text, [reply.at for reply in recent if reply.text == text], now):
        return Suppression.SAME_TEXT
    return None


def exceeds(rate: Rate | None, times: Collection[Ms], now: Ms) -> bool:
    """Whether one more at ``now`` exceeds the rate. Times in the future, of a clock set back since, count as well."""
    return rate is not None and sum(1 for at in times if abs(now - at) < rate.per) >= rate.count
