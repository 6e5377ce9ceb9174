"""The page about commands names each of them, in both languages, and its canned replies can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bridge.rules.canned import all_canned
from bridge.telegram.commands.spec import COMMANDS

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("telegram.md", "telegram.ru.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_has_its_row(page: str) -> None:
    rows = "\n".join(line for line in (DOCS / page).read_text("utf-8").splitlines() if line.startswith("| `/"))
    assert set(re.findall(r"`/([a-z]+)", rows)) == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES)
def test_what_only_admins_may_stands_apart(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    part = text[text.index("`telegram.admins`\n") :]
    part = part[: part.index("\n### ")]
    rows = "\n".join(line for line in part.splitlines() if line.startswith("| `/"))
    assert set(re.findall(r"`/([a-z]+)", rows)) == {name for name, command in COMMANDS.items() if command.admin}


@pytest.mark.parametrize("page", PAGES)
def test_the_canned_replies_shown_can_be_used(page: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    [block] = [block for block in blocks if block.startswith("replies:")]
    good, bad = all_canned(yaml.safe_load(block)["replies"])
    assert (list(good), bad) == (["hello", "signed"], {})
