"""Counts and paths in messages for people."""

from __future__ import annotations

from pathlib import Path


def plural(count: int, noun: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def display_path(path: Path) -> str:
    """The path as a person would write it here: relative, if it is below the current folder."""
    here = Path.cwd()
    # A service is often started in `/`. Every path is below it, and a path without its first slash would mislead.
    if here != Path(here.anchor) and path.is_absolute() and path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(path)
