"""What a look at the surroundings found: a sentence for a person, and how bad it is. Text ids are ``doctor.<what>``.

Holds no secret: parameters are names, ids, hosts, and why it is so. ``why`` is the id of a text, said in the reader's
language like all else; ``detail`` are another program's words, in whatever language, and only quoted behind it.
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
    """It works, and probably not as meant."""
    FAULT = "fault"
    """Something will not work until a person does what the sentence says."""


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
