"""``from_date`` and ``until_date`` of a rule, and ``before`` and ``after``: its replies outside of these dates."""

from __future__ import annotations

from datetime import tzinfo

from bridge.rules.conditions.base import Captures, Condition, View
from bridge.rules.reasons import Reason, Wording
from bridge.rules.schedule import Campaign, Phase
from bridge.rules.values import Day, DayEnd, Strict, Texts
from bridge.value import value_object

_PHASES = {
    Phase.BEFORE: Wording(en="it is not yet from_date", ru="from_date ещё не наступило"),
    Phase.DURING: Wording(en="it is between them", ru="сейчас время между ними"),
    Phase.AFTER: Wording(en="until_date is over", ru="until_date уже прошло"),
}
_TOO_EARLY = Wording(en="it is too early", ru="ещё рано")
_OVER = Wording(en="it is over", ru="срок прошёл")


class CampaignKeys(Strict):
    """Keys of a rule, not of its ``when``."""

    from_date: Day | None = None
    until_date: DayEnd | None = None
    before: Texts | None = None
    after: Texts | None = None

    @property
    def ends_before_it_starts(self) -> bool:
        return self.from_date is not None and self.until_date is not None and self.from_date >= self.until_date

    def campaign(self, timezone: tzinfo) -> Campaign | None:
        if self.from_date is None and self.until_date is None:
            return None
        start, end = (day and day.replace(tzinfo=timezone) for day in (self.from_date, self.until_date))
        return Campaign(start=start, end=end)

    def condition(self, campaign: Campaign) -> DuringCampaign:
        phases = {Phase.DURING}
        phases |= {Phase.BEFORE} if self.before is not None else set()
        phases |= {Phase.AFTER} if self.after is not None else set()
        return DuringCampaign(campaign=campaign, phases=frozenset(phases))


@value_object
class DuringCampaign(Condition):
    """The campaign is on, or it is in another phase for which the rule has a reply."""

    campaign: Campaign
    phases: frozenset[Phase]

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if self.campaign.phase(view.now) in self.phases else None

    def why(self, view: View, captures: Captures) -> Reason:
        phase = self.campaign.phase(view.now)
        key = "from_date, until_date" if phase is Phase.DURING else phase.value
        return Reason(key=key, wording=_PHASES[phase])

    def why_not(self, view: View, captures: Captures) -> Reason:
        if self.campaign.phase(view.now) is Phase.BEFORE:
            return Reason(key="from_date", wording=_TOO_EARLY)
        return Reason(key="until_date", wording=_OVER)
