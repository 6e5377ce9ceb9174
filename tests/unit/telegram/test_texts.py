"""Both languages say the same things, with the same parameters, and Russian counts right."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import pytest

import bridge
from bridge.model.actions import ActionKind
from bridge.model.answers import SmsReason
from bridge.model.routing_outcome import RoutingResult, Suppression
from bridge.model.sms import UNDECIDED, ConfirmationReason, SmsState
from bridge.telegram.client.errors import FailureKind
from bridge.telegram.commands.spec import COMMANDS
from bridge.telegram.incoming import Refusal
from bridge.telegram.texts import PLURALS, catalogue, say
from bridge.telegram.texts.po import Entry, compiled, parsed
from bridge.telegram.updates.connection import ALERTS

LANGUAGES = ("ru", "en")
FORMS = {"ru": 3, "en": 2}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def entries(language: str) -> dict[str, Entry]:
    source = files("bridge.telegram.texts").joinpath(language, "telegram.po").read_text(encoding="utf-8")
    found = parsed(source)
    del found[""]
    return found


_SUBJECTS = "|".join(sorted({text_id.partition(".")[0] for text_id in entries("en")}))
_ID = re.compile(rf"(?:{_SUBJECTS})\.[a-z_]*[a-z]")
_BEGINS = re.compile(rf"(?:{_SUBJECTS})\.[a-z_]*")
_FINDING = {"ok", "warning", "fault", "level"}
"""Names of the functions that make a finding of the doctor. Its text is ``doctor.<first argument>``."""


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
        if text_id in PLURALS:
            assert len(entry.texts) == FORMS[language], text_id
            assert "{" + PLURALS[text_id] + "}" in entry.texts[0], text_id
        else:
            assert entry.plural is None, text_id
            assert len(entry.texts) == 1, text_id


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_written_and_plain(language: str) -> None:
    for text_id, entry in entries(language).items():
        for text in entry.texts:
            assert text.strip(), text_id
            assert "!" not in text, text_id


# The texts whose id is put together: the constant beginning, and the values that follow it.
FAMILIES: Mapping[str, Collection[str]] = {
    "action.": list(ActionKind),
    "button.": ["open", "close", "claim"],
    "button.opt_": ["out", "in"],
    "command.": list(COMMANDS),
    "confirmation.": list(ConfirmationReason),
    "failure.": list(FailureKind),
    "head.opt_question_": ["out", "in"],
    "notice.": list(Refusal),
    "outcome.": [result.replace(" ", "_") for result in RoutingResult],
    "reason.": [*SmsReason, UNDECIDED, "ttl"],
    "result.": [Refusal.NOT_OPERATOR, Refusal.ANONYMOUS, Refusal.FORWARDED, Refusal.VIA_BOT],
    "status.": [*(set(SmsState) - {SmsState.SENDING}), "partly", "cancelled_correction"],
    "suppression.": list(Suppression),
    "usage.": list(COMMANDS),
}


def modules() -> Iterator[ast.Module]:
    for path in Path(bridge.__file__).parent.rglob("*.py"):
        yield ast.parse(path.read_text("utf-8"))


def named_ids(tree: ast.AST) -> Iterator[str]:
    """The whole ids that a module names, and those of the findings of the doctor."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ID.fullmatch(node.value):
            yield node.value
        if isinstance(node, ast.Call) and _FINDING & names(node.func):
            yield from (f"doctor.{word}" for arg in node.args for word in words(arg))


def assembled_ids(tree: ast.AST) -> Iterator[str]:
    """The constant beginnings of the ids that a module puts together."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            begins = str(node.values[0].value)
            if _BEGINS.fullmatch(begins):
                yield begins


def names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def words(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def test_every_id_the_program_names_exists() -> None:
    named = {text_id for tree in modules() for text_id in named_ids(tree)}
    assert named - set(entries("en")) == set()


def test_every_id_that_is_put_together_belongs_to_a_family() -> None:
    assembled = {begins for tree in modules() for begins in assembled_ids(tree)}
    assert assembled - {"doctor."} == set(FAMILIES)


@pytest.mark.parametrize("begins", list(FAMILIES))
def test_every_member_of_a_family_has_words(begins: str) -> None:
    assert {f"{begins}{word}" for word in FAMILIES[begins]} - set(entries("en")) == set()


def test_every_text_is_used() -> None:
    used = {text_id for tree in modules() for text_id in named_ids(tree)}
    used |= {f"{begins}{word}" for begins, members in FAMILIES.items() for word in members}
    used |= {f"{text}_ok" for _, text in ALERTS.values()}
    assert set(entries("en")) - used == set()


def test_every_alert_that_a_person_ends_has_an_all_clear() -> None:
    assert {f"{text}_ok" for _, text in ALERTS.values()} - set(entries("en")) == set()


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


def test_catalogues_compile_for_gettext() -> None:
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
def test_a_mistake_in_a_catalogue_is_an_error(source: str) -> None:
    with pytest.raises(ValueError):
        parsed(source)
