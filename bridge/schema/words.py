"""Words and numbers in messages for people."""

from __future__ import annotations

from pathlib import Path


def plural(count: int, noun: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def shown(path: Path) -> str:
    """A file as a person would name it here: from the current folder where it is below it."""
    here = Path.cwd()
    # A service is often started in `/`: below it is everything, and a path without its slash would only mislead.
    if here != Path(here.anchor) and path.is_absolute() and path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(path)
