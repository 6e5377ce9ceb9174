"""Checks that must hold for a bridge's store, the platform's book and the chats after any fault.

Each function returns one sentence for each promise that is broken, with how often and the first few rows to look at;
an empty list where all is well. Nothing is said of texts and numbers, only ids. The store is read from outside, as a
person with the sqlite3 shell would, beside a running bridge or after it.

``store`` holds at any moment, also right after a kill; ``at_rest`` once a started bridge has worked everything off.
"""

from __future__ import annotations

import mmap
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

from bridge.model.sms import MOVES, SmsState
from bridge.sandbox.botapi.world import Chat, Message
from bridge.sandbox.ledger import TakenSms

NAMED = 5
"""How many rows a sentence names."""

Identity = Callable[[str, str], Hashable]
"""(recipient, text) → what tells one wanted SMS from another."""


def pair(recipient: str, text: str) -> Hashable:
    """For subscribers who are never wanted to be sent the same text twice."""
    return recipient, text


# ---------------------------------------------------------------- the store


_NO_HISTORY_YET = ", ".join(f"'{state}'" for state in sorted(filter(lambda each: each.is_initial, SmsState)))
_FIRST_EVENT = "SELECT sms_id, min(id) AS id FROM sms_event GROUP BY sms_id"
_LAST_EVENT = "SELECT sms_id, max(id) AS id FROM sms_event GROUP BY sms_id"
# Sets, not correlated questions: these columns have no index, and a scenario may leave hundreds of thousands of rows.
_ANSWERED = "(SELECT inbound_id FROM sms WHERE inbound_id IS NOT NULL AND origin = 'rule')"
_SHOWN = "(SELECT inbound_id FROM chat_post WHERE inbound_id IS NOT NULL AND kind = 'inbound')"
_TOLD = "(SELECT inbound_id FROM chat_post WHERE inbound_id IS NOT NULL AND kind = 'alert')"
_ASKED = "(SELECT sms_id FROM chat_post WHERE sms_id IS NOT NULL AND kind = 'alert')"

