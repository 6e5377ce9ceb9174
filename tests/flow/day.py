"""A team's day as the sandbox plays it, and the transcript of it in the documents.

``python -m tests.flow.day`` writes it into both documents anew, when what the bot says has changed.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.flow.test_commands import timeless
from tests.processes import sms_bridge

SCRIPT = Path(__file__).with_name("day.sandbox")
DOCUMENTS = tuple(Path(__file__).parents[2] / "docs" / name for name in ("telegram.md", "telegram.ru.md"))
CLOCK = re.compile(r"\b[0-9]{2}:[0-9]{2}\b")
"""As the last lines of a talk have it."""
BLOCK = re.compile(r"(<!-- day -->\n```\n)(.*?)(```\n)", re.DOTALL)


async def played() -> list[str]:
    """What the sandbox shows of the day, its greeting left out."""
    result = await sms_bridge("sandbox", "--port", "0", "--script", str(SCRIPT))
    assert result.code == 0, result.out[-2000:] + result.err
    return result.out[result.out.index("# ") :].splitlines()


def printed(document: Path) -> list[str]:
    """What the document shows of it."""
    found = BLOCK.search(document.read_text(encoding="utf-8"))
    assert found is not None, f"{document} has lost its transcript"
    return found[2].splitlines()


def told(lines: list[str]) -> set[str]:
    """The lines without ids and times. What happens at once is told in no order."""
    return {CLOCK.sub("", timeless(line)) for line in lines}


def done(lines: list[str]) -> list[str]:
    """What the people do, in its order."""
    return [line for line in lines if line.startswith(("#", ">"))]


def main() -> None:
    shown = "".join(f"{line}\n" for line in asyncio.run(played()))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        document.write_text(BLOCK.sub(lambda found: found[1] + shown + found[3], text), encoding="utf-8")


if __name__ == "__main__":
    main()
