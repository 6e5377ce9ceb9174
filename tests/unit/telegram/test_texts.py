"""Both languages say the same things, with the same parameters, and Russian counts right."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

import bridge
from bridge.model.actions import ActionKind
from bridge.model.answers import SmsReason
from bridge.model.routing_outcome import Suppression
from bridge.model.sms import ConfirmationReason, SmsState
from bridge.telegram.client.errors import FailureKind
from bridge.telegram.texts import COUNTED, catalogue, say
from bridge.telegram.texts.po import Entry, compiled, parsed

LANGUAGES = ("ru", "en")
FORMS = {"ru": 3, "en": 2}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def entries(language: str) -> dict[str, Entry]:
    source = files("bridge.telegram.texts").joinpath(language, "telegram.po").read_text(encoding="utf-8")
    found = parsed(source)
    del found[""]
    return found


def test_languages_have_the_same_ids_and_placeholders() -> None:
    ru, en = entries("ru"), entries("en")
    assert list(ru) == list(en)
    for text_id in ru:
        wanted = set(_PLACEHOLDER.findall(en[text_id].texts[-1]))
        for text in (*ru[text_id].texts, *en[text_id].texts):
            assert set(_PLACEHOLDER.findall(text)) == wanted, text_id


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_are_complete_and_only_where_something_is_counted(language: str) -> None:
    for text_id, entry in entries(language).items():
        if text_id in COUNTED:
            assert len(entry.texts) == FORMS[language], text_id
            assert "{" + COUNTED[text_id] + "}" in entry.texts[0], text_id
        else:
            assert entry.plural is None, text_id
            assert len(entry.texts) == 1, text_id


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_written_and_plain(language: str) -> None:
    for text_id, entry in entries(language).items():
        for text in entry.texts:
            assert text.strip(), text_id
            assert "!" not in text, text_id


def test_every_id_the_program_names_exists() -> None:
    named: set[str] = set()
    for path in Path(bridge.__file__).parent.rglob("*.py"):
        families = "alert|notice|pressed|button|head|status|suppression|confirmation|result|answer|path|link"
        ids = rf'"((?:{families})\.[a-z_]+)"'
        named |= set(re.findall(ids, path.read_text("utf-8")))
    assert named - set(entries("en")) == set()


def test_every_state_of_an_sms_has_words() -> None:
    missing = {state for state in SmsState if f"status.{state}" not in entries("en")}
    assert missing == {SmsState.SENDING}, "sending is shown as queued"


@pytest.mark.parametrize("reason", [*SmsReason, "interrupted", "internal", "zeros", "ttl"])
def test_every_reason_code_has_words(reason: str) -> None:
    assert f"reason.{reason}" in entries("en")


@pytest.mark.parametrize("failure", list(FailureKind))
def test_every_failure_of_telegram_has_words(failure: FailureKind) -> None:
    assert f"failure.{failure}" in entries("en")


@pytest.mark.parametrize("ask", list(ConfirmationReason))
def test_every_reason_to_ask_first_has_words(ask: ConfirmationReason) -> None:
    assert f"confirmation.{ask}" in entries("en")


@pytest.mark.parametrize("kind", list(ActionKind))
def test_every_action_has_words(kind: ActionKind) -> None:
    assert f"action.{kind}" in entries("en")


@pytest.mark.parametrize("hold", list(Suppression))
def test_every_hold_of_an_automatic_reply_has_words(hold: Suppression) -> None:
    assert f"suppression.{hold}" in entries("en")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "Ждала 1 SMS"),
        (3, "Ждали 3 SMS"),
        (5, "Ждало 5 SMS"),
        (11, "Ждало 11 SMS"),
        (21, "Ждала 21 SMS"),
    ],
)
def test_russian_plurals(count: int, words: str) -> None:
    assert words in say("ru", "alert.telegram_back", {"waiting": count})


def test_a_value_is_never_a_template() -> None:
    assert "{account}" in say("en", "alert.platform_unreachable", {"account": "{account}"})
    assert "{0.__class__}" in say("en", "alert.platform_unreachable", {"account": "{0.__class__}"})


def test_a_missing_parameter_or_text_shows_and_raises_nothing() -> None:
    assert "{account}" in say("en", "alert.platform_unreachable", {})
    assert say("en", "alert.of_a_newer_version", {"account": "main"}) == "alert.of_a_newer_version"


def test_catalogue_reads_what_gettext_would() -> None:
    source = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "a"\nmsgstr "one "\n"line"\n'
    found = parsed(source)
    assert found["a"].texts == ["one line"]
    assert compiled(found).startswith(b"\xde\x12\x04\x95")
    assert catalogue("ru").gettext("button.leave") == "Оставить"


@pytest.mark.parametrize(
    "source",
    [
        'msgid "a"\nmsgstr "1"\nmsgid "a"\nmsgstr "2"\n',
        'msgstr "1"\n',
        'msgid "a"\nmsgstr[1] "1"\n',
        'msgid "a"\n"b"\nmsgstr "1"\n',
        'msgid "a"\nmsgstr unquoted\n',
        'msgid "a"\nmsgstr "open\n',
    ],
)
def test_a_slip_in_a_catalogue_is_an_error(source: str) -> None:
    with pytest.raises(ValueError):
        parsed(source)
