"""Stores with a past: what a bridge that has worked for a year has on its disk, written at once by SQL.

The rows are what the bridge itself leaves behind: every message routed and answered, nearly every reply delivered, the
newest still asked about, hours from now. All of it is older than any window that a guard looks at.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bridge.store.migrate import shipped
from bridge.store.repositories.conversations import codes
from bridge.store.sqlite.migrate import migrate
from tests.bench import postgres
from tests.bench.load import subscriber
from tests.bench.whole import CHAT

DAY = 86_400_000
_WORDS = " пришлите адрес"


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """One of the two."""

    messages: int = 0
    """By half as many subscribers; of those who write in a benchmark every second one is among them."""
    conversations: int = 0
    """Each of one message, answered and posted; with subscribers who do not write in the benchmark."""
    postgres: bool = False
    """Messages only."""


class Stores:
    """Makes each filling once. The large ones are used in place, by waves of other messages; others are copied.

    ``close`` drops what was made on a server; the folder is its maker's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bytes: dict[Filling, int] = {}
        """Size of each, before anything else was written to it."""
        self._used: dict[Filling, int] = {}
        self.filling_s = 0.0
        self._schemas: dict[Filling, str] = {}

    def lend(self, filling: Filling, messages: int, place: Path) -> tuple[str, int]:
        """The URL of a store for one run of ``messages``, and the number of the first of them."""
        url = self.url(filling)
        if filling.conversations:
            path = self.path(filling)
            copy = Path(shutil.copyfile(path, place / path.name))
            flush(copy)
            return f"sqlite:///{copy}", 0
        first = self._used.get(filling, 0)
        self._used[filling] = first + messages
        return url, first

    def url(self, filling: Filling) -> str:
        return self._schema(filling) if filling.postgres else f"sqlite:///{self.path(filling)}"

    def _schema(self, filling: Filling) -> str:
        url = self._schemas.get(filling)
        if url is None:
            start = time.monotonic()
            url = self._schemas[filling] = postgres.make_schema()
            postgres.fill(url, filling.messages)
            self.bytes[filling] = postgres.size(url)
            self.filling_s += time.monotonic() - start
        return url

    def close(self) -> None:
        while self._schemas:
            postgres.drop_schema(self._schemas.popitem()[1])

    def path(self, filling: Filling) -> Path:
        path = self.folder / f"messages-{filling.messages}-conversations-{filling.conversations}.db"
        if not path.exists():
            start = time.monotonic()
            fill(path, filling)
            self.bytes[filling] = path.stat().st_size
            self.filling_s += time.monotonic() - start
        return path


def fill(path: Path, filling: Filling) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        migrate(database, shipped())
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute("PRAGMA cache_size = -200000")
        # made again behind the rows: that is several times faster
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        database.execute("BEGIN")
        _rows(database, filling)
        for _, definition in indexes:
            database.execute(definition)
        database.execute("COMMIT")
    flush(path)


def flush(path: Path) -> None:
    """Or the disk would still be busy with it while something is measured."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def put_off_polls(path: Path) -> None:
    """Ends what earlier runs have left behind: an idle bridge has no outcome to ask about."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE sms SET poll_at = poll_at + ? WHERE state = 'sent'", (DAY,))


