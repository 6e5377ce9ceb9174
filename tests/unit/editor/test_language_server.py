"""An editor that runs yaml-language-server completes keys and marks mistakes in our files, by the shipped schema."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.needs import lacking
from tests.unit.editor.server import LanguageServer, language_server

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / ".yaml-language-server/node_modules/yaml-language-server/bin/yaml-language-server"
NODE = shutil.which("node")


def named(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.yaml"))


@pytest.fixture
async def server() -> AsyncIterator[LanguageServer]:
    if NODE is None or not SCRIPT.exists():
        lacking("yaml-language-server, which needs node and npm,")
    async with language_server(NODE, SCRIPT, ROOT) as running:
        yield running


@pytest.mark.parametrize("name", ["config.example.yaml", *named("rules"), *named("docs/cookbook")])
async def test_shipped_files_name_their_schema_and_have_no_mistakes(server: LanguageServer, name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema="), name
    assert await server.open(ROOT / name, text) == []


async def test_a_mistake_in_a_rule_is_marked_where_it_stands(server: LanguageServer) -> None:
    file = ROOT / "rules" / "unsaved.yaml"
    text = """\
# yaml-language-server: $schema=../schema/rules.schema.json
rules:
  - name: hours
    when: {keyward: часы}
    reply: "Работаем."
    ttl: soon
  - when: {keyword: [a, b]}
    silent: perhaps
"""
    found = await server.open(file, text)
    places = [line.split(" ", 1)[0] for line in found]
    assert "4:12" in places, found
    assert "6:10" in places, found
    assert "8:13" in places, found
    assert any("name" in line for line in found if line.startswith("7:")), found


async def test_keys_are_offered_and_explained(server: LanguageServer) -> None:
    file = ROOT / "rules" / "unsaved.yaml"
    text = """\
# yaml-language-server: $schema=../schema/rules.schema.ru.json
rules:
  - name: hours
    when:
      k
    re
"""
    await server.open(file, text)
    assert {"keyword", "contains", "hours"} <= set(await server.complete(file, 5, 8))
    assert {"reply", "forward", "drop"} <= set(await server.complete(file, 6, 7))
    assert "Имя правила" in await server.hover(file, 3, 6)


async def test_values_that_a_person_may_write_are_no_mistakes(server: LanguageServer) -> None:
    file = ROOT / "rules" / "unsaved.yaml"
    text = """\
# yaml-language-server: $schema=../schema/rules.schema.json
rules:
  - name: 2026
    when: {keyword: 12, from: +79001112233, only: yes, prefix: 77, typo: "1"}
    reply: {ru: Да, en: Yes}
    ttl: 1h30m
    forward: support
  - {name: any, when: {any: [{contains: a}, {not: {text: b}}]}, reply: [a, b], from_date: 2026-06-01}
tests:
  - {name: t, sms: {text: 12}, expect: {parts: 1, no_reply: off}, at: 2026-03-01 22:15}
"""
    assert await server.open(file, text) == []
    config = """\
# yaml-language-server: $schema=schema/config.schema.json
server: {port: "8080", shutdown: ${WAIT}}
accounts:
  main: {login: a, password: "${P}", sender: S, rate: off, connections: "${N:-16}", on_unknown: "${U}"}
hours: {office: {week: {mon-fri: "09:00-18:00", sat: ["10:00-12:00", "13:00-15:00"]}}}
"""
    assert await server.open(ROOT / "unsaved.yaml", config.replace("${WAIT}", '"${WAIT}"')) == []
