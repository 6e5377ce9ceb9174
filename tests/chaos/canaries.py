"""Words that must not get out, in every spelling in which they could; and the search through what was written.

Two searches. Planted words, few and distinctive, are looked for in every spelling. What other scenarios' databases
hold, texts and numbers by the thousand, is looked for in the logs beside them in the likelier ones.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import yaml

from tests.chaos import invariants

LOGS = ("*.jsonl", "*.log")
"""The files that services wrote. Databases, configurations and rules may hold such words."""
SHORTEST_SECRET = 8
"""Characters; a shorter one cannot be told from an ordinary word."""
SHORTEST_NUMBER = 10
_ID = re.compile(r'"smsid": "[^"]*"')
TELLING = 5
"""Cyrillic letters in a row of words that make a text one: names of rules and reasons are Latin."""


def spellings(word: str) -> Mapping[str, str]:
    """How it is spelled → the word so."""
    found = {"as it is": word, "in capitals": word.upper(), "in small letters": word.lower()}
    for encoding in ("utf-8", "cp1251"):
        encoded = word.encode(encoding)
        escaped = {quote(encoded, safe=""), quote(encoded), quote_plus(encoded)}
        escaped |= {re.sub(r"%..", lambda two: two[0].lower(), each) for each in escaped}
        found |= {f"percent-encoded {encoding} ({at})": each for at, each in enumerate(sorted(escaped))}
        found[f"bytes as Python writes them, {encoding}"] = repr(encoded)[2:-1]
        found[f"hexadecimal, {encoding}"] = encoded.hex()
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + encoded).decode()
            # The ends depend on what stands beside it.
            found[f"base64 {encoding}, {shift} bytes on"] = whole[4 if shift else 0 : -4]
    found["JSON"] = json.dumps(word)[1:-1]
    found["JSON in capitals"] = re.sub(r"\\u....", lambda code: "\\u" + code[0][2:].upper(), json.dumps(word))[1:-1]
    found["UTF-8 read as Latin-1"] = word.encode().decode("latin-1")
    found["UTF-8 read as Windows-1251"] = word.encode().decode("cp1251", "replace")
    found["Windows-1251 read as Latin-1"] = word.encode("cp1251").decode("latin-1")
    found["backwards"] = word[::-1]
    found["stripped"] = re.sub(r"[\W_]", "", word)
    return {how: spelled for how, spelled in found.items() if len(spelled) >= SHORTEST_SECRET}


def whole_numbers(content: str, numbers: Collection[str]) -> list[str]:
    """Those of ``numbers`` that stand there with all their digits, whatever is written for the country."""
    tails = {number[-10:]: number for number in numbers}
    runs = re.findall(r"(?<![0-9])[0-9]{10,15}(?![0-9])", content)
    return sorted({tails[run[-10:]] for run in runs if run[-10:] in tails})


def planted(folder: Path, words: Mapping[str, str], patterns: Collection[str] = ("*",)) -> list[str]:
    """Sentences about each word (what it is → the word) that is found below ``folder``, whatever its spelling."""
    forbidden = {f"{what} ({how})": spelled for what, word in words.items() for how, spelled in spellings(word).items()}
    return [sentence for pattern in patterns for sentence in invariants.secrets(folder, forbidden, pattern)]


# ---------------------------------------------------------------- what others wrote


def leaks(folder: Path) -> tuple[list[str], int]:
    """The words of databases and configurations that the logs in ``folder`` show, and the number of words searched."""
    logs = [path for pattern in LOGS for path in sorted(folder.rglob(pattern)) if path.is_file()]
    if not logs:
        return [], 0
    secrets, texts, numbers = known(folder)
    found = []
    for log in logs:
        # The platform's ids may look like numbers, and are meant to be shown.
        content = _ID.sub("", log.read_text(encoding="utf-8", errors="replace"))
        place = log.relative_to(folder)
        found += invariants.said(
            f"secret in {place}", sorted(what for what, value in secrets.items() if value in content)
        )
        found += invariants.said(f"whole number in {place}", [one[:4] + "…" for one in whole_numbers(content, numbers)])
        found += invariants.said(f"text of a message in {place}", list(shown_texts(content, texts)))
    return found, len(secrets) + len(texts) + len(numbers)


def shown_texts(content: str, texts: Iterable[str]) -> Iterator[str]:
    """How those that are shown begin. Lines and texts that differ in digits alone are looked at once."""
    lines = "\n".join({without_digits(line) for line in content.splitlines()})
    for text in texts:
        forms = (json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1], quote(text), quote_plus(text))
        if any(without_digits(form) in lines for form in forms):
            yield text[:12] + "…"


def without_digits(text: str) -> str:
    return re.sub(r"[0-9]+", "#", text)


def known(folder: Path) -> tuple[Mapping[str, str], Collection[str], frozenset[str]]:
    """Secrets (what → value), texts and numbers that the configurations and databases below hold."""
    secrets: dict[str, str] = {}
    texts: dict[str, str] = {}
    numbers: set[str] = set()
    names: set[str] = set()
    for config in folder.rglob("config.yaml"):
        secrets |= {f"{name} of {config.parent.name}": value for name, value in configured(config)}
    for database in folder.rglob("*.db"):
        for text, number in stored(database):
            if len(re.findall("[Ѐ-ӿ]", text)) >= TELLING:
                texts.setdefault(without_digits(text), text)
            names.add(number)
            digits = re.sub(r"[^0-9]", "", number)
            if SHORTEST_NUMBER <= len(digits) <= 15:
                numbers.add(digits)
    # A sender's name is a name, even if a text has the same words.
    named = "\n".join(map(without_digits, names))
    return secrets, [text for pattern, text in texts.items() if pattern not in named], frozenset(numbers)


def configured(config: Path) -> Iterator[tuple[str, str]]:
    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return  # a scenario spoiled it on purpose
    telegram = settings.get("telegram") or {}
    values = [("token", telegram.get("token")), ("webhook secret", telegram.get("webhook_secret"))]
    for account in (settings.get("accounts") or {}).values():
        values += [("password", account.get("password")), ("secret", (account.get("callback") or {}).get("secret"))]
    yield from ((name, str(value)) for name, value in values if value and len(str(value)) >= SHORTEST_SECRET)


def stored(database: Path) -> Iterator[tuple[str, str]]:
    """(text, number) pairs of inbound and outbound messages; none of what is no readable store."""
    query = "SELECT text, sender FROM inbound UNION ALL SELECT text, recipient FROM sms"
    try:
        with invariants.reading(database) as db:
            db.text_factory = lambda value: value.decode("utf-8", "replace")
            yield from db.execute(query)
    except sqlite3.Error:
        return
