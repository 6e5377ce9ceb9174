"""Times and lengths of time as people read them. Pure: ``now`` and the time zone are passed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from bridge.model.base import DAY, HOUR, MINUTE, Language, Ms
from bridge.telegram.texts import say
from bridge.value import value_object

_FORMS = {"ru": "%d.%m.%Y %H:%M", "en": "%Y-%m-%d %H:%M"}


def moment(at: Ms, zone: tzinfo, language: Language, *, seconds: bool = False) -> str:
    """Day and time. A time that no calendar has, written by a clock that was wrong, is shown as its number."""
    try:
        when = datetime.fromtimestamp(at / 1000, zone)
    except (OverflowError, ValueError, OSError):
        return str(at)
    return when.strftime(_FORMS[language] + (":%S" if seconds else ""))


def until_when(at: Ms, now: Ms, zone: tzinfo, language: Language) -> str:
    """The time alone where it is today's."""
    day, today = (midnight(each, zone) for each in (at, now))
    return f"{datetime.fromtimestamp(at / 1000, zone):%H:%M}" if day == today else moment(at, zone, language)


def midnight(now: Ms, zone: tzinfo, days_back: int = 0) -> Ms:
    """The beginning of the day in that zone."""
    today = datetime.fromtimestamp(now / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(datetime.fromordinal(today.toordinal() - days_back).replace(tzinfo=zone).timestamp() * 1000)


@value_object
class Zones:
    """The time zone of each account's platform: its subscribers and its team most likely live there."""

    of: Mapping[str, tzinfo]

    def shown(self, at: Ms, account: str, now: Ms) -> str:
        """``14:05``, with the day where it is not today's."""
        zone = self.of.get(account, UTC)
        local, today = (datetime.fromtimestamp(ms / 1000, zone) for ms in (at, now))
        if local.date() == today.date():
            return f"{local:%H:%M}"
        return f"{local:%d.%m %H:%M}" if local.year == today.year else f"{local:%d.%m.%Y %H:%M}"


def length(ms: Ms, language: Language) -> str:
    """In the two largest units that count: "2 h 10 min"."""
    parts = ((ms // DAY, "days"), (ms % DAY // HOUR, "hours"), (ms % HOUR // MINUTE, "minutes"))
    shown = [say(language, f"length.{unit}", {"count": count}) for count, unit in parts if count]
    return " ".join(shown[:2]) or say(language, "length.minutes", {"count": 1})