ALWAYS: Mapping[str, str] = {
    "inbound stored more than once": """
        SELECT min(id) FROM inbound GROUP BY account, smsid, sender, receiver, text HAVING count(*) > 1""",
    "inbound with an effect though not routed": f"""
        SELECT id FROM inbound WHERE state IN ('new', 'waiting') AND (id IN {_ANSWERED} OR id IN {_SHOWN})""",
    "inbound routed without an outcome": """
        SELECT id FROM inbound WHERE state IN ('routed', 'quarantined') AND COALESCE(outcome, '') = ''""",
    "inbound routed, with no effect and no word why": f"""
        SELECT id FROM inbound WHERE state = 'routed' AND id NOT IN {_ANSWERED} AND id NOT IN {_SHOWN}
            AND outcome NOT LIKE '%dropped%' AND outcome NOT LIKE '%suppressed: %'""",
    "inbound said to be replied to, without a reply": f"""
        SELECT id FROM inbound WHERE outcome LIKE '%replied%' AND id NOT IN {_ANSWERED}""",
    "inbound said to be forwarded, without a post": f"""
        SELECT id FROM inbound WHERE outcome LIKE '%forwarded%' AND id NOT IN {_SHOWN}""",
    "inbound in quarantine that nobody is told of": f"""
        SELECT id FROM inbound WHERE state = 'quarantined' AND id NOT IN {_TOLD}""",
    "inbound answered twice by one rule": """
        SELECT inbound_id FROM sms WHERE origin = 'rule' GROUP BY inbound_id, author, text HAVING count(*) > 1""",
    "inbound posted twice to one chat": """
        SELECT inbound_id FROM chat_post WHERE kind = 'inbound' GROUP BY inbound_id, chat HAVING count(*) > 1""",
    # What it says is one. What it was corrected to once that had left is asked about, one question at a time; who sent
    # the first words again after that is asked anew.
    "SMS written twice for one message of an operator": """
        SELECT min(id) FROM sms WHERE origin = 'operator' AND retry_of IS NULL AND message_id IS NOT NULL
        GROUP BY chat_id, message_id
        HAVING count(CASE WHEN confirmation_reasons NOT LIKE '%corrects_%' THEN 1 END) > 1
            OR count(CASE WHEN state = 'draft' THEN 1 END) > 1""",
    "SMS sent again twice": """
        SELECT retry_of FROM sms WHERE retry_of IS NOT NULL GROUP BY retry_of HAVING count(*) > 1""",
    "SMS whose history has a gap": """
        SELECT sms_id FROM (
            SELECT sms_id, from_state, lag(to_state) OVER (PARTITION BY sms_id ORDER BY id) AS before FROM sms_event)
        WHERE before <> from_state""",
    "SMS whose history does not begin at a birth": f"""
        SELECT e.sms_id FROM ({_FIRST_EVENT}) AS first JOIN sms_event AS e ON e.id = first.id
        WHERE e.from_state NOT IN ({_NO_HISTORY_YET})""",
    "SMS whose history does not end in its state": f"""
        SELECT e.sms_id FROM ({_LAST_EVENT}) AS last JOIN sms_event AS e ON e.id = last.id JOIN sms ON sms.id = e.sms_id
        WHERE e.to_state <> sms.state""",
    "SMS that moved without a history": f"""
        SELECT id FROM sms WHERE state NOT IN ({_NO_HISTORY_YET})
            AND id NOT IN (SELECT sms_id FROM sms_event)""",
    "lane with two SMS in flight": """
        SELECT min(id) FROM sms WHERE state = 'sending' GROUP BY account, recipient HAVING count(*) > 1""",
    "day whose spend is not what its rows cost": """
        SELECT day FROM (
            SELECT day, parts, 0 AS cost FROM spend UNION ALL
            SELECT date(created_at / 1000, 'unixepoch'), 0, parts FROM sms WHERE origin = 'rule')
        GROUP BY day HAVING sum(parts) <> sum(cost)""",
    "post shown past an earlier one of its conversation": """
        SELECT p.id FROM chat_post AS p WHERE p.state = 'posted' AND p.kind IN ('inbound', 'notice') AND EXISTS (
            SELECT 1 FROM chat_post AS e WHERE e.conversation_id = p.conversation_id AND e.state = 'waiting'
                AND e.kind IN ('inbound', 'notice') AND e.id < p.id)""",
    "inbound that stands in its chat above an earlier one of its conversation": """
        SELECT inbound_id FROM (
            SELECT inbound_id, message_id, lag(message_id) OVER (
                PARTITION BY chat_id, conversation_id ORDER BY inbound_id) AS before
            FROM (SELECT chat_id, conversation_id, inbound_id, max(message_id) AS message_id FROM chat_message
                WHERE inbound_id IS NOT NULL AND conversation_id IS NOT NULL AND sms_id IS NULL
                GROUP BY chat_id, conversation_id, inbound_id))
        WHERE message_id < before""",
    "topic that two conversations use": """
        SELECT min(id) FROM conversation WHERE thread_id IS NOT NULL GROUP BY chat, thread_id HAVING count(*) > 1""",
}
"""The sentence of a violation → the query for its rows."""

AT_REST: Mapping[str, str] = {
    "inbound still not routed": "SELECT id FROM inbound WHERE state = 'new'",
    "SMS still in flight": "SELECT id FROM sms WHERE state = 'sending'",
    "SMS still queued": "SELECT id FROM sms WHERE state = 'queued'",
}
ASKED: Mapping[str, str] = {
    "SMS of unknown outcome that nobody is asked about": f"""
        SELECT id FROM sms WHERE state = 'uncertain' AND message_id IS NULL AND id NOT IN {_ASKED}""",
}
CHATS_AT_REST: Mapping[str, str] = {
    "update still not processed": "SELECT id FROM tg_update WHERE state = 'new'",
    "post still waiting": "SELECT id FROM chat_post WHERE state = 'waiting'",
}

_MOVES = frozenset(
    (move.value, source.value, target.value) for move, (among, target) in MOVES.items() for source in among
)
_REMARKS = frozenset(
    {
        ("probe", SmsState.SENDING.value),
        ("status", SmsState.SENT.value),
        ("rewrite", SmsState.DRAFT.value),
        ("rewrite", SmsState.QUEUED.value),
    }
)
"""Lines of a history that change no state."""


def store(database: Path) -> list[str]:
    """Checks what must hold inside the store at any moment."""
    try:
        with reading(database) as db:
            # In a broken file every other answer may be wrong.
            return list(_file(db)) or [*_ask(db, ALWAYS), *_moves(db)]
    except sqlite3.DatabaseError as error:
        return [f"fault in the file: {error}"]


