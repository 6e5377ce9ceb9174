"""Every service of the cookbook loads alone without a warning, and its own tests pass."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bridge.app.rulebook import rule_context
from bridge.config import load
from bridge.rules import RuleContext, RuleSet
from bridge.rules.loader import load_rules, read_rules

COOKBOOK = Path(__file__).parents[3] / "docs" / "cookbook"
RECIPES = sorted(COOKBOOK.glob("[0-9]*.yaml"))
READMES = ("README.md", "README.ru.md")


def context() -> RuleContext:
    settings = load(COOKBOOK / "config.yaml", {})
    assert not settings.warnings
    return rule_context(settings)


def alone(recipe: Path, folder: Path) -> Path:
    """A folder of rules that holds this recipe and nothing else."""
    shutil.copy(recipe, folder)
    return folder


def loaded(recipe: Path, folder: Path) -> RuleSet:
    return load_rules(alone(recipe, folder), context())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_it_works_as_it_is(recipe: Path, tmp_path: Path) -> None:
    rules = loaded(recipe, tmp_path)
    assert not rules.warnings, "\n".join(map(str, rules.warnings))
    named = recipe.read_text("utf-8").splitlines()[0].rpartition("$schema=")[2]
    assert (COOKBOOK / named).exists()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_its_tests_tell_of_every_rule(recipe: Path, tmp_path: Path) -> None:
    rules, examples = read_rules(alone(recipe, tmp_path), context())
    tested = {step.expect.rule for example in examples for step in example.steps}
    assert len(examples) >= 3
    untested = {rule.name for rule in rules.rules} - tested
    assert untested <= {"everything-else"}


@pytest.mark.parametrize("readme", READMES)
def test_the_list_names_each_of_them(readme: str) -> None:
    text = (COOKBOOK / readme).read_text("utf-8")
    assert re.findall(r"^\| \[(\S+)\]", text, re.MULTILINE) == [recipe.stem for recipe in RECIPES]
    assert len(RECIPES) == 10
