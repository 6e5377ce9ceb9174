"""The reference of the rule language says nothing that the rules do not do: its examples are loaded and run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import BaseModel

from bridge.config import GuardSettings
from bridge.errors import ConfigError, Problem
from bridge.rules import RuleContext
from bridge.rules.conditions.contact import ContactEntry
from bridge.rules.conditions.hours import OutsideEntry
from bridge.rules.conditions.limit import LimitEntry
from bridge.rules.conditions.when import WhenEntry
from bridge.rules.loader import load_rules
from bridge.rules.schedule import Hours, parse_week
from bridge.rules.schema import (
    ExampleEntry,
    ExpectEntry,
    FileEntry,
    RuleEntry,
    SenderEntry,
    SmsEntry,
    StepEntry,
)
from bridge.rules.template_checks import VARIABLES

DOCS = Path(__file__).parents[3] / "docs"
LANGUAGES = ("rules.md", "rules.ru.md")
MOSCOW = ZoneInfo("Europe/Moscow")
CONTEXT = RuleContext(
    chats=frozenset({"support", "sales"}),
    lists={"vip": ("+79001112233",)},
    accounts=frozenset({"main"}),
    timezone=MOSCOW,
    hours={"office": Hours(timezone=MOSCOW, week=parse_week({"mon-fri": ("09:00-18:00",)}))},
)
MODELS: tuple[type[BaseModel], ...] = (
    FileEntry,
    RuleEntry,
    WhenEntry,
    OutsideEntry,
    ContactEntry,
    LimitEntry,
    ExampleEntry,
    StepEntry,
    SenderEntry,
    SmsEntry,
    ExpectEntry,
)
NO_CATCH_ALL = "no rule matches every message"
FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    document: str
    line: int
    rules: str
    printed: tuple[str, ...]
    """What ``check`` prints of it; empty where the block is no mistake."""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def read(document: str) -> str:
    return (DOCS / document).read_text("utf-8")


def blocks(document: str) -> list[Block]:
    """The examples. One that is followed at once by a block of text is a mistake with its messages."""
    text = read(document)
    found = []
    for fence in FENCE.finditer(text):
        if fence["kind"] != "yaml" or not fence["text"].startswith(("rules:", "defaults:")):
            continue
        messages = FENCE.match(text, fence.end() + 1)
        printed = messages["text"].splitlines() if messages and messages["kind"] == "text" else ()
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(document=document, line=line, rules=fence["text"], printed=tuple(printed)))
    return found


ALL = [block for document in LANGUAGES for block in blocks(document)]
GOOD = [block for block in ALL if not block.printed]
MISTAKES = [block for block in ALL if block.printed]


def check(directory: Path, rules: str) -> tuple[list[Problem], list[Problem]]:
    """Mistakes and warnings of a rules folder with one file."""
    folder = directory / "rules"
    folder.mkdir()
    (folder / "10-support.yaml").write_text(rules, "utf-8")
    try:
        return [], list(load_rules(folder, CONTEXT).warnings)
    except ConfigError as error:
        return list(error.problems), []


def is_available(model: type[BaseModel], name: str) -> bool:
    """A key of a later version takes no value at all."""
    return model.model_fields[name].annotation is not NoneType


def keys(*, available: bool) -> list[tuple[type[BaseModel], str]]:
    found: list[tuple[type[BaseModel], str]] = []
    for model in MODELS:
        names = [name for name in model.model_fields if is_available(model, name) is available]
        found += [(model, model.model_fields[name].alias or name) for name in names]
    return found


def used(document: str) -> set[tuple[type[BaseModel], str]]:
    """Every key that an example which loads really uses, with the model it belongs to."""
    found: set[tuple[type[BaseModel], str]] = set()
    for block in blocks(document):
        data = {} if block.printed else yaml.safe_load(block.rules)
        tests, rules = data.get("tests", []), data.get("rules", [])
        whens = [*below(rules, "when"), *below([data.get("defaults", {})], "when")]
        messages = [*tests, *(step for test in tests for step in test.get("steps", ()))]
        places: list[tuple[type[BaseModel], list[dict[str, object]]]] = [
            (FileEntry, [data]),
            (RuleEntry, rules),
            (WhenEntry, whens),
            (OutsideEntry, below(whens, "hours")),
            (ContactEntry, below(whens, "contact")),
            (LimitEntry, below(whens, "limit")),
            (ExampleEntry, tests),
            (StepEntry, [step for test in tests for step in test.get("steps", ())]),
            (SenderEntry, below(tests, "contact")),
            (SmsEntry, below(messages, "sms")),
            (ExpectEntry, below(messages, "expect")),
        ]
        found.update((model, str(key)) for model, nodes in places for node in nodes for key in node)
    return found


def below(nodes: list[dict[str, object]], key: str) -> list[dict[str, object]]:
    """The mappings that stand under ``key``."""
    return [value for node in nodes if isinstance(value := node.get(key), dict)]


def last_section(document: str) -> str:
    return read(document).rpartition("\n## ")[2]


def outline(document: str) -> list[str]:
    """Headings by their level and blocks by their kind, in order."""
    marks = re.findall(r"^(#+) |^```(\w+)$", read(document), re.MULTILINE)
    return [heading or kind for heading, kind in marks]


def unnamed(rules: str) -> object:
    """An example without the names of its tests, which are in the language of the document."""
    data = yaml.safe_load(rules)
    for test in data.get("tests", []):
        del test["name"]
    return data


@pytest.mark.parametrize("block", GOOD, ids=str)
def test_every_example_loads_and_its_own_tests_pass(tmp_path: Path, block: Block) -> None:
    mistakes, warnings = check(tmp_path, block.rules)
    assert not mistakes, "\n".join(map(str, mistakes))
    assert not [str(warning) for warning in warnings if NO_CATCH_ALL not in warning.message]


@pytest.mark.parametrize("block", MISTAKES, ids=str)
def test_each_mistake_gives_exactly_the_messages_printed_below_it(tmp_path: Path, block: Block) -> None:
    mistakes, warnings = check(tmp_path, block.rules)
    said = [*map(str, mistakes), *(f"{warning} (warning)" for warning in warnings)]
    assert tuple(line.replace(f"{tmp_path}/", "") for line in said) == block.printed


def test_both_kinds_of_blocks_are_found() -> None:
    for document in LANGUAGES:
        mine = [block for block in ALL if block.document == document]
        assert len(mine) == read(document).count("```yaml\n")
        assert any(block.printed for block in mine)
        assert any("tests:" in block.rules for block in mine if not block.printed)


@pytest.mark.parametrize("document", LANGUAGES)
def test_every_key_is_explained_and_has_an_example(document: str) -> None:
    text = read(document)
    assert not [key for _, key in keys(available=True) if f"`{key}`" not in text]
    assert not set(keys(available=True)) - used(document)


@pytest.mark.parametrize("document", LANGUAGES)
def test_the_last_section_names_the_reserved_keys_and_no_others(document: str) -> None:
    named = set(re.findall(r"`(\w+)`", last_section(document)))
    # Where a reserved key would stand is told by keys that exist.
    places = {"when", "on_error"}
    assert named - places == {key for _, key in keys(available=False)}


@pytest.mark.parametrize("document", LANGUAGES)
@pytest.mark.parametrize("name", sorted(VARIABLES - {"contact"} | {"contact.name", "contact.tags"}))
def test_every_variable_of_templates_is_explained(document: str, name: str) -> None:
    assert re.search(rf"^\|[^|]*`{re.escape(name)}`", read(document), re.MULTILINE)


@pytest.mark.parametrize("document", LANGUAGES)
@pytest.mark.parametrize("name", sorted(GuardSettings.model_fields))
def test_every_guard_is_explained(document: str, name: str) -> None:
    assert f"`guards.{name}`" in read(document)


def test_both_languages_have_the_same_structure_and_examples() -> None:
    english, russian = LANGUAGES
    assert outline(english) == outline(russian)
    for one, other in zip(*(blocks(document) for document in LANGUAGES), strict=True):
        if not one.printed:
            assert unnamed(one.rules) == unnamed(other.rules), f"{one} and {other}"
