"""Each file of ``bad/`` is named after its mistake; beside it stand the lines that ``check`` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import load
from bridge.errors import ConfigError

BAD = Path(__file__).parent / "bad"


def complaints(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load(path, {})
    return str(raised.value).replace(f"{path.parent}/", "") + "\n"


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_mistake_at_its_place(path: Path) -> None:
    assert complaints(path) == path.with_suffix(".expected").read_text(encoding="utf-8")


def test_there_are_no_expectations_without_a_file() -> None:
    assert {path.stem for path in BAD.glob("*.expected")} == {path.stem for path in BAD.glob("*.yaml")}