def at_rest(database: Path, *, chats: bool = True, asks: bool = True) -> list[str]:
    """Checks what must also hold once a started bridge has finished its work.

    :param chats: False where Telegram is off or out of reach: what is to be shown waits then.
    :param asks: False where ``on_unknown: leave`` says that nobody wants to be asked.
    """
    questions = {**AT_REST, **(CHATS_AT_REST if chats else {}), **(ASKED if asks else {})}
    with reading(database) as db:
        return _ask(db, questions)


def acknowledged(database: Path, smsids: Collection[str]) -> list[str]:
    """Was every message that the platform got an acknowledgement for stored?"""
    with reading(database) as db:
        stored = {smsid for (smsid,) in db.execute("SELECT smsid FROM inbound")}
    return said("acknowledged and not in the store", sorted(set(smsids) - stored))


def _file(db: sqlite3.Connection) -> Iterator[str]:
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(10)")]
    if found != ["ok"]:
        yield from said("fault in the file", found)
    yield from said("reference to a row that is not there", [f"{row[0]} {row[1]}" for row in db.execute(_STRAY)])


_STRAY = 'SELECT "table", rowid FROM pragma_foreign_key_check'


def _moves(db: sqlite3.Connection) -> Iterator[str]:
    """Each kind of line in the histories against the table of moves; few kinds, however many lines."""
    kinds = db.execute(
        "SELECT move, from_state, to_state, min(sms_id), count(*) FROM sms_event GROUP BY move, from_state, to_state"
    )
    for move, source, target, sms_id, count in kinds:
        remark = source == target and (move, source) in _REMARKS
        if not remark and (move, source, target) not in _MOVES:
            yield f"{count} × SMS moved by {move} from {source} to {target}, which is no move: sms {sms_id}"


# ---------------------------------------------------------------- the platform's book


def platform(database: Path, book: Sequence[TakenSms], identity: Identity = pair) -> list[str]:
    """Was each SMS that the platform took wanted, once; and is each row that says "sent" in its book?

    Rows are matched to the book by the platform's id; what the platform took without our learning its id must be a row
    that says so. :param identity: which SMS are the same one; each may be taken as often as rows want it.
    """
    with reading(database) as db:
        rows = db.execute("SELECT id, recipient, text, state, platform_ids ->> 0, reason FROM sms").fetchall()
    wanted = Counter(identity(row[1], row[2]) for row in rows)
    in_doubt = Counter(identity(row[1], row[2]) for row in rows if _may_have_left(row[3], row[4]))
    owner: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row[4] is not None:
            owner[row[4]].append(row[0])
    taken = Counter(identity(sms.recipient, sms.text) for sms in book)
    unknown = Counter(identity(sms.recipient, sms.text) for sms in book if sms.id not in owner)
    example = {identity(sms.recipient, sms.text): sms.id for sms in book}
    ids = {sms.id for sms in book}
    return [
        *said("SMS sent twice", [example[key] for key, count in taken.items() if wanted[key] and count > wanted[key]]),
        *said("SMS sent that no row wants", [example[key] for key in taken if not wanted[key]]),
        *said(
            "SMS sent whose row does not know it may have left",
            [example[key] for key, count in unknown.items() if count > in_doubt[key]],
        ),
        *said("SMS in two rows", [platform_id for platform_id, rows_of in owner.items() if len(rows_of) > 1]),
        *said(
            "row that is sent and not in the platform's book",
            [rows_of[0] for i, rows_of in owner.items() if i not in ids],
        ),
    ]


_LEFT_UNKNOWN = frozenset({SmsState.SENDING, SmsState.UNCERTAIN, SmsState.PARKED, SmsState.ABANDONED, SmsState.SENT})


def _may_have_left(state: str, platform_id: str | None) -> bool:
    return platform_id is None and state in _LEFT_UNKNOWN


def sent_once(book: Iterable[TakenSms], identity: Identity = pair) -> list[str]:
    """Where no two rows may want the same SMS: nothing stands twice in the book, whatever the store says."""
    taken = Counter(identity(sms.recipient, sms.text) for sms in book)
    doubled = {key for key, count in taken.items() if count > 1}
    return said("SMS sent twice", [sms.id for sms in book if identity(sms.recipient, sms.text) in doubled])


# ---------------------------------------------------------------- the chats