def _rows(database: sqlite3.Connection, filling: Filling) -> None:
    now = time.time_ns() // 1_000_000
    count = filling.conversations or filling.messages
    taken: set[str] = set()

    def who(row: int) -> str:
        # conversations: numbers from the far end, where no wave comes
        return str(subscriber(900_000 - row if filling.conversations else row % max(count // 2, 1) * 2))

    def code(number: str) -> str:
        found = next(one for one in codes(CHAT, number) if one not in taken)
        taken.add(found)
        return found

    database.create_function("who", 1, who, deterministic=True)
    database.create_function("code", 1, code)
    values = {
        "count": count,
        "start": now - 365 * DAY,
        "step": 364 * DAY // count,
        "words": _WORDS,
        "raw_start": "date=2026-01-01%2012%3A00%3A00&text=" + quote(f"слово1{_WORDS}") + "&smsid=",
        "poll_at": now + DAY // 4,
        "waiting_from": count - count // 500,
        "talk": 1 if filling.conversations else None,
        "chat": CHAT,
        "chat_id": -1001234567890,
    }
    database.execute(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
        " SELECT i, :start + i * :step AS at, who(i) AS who FROM n",
        values,
    )
    for statement in _MESSAGES + (_CONVERSATIONS if filling.conversations else ()):
        database.execute(statement, values)


_MESSAGES = (
    """
    INSERT INTO inbound (account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw, date,
                         raw_query, received_at, state, rule, rules_version, outcome, settled_at)
    SELECT 'main', i + 1000000, randomblob(32), who, who, '1234', '', 'слово' || (i % 100) || :words,
           '2026-01-01 12:00:00', at / 1000 * 1000,
           CAST(:raw_start || (i + 1000000) || '&sender=' || who || '&receiver=1234&prefix=' AS BLOB), at, 'routed',
           'word-' || (i % 100), '700a069c803a', 'replied', at + 5
    FROM n ORDER BY i
    """,
    """
    INSERT OR IGNORE INTO contact (subscriber, version, first_seen_at)
    SELECT who, 1 + count(*), min(at) FROM n GROUP BY who
    """,
    """
    INSERT INTO conversation (id, chat, subscriber, code, account, receiver, thread_id, last_inbound_id,
                              last_inbound_at, created_at)
    SELECT i + 1, :chat, who, code(who), 'main', '1234', i + 2, i + 1, at, at FROM n WHERE :talk ORDER BY i
    """,
    """
    INSERT INTO sms (key, account, recipient, sender_name, text, parts, origin, priority, state, created_at, due_at,
                     expires_at, attempts, sending_since, left_at, sent_at, final_at, platform_ids, platform_status,
                     reason, poll_at, polls, inbound_id, conversation_id, author)
    SELECT 'rule:' || (i + 1) || ':0', 'main', who, 'MyShop', 'Ответ на «слово' || (i % 100) || '»:' || :words, 1,
           'rule', 1,
           CASE WHEN i >= :waiting_from THEN 'sent' WHEN i % 100 = 0 THEN 'undelivered' ELSE 'delivered' END,
           at + 5, at + 5, at + 3600005, 1, at + 5, at + 5, at + 50,
           CASE WHEN i < :waiting_from THEN at + 5050 END, '["' || (100000000 + i) || '"]',
           CASE WHEN i >= :waiting_from THEN 'Send' WHEN i % 100 = 0 THEN 'not_deliver' ELSE 'deliver' END,
           CASE WHEN i >= :waiting_from THEN '' WHEN i % 100 = 0 THEN 'undelivered' ELSE 'delivered' END,
           CASE WHEN i >= :waiting_from THEN :poll_at END, 1, i + 1, CASE WHEN :talk THEN i + 1 END,
           'word-' || (i % 100)
    FROM n ORDER BY i
    """,
    """
    INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
    SELECT id, sent_at, 'accepted', 'sending', 'sent', '', '', '' FROM sms ORDER BY id
    """,
    """
    INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
    SELECT id, final_at, state, 'sent', state, reason, '', '' FROM sms WHERE final_at IS NOT NULL ORDER BY id
    """,
    """
    INSERT INTO spend (day, parts)
    SELECT date(at / 1000, 'unixepoch'), count(*) FROM n GROUP BY 1
    """,
)
_CONVERSATIONS = (
    "INSERT INTO topic (chat_id, thread_id, conversation_id) SELECT :chat_id, i + 2, i + 1 FROM n ORDER BY i",
    """
    INSERT INTO chat_post (key, chat, kind, priority, payload, conversation_id, inbound_id, state, attempts,
                           created_at, due_at, finished_at)
    SELECT 'in:' || (i + 1) || ':' || :chat, :chat, 'inbound', 0,
           '{"rule":"word-' || (i % 100) || '","answered":1}',
           i + 1, i + 1, 'posted', 0, at + 5, at + 5, at + 500
    FROM n ORDER BY i
    """,
    """
    INSERT INTO chat_message (chat_id, message_id, conversation_id, inbound_id, at)
    SELECT :chat_id, i + 2, i + 1, i + 1, at + 500 FROM n ORDER BY i
    """,
)
