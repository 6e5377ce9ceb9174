"""The wheel that users install: it holds what the service reads, compiled where it can be."""

from __future__ import annotations

import subprocess
import sys
from gettext import GNUTranslations
from pathlib import Path
from zipfile import ZipFile

import pytest

from bridge.telegram.texts import catalogue

ROOT = Path(__file__).parents[2]
TEXTS = "bridge/telegram/texts"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_texts_are_compiled_when_the_wheel_is_built(wheel: Path, language: str) -> None:
    with ZipFile(wheel) as content:
        assert not [name for name in content.namelist() if name.endswith(".po")]
        with content.open(f"{TEXTS}/{language}/telegram.mo") as file:
            compiled = GNUTranslations(file)
    for text_id in ("button.leave", "alert.telegram_back"):
        assert compiled.ngettext(text_id, text_id, 5) == catalogue(language).ngettext(text_id, text_id, 5)
    assert compiled.gettext("button.leave") != "button.leave"


def test_an_installed_package_reads_its_compiled_texts(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel) as content:
        content.extractall(tmp_path)
    script = (
        "import sys; from bridge.telegram.texts import say; "
        "print(say('ru', 'button.leave'), 'bridge.telegram.texts.po' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.split() == ["Оставить", "False"]