def telegram(database: Path, chats: Mapping[int, Chat], *, note_mark: str = "//") -> list[str]:
    """Is each inbound that was posted seen in its chat, each operator's message one SMS, each subscriber in one topic?

    ``chats`` are the simulated Bot API's. Messages of people count where they stand in a conversation's topic.
    """
    with reading(database) as db:
        codes = [code for (code,) in db.execute("SELECT code FROM conversation")]
        topics = set(db.execute("SELECT chat_id, thread_id FROM topic"))
        posted = db.execute(
            "SELECT inbound_id, chat_id, message_id FROM chat_post WHERE kind = 'inbound' AND state = 'posted'"
        ).fetchall()
        became = Counter(
            db.execute(
                "SELECT chat_id, message_id FROM sms WHERE origin = 'operator' AND retry_of IS NULL"
                " AND confirmation_reasons NOT LIKE '%corrects_%'"
            )
        )
        told = {reply_to for (reply_to,) in db.execute("SELECT reply_to FROM chat_post WHERE kind = 'notice'")}
    written = [
        (chat.id, message.id)
        for chat in chats.values()
        for message in chat.messages
        if not message.by_bot and (chat.id, message.thread_id) in topics and _is_reply(message, note_mark)
    ]
    return [
        *said("inbound posted and not in its chat", [one for one, *where in posted if not _stands(where, chats)]),
        *said(
            "message of an operator that became no SMS, without a word to them",
            [where for where in written if not became[where] and where[1] not in told],
        ),
        *said("message of an operator that became two SMS", [where for where, count in became.items() if count > 1]),
        *said("subscriber with two topics in use", list(_doubled_topics(codes, chats))),
    ]


def posted_again(chats: Mapping[int, Chat]) -> int:
    """How many posts of the bot repeat an earlier one word for word in the same place: what a kill may cost."""
    posts = Counter((chat.id, post.thread_id, post.text) for chat in chats.values() for post in chat.from_bot)
    return sum(count - 1 for count in posts.values())


def _stands(where: Sequence[int], chats: Mapping[int, Chat]) -> bool:
    """Several that were merged stand in one message."""
    chat_id, message_id = where
    return chat_id in chats and message_id in chats[chat_id].history


def _is_reply(message: Message, note_mark: str) -> bool:
    return bool(message.text.strip()) and not message.text.strip().startswith(("/", note_mark))


_CODE = re.compile(r"^#([0-9a-z]{3,12})$", re.MULTILINE)


def _doubled_topics(codes: Collection[str], chats: Mapping[int, Chat]) -> Iterator[str]:
    """A topic that a crash left empty is not in use, nor is one that was deleted; nor one where somebody wrote to
    another number by a command, and was answered under that."""
    for chat in chats.values():
        used: dict[str, set[int]] = defaultdict(set)
        for post in chat.from_bot:
            found = _CODE.findall(post.text)
            if (
                found
                and post.reply_to is None
                and post.thread_id is not None
                and chat.topic(post.thread_id) is not None
            ):
                used[found[-1]].add(post.thread_id)
        yield from sorted(code for code in used.keys() & set(codes) if len(used[code]) > 1)


# ---------------------------------------------------------------- secrets


def secrets(folder: Path, forbidden: Mapping[str, str], pattern: str = "*") -> list[str]:
    """Search all files below ``folder`` whose names match for values that must not stand there.

    :param forbidden: what it is (this is said) → its value (this is not); looked for as it is and as URLs write it.
    """
    forms = {
        what: {form.encode() for form in (value, quote(value), quote(value, safe=""), quote_plus(value))}
        for what, value in forbidden.items()
    }
    found = [
        f"{what} in {path.relative_to(folder)}"
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and path.stat().st_size
        for what, values in forms.items()
        if _holds(path, values)
    ]
    return said("secret in a file", found)


def _holds(path: Path, values: Iterable[bytes]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(value) >= 0 for value in values)


# ---------------------------------------------------------------- how it is read and said


def reading(database: Path) -> closing[sqlite3.Connection]:
    """A read-only connection; closes itself."""
    return closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30))


def said(what: str, which: Sequence[object]) -> list[str]:
    """One sentence about all of them, or none."""
    if not which:
        return []
    first = ", ".join(map(str, which[:NAMED]))
    return [f"{len(which)} × {what}: {first}{', …' if len(which) > NAMED else ''}"]


def _ask(db: sqlite3.Connection, questions: Mapping[str, str]) -> list[str]:
    return [
        sentence for what, query in questions.items() for sentence in said(what, [row[0] for row in db.execute(query)])
    ]
