"""Conditions on the sender and the time. What they compare with comes in with the message: nothing is looked up."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.rules.conditions import Found, Needs, View
from bridge.rules.schedule import Campaign, Hours, Phase
from bridge.value import value_object


@value_object
class WithinHours:
    """One of these windows is open, or, ``outside``, none of them is."""

    windows: Mapping[str, Hours]
    outside: bool
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        is_open = any(hours.is_open(view.now) for hours in self.windows.values())
        return found if is_open is not self.outside else None

    def why(self, view: View, found: Found) -> str:
        return self._says(within=not self.outside)

    def why_not(self, view: View, found: Found) -> str:
        return self._says(within=self.outside)

    def _says(self, *, within: bool) -> str:
        return f"hours: it is {'within' if within else 'outside'} {', '.join(self.windows)}"


@value_object
class DuringCampaign:
    """The days of the campaign; before and after them only where the rule has a reply for it."""

    campaign: Campaign
    phases: frozenset[Phase]
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if self.campaign.phase(view.now) in self.phases else None

    def why(self, view: View, found: Found) -> str:
        phase = self.campaign.phase(view.now)
        return {
            Phase.BEFORE: "before: it is not yet from_date",
            Phase.DURING: "from_date, until_date: it is between them",
            Phase.AFTER: "after: until_date is over",
        }[phase]

    def why_not(self, view: View, found: Found) -> str:
        early = self.campaign.phase(view.now) is Phase.BEFORE
        return "from_date: it is too early" if early else "until_date: it is over"


@value_object
class ContactIs:
    """What is known of the sender. None: no matter."""

    first_time: bool | None = None
    opted_out: bool | None = None
    blocked: bool | None = None
    tags: frozenset[str] = frozenset()
    """One of these; empty: no matter."""
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if self._differs(view) is None else None

    def why(self, view: View, found: Found) -> str:
        says = [f"{word} is {_yes(actual)}" for word, wanted, actual in self._asked(view) if wanted is not None]
        if self.tags:
            says.append(f"has the tag {', '.join(sorted(self.tags.intersection(view.message.contact.tags)))}")
        return f"contact: {', '.join(says)}"

    def why_not(self, view: View, found: Found) -> str:
        return f"contact: {self._differs(view) or ''}"

    def _asked(self, view: View) -> tuple[tuple[str, bool | None, bool], ...]:
        """Key, what is wanted, what is."""
        contact = view.message.contact
        return (
            ("first_time", self.first_time, contact.first_time),
            ("opted_out", self.opted_out, contact.opted_out),
            ("blocked", self.blocked, contact.blocked),
        )

    def _differs(self, view: View) -> str | None:
        for word, wanted, actual in self._asked(view):
            if wanted is not None and wanted is not actual:
                return f"{word} is {_yes(actual)}"
        if self.tags and self.tags.isdisjoint(view.message.contact.tags):
            return f"has not the tag {', '.join(sorted(self.tags))}"
        return None


@value_object
class ConversationIs:
    """A person of the team wrote lately, or nobody did."""

    is_open: bool
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if view.message.conversation_open is self.is_open else None

    def why(self, view: View, found: Found) -> str:
        return f"conversation: it is {'open' if self.is_open else 'none'}"

    def why_not(self, view: View, found: Found) -> str:
        return f"conversation: it is {'none' if self.is_open else 'open'}"


@value_object
class WithinLimit:
    """The rule has matched fewer times than this, for the sender or in all, in the time up to now."""

    rule: str
    per_sender: tuple[int, Ms] | None
    total: tuple[int, Ms] | None
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if self._spent(view) is None else None

    def why(self, view: View, found: Found) -> str:
        return "limit: not reached"

    def why_not(self, view: View, found: Found) -> str:
        return f"limit: {self._spent(view) or ''}"

    def _spent(self, view: View) -> str | None:
        uses = view.message.uses
        if self.per_sender is not None:
            count, per = self.per_sender
            if uses.of_sender(self.rule, RuleCounter.MATCH, view.now - per) >= count:
                return f"matched {count} times for this sender already"
        if self.total is not None and uses.totals.get(self.rule, 0) >= self.total[0]:
            return f"matched {self.total[0]} times already"
        return None


def _yes(value: bool) -> str:
    return "true" if value else "false"
