"""Compiles the catalogues of the operators' texts when a wheel is built. A checkout reads the ``.po`` files."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TEXTS = Path("bridge/telegram/texts")


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        po = runpy.run_path(str(Path(self.root) / TEXTS / "po.py"))
        self._folder = tempfile.TemporaryDirectory()
        for source in (Path(self.root) / TEXTS).glob("*/*.po"):
            target = TEXTS / source.parent.name / f"{source.stem}.mo"
            compiled = Path(self._folder.name) / f"{source.parent.name}.mo"
            compiled.write_bytes(po["compiled"](po["parsed"](source.read_text(encoding="utf-8"))))
            build_data["force_include"][str(compiled)] = str(target)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._folder.cleanup()
