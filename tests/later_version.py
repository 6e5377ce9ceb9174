"""A program of a later version than this one: it ships one more file of the schema."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import pytest

from bridge.store import migrate

LATER = "ALTER TABLE contact ADD COLUMN later TEXT NOT NULL DEFAULT '';\n"


@pytest.fixture
def later_version(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases made with ``shipped()[:-1]`` are of an older version than the program."""
    folder = tmp_path_factory.mktemp("schema")
    with resources.as_file(migrate.FOLDER) as ours:
        for file in Path(ours).glob("*.sql"):
            shutil.copy(file, folder)
    number = len(list(folder.iterdir())) + 1
    (folder / f"{number:04}_later.sql").write_text(LATER, encoding="utf-8")
    monkeypatch.setattr(migrate, "FOLDER", folder)
