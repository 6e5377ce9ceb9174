"""``sms-bridge init``: writes a first configuration and rules. It detects language and time zone, and asks nothing."""

from __future__ import annotations

import json
import os
import secrets
import zoneinfo
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import cast

import click

from bridge.cli.common import fail
from bridge.editor import Kind, json_schema
from bridge.model.base import LANGUAGES, Language
from bridge.schema import display_path, plural

RULES = {
    "support": ("20-support.yaml",),
    "keywords": ("10-keywords.yaml", "90-everything-else.yaml"),
    "both": ("10-keywords.yaml", "20-support.yaml"),
}
"""The rule files of each ``--kind``. The last file has a rule that matches every message."""
DEFAULT_ZONE = "Europe/Moscow"
LOCALTIME = Path("/etc/localtime")
OWNER_ONLY = 0o600


@click.command()
@click.option(
    "--kind",
    type=click.Choice(list(RULES)),
    default="both",
    show_default=True,
    help="support: people answer. keywords: the robot answers to words. both: first words, then people.",
)
@click.option("--language", type=click.Choice(LANGUAGES), help="Of comments and texts. Default: by the locale.")
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(kind: str, language: str | None, folder: Path) -> None:
    """Write config.yaml, rules/ and schema/ (for editors) into DIR, by default into this folder.

    They pass `sms-bridge check` as they are. Nothing that exists is replaced.

    Exit code 0: written. 1: something is there already, or cannot be written.
    """
    chosen = cast(Language, language or language_of(os.environ))
    wanted = contents(kind, chosen)
    taken = [display_path(folder / name) for name in wanted if (folder / name).exists()]
    if taken:
        fail(f"nothing was written: {', '.join(taken)} would be replaced; name another folder, or move what is there")
    try:
        write(folder, wanted)
    except OSError as error:
        fail(f"cannot write: {error.strerror}: {error.filename}")
    for name in wanted:
        click.echo(display_path(folder / name))
    config = display_path(folder / "config.yaml")
    click.echo(
        f"{plural(len(wanted), 'file')} written. Next: set IBA_LOGIN, IBA_PASSWORD, IBA_SENDER, TELEGRAM_TOKEN and"
        f" SUPPORT_CHAT in the environment,\n  sms-bridge check -c {config}\n  sms-bridge test -c {config}\n"
        f"  sms-bridge run -c {config}",
        err=True,
    )


def contents(kind: str, language: Language) -> dict[str, str]:
    """The name and the text of each file."""
    values = {"@SECRET@": secrets.token_hex(16), "@TIMEZONE@": zone_of(os.environ, LOCALTIME)}
    found = {"config.yaml": starter(language, "config.yaml", values)}
    found |= {f"rules/{name}": starter(language, name, values) for name in RULES[kind]}
    suffix = "" if language == "en" else f".{language}"
    for each in Kind:
        schema = json.dumps(json_schema(each, language), ensure_ascii=False, indent=2)
        found[f"schema/{each}.schema{suffix}.json"] = f"{schema}\n"
    return found


def starter(language: Language, name: str, values: Mapping[str, str]) -> str:
    text = files("bridge.starters").joinpath(language, name).read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def write(folder: Path, wanted: Mapping[str, str]) -> None:
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only the owner may read the configuration: people write secrets into it, against the advice of its comments.
        mode = OWNER_ONLY if name == "config.yaml" else 0o644
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)


def language_of(environ: Mapping[str, str]) -> Language:
    """The language of the locale. The order of the variables is that of the C library."""
    locale = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environ.get(key))), "")
    return "ru" if locale.lower().startswith("ru") else "en"


def zone_of(environ: Mapping[str, str], localtime: Path) -> str:
    """The name of the machine's time zone; :data:`DEFAULT_ZONE` if the zone has no name or is only an offset."""
    target = str(localtime.resolve())
    named = environ.get("TZ") or target.rpartition("zoneinfo/")[2]
    return named if "/" in named and named in zoneinfo.available_timezones() and "Etc/" not in named else DEFAULT_ZONE
