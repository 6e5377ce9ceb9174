"""The outcome of routing one inbound message: what was done with it, and which automatic replies were suppressed.

This is the only module that knows how an outcome is written in the column ``inbound.outcome``:
``forwarded, suppressed: opted_out`` or ``quarantined: no sender``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bridge.value import value_object


class RoutingResult(StrEnum):
    """One thing that was done with a message. A message can have several."""

    RULE_FAILED = "rule failed"
    REPLIED = "replied"
    FORWARDED = "forwarded"
    DROPPED = "dropped"
    OPTED_OUT = "opted out"
    OPTED_IN = "opted in"
    ASKED_TO_OPT_OUT = "asked whether to opt out"
    ASKED_TO_OPT_IN = "asked whether to opt in"
    KEPT = "kept"
    """The message was stored, and nothing else was done."""


class Suppression(StrEnum):
    """Why an automatic reply was not sent."""

    UNANSWERABLE = "unanswerable"
    """No SMS can be sent to the sender: a name, a short number, or one of our own numbers."""
    BLOCKED = "blocked"
    OPTED_OUT = "opted_out"
    TOO_OLD = "too_old"
    TAKEN_OVER = "taken_over"
    """A person answered this number a short time ago."""
    ROBOT_OFF = "robot_off"
    """A person switched automatic replies off for this number."""
    RESTORED = "restored"
    """The message came with a copy of the store. The original may have answered it."""
    PER_NUMBER = "per_number"
    SAME_TEXT = "same_text"
    DAILY_PARTS = "daily_parts"
    ONCE = "once"
    """``once`` of the rule held the reply back. All other members are guards."""


_SUPPRESSED: Final = "suppressed: "
_QUARANTINED: Final = "quarantined: "
_RESULTS: Final = frozenset(RoutingResult)
_SUPPRESSIONS: Final = frozenset(Suppression)


@value_object
class RoutingOutcome:
    """The outcome of routing one message."""

    results: tuple[RoutingResult, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    """Each reason once."""
    fault: str | None = None
    """Why the message was quarantined, in words; None: it was not."""
    unknown: tuple[str, ...] = ()
    """Stored words that only a newer version understands."""

    def __str__(self) -> str:
        """The outcome as it is stored; :meth:`parse` reads it."""
        if self.fault is not None:
            return f"{_QUARANTINED}{self.fault}"
        return ", ".join([*self.results, *(f"{_SUPPRESSED}{each}" for each in self.suppressions), *self.unknown])

    @classmethod
    def parse(cls, stored: str) -> RoutingOutcome:
        """Read what ``str`` wrote. Never fails: another node may run a newer version."""
        if stored.startswith(_QUARANTINED):
            return cls(fault=stored.removeprefix(_QUARANTINED))
        words = stored.split(", ") if stored else []
        reasons = [word.removeprefix(_SUPPRESSED) if word.startswith(_SUPPRESSED) else "" for word in words]
        return cls(
            results=tuple(RoutingResult(word) for word in words if word in _RESULTS),
            suppressions=tuple(Suppression(reason) for reason in reasons if reason in _SUPPRESSIONS),
            unknown=tuple(
                word
                for word, reason in zip(words, reasons, strict=True)
                if word not in _RESULTS and reason not in _SUPPRESSIONS
            ),
        )
