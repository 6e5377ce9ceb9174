"""A finding of a check: a sentence for a person, and how bad it is. Its text id is ``doctor.<what>``.

The parameters hold no secret: names, ids, hosts and the reason. ``why`` is a text id, so the reader gets it in their
own language. ``detail`` has another program's own words and is only quoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Json, Language
from bridge.telegram.texts import say
from bridge.value import value_object


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, but probably not as intended."""
    FAULT = "fault"
    """It does not work until a person does what the sentence says."""


@value_object
class Finding:
    what: str
    """Stable, for scripts: ``chat_not_forum``."""
    level: Level
    params: Mapping[str, Json] = field(default_factory=dict)

    def sentence(self, language: Language) -> str:
        why, detail = self.params.get("why"), self.params.get("detail")
        words: dict[str, Json] = {
            "why": say(language, why) if isinstance(why, str) else "",
            "said": say(language, "doctor.said", {"detail": detail}) if detail else "",
        }
        return say(language, f"doctor.{self.what}", {**self.params, **words})


def ok(what: str, **params: Json) -> Finding:
    return Finding(what=what, level=Level.OK, params=params)


def warning(what: str, **params: Json) -> Finding:
    return Finding(what=what, level=Level.WARNING, params=params)


def fault(what: str, **params: Json) -> Finding:
    return Finding(what=what, level=Level.FAULT, params=params)
