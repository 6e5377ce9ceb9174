"""Every statement of the store, by the verb that needs it. No other module of the store holds SQL but pragmas.

Some conditions that are always true (``id > 0``, ``due_at >= 0``) are there because a partial index asks for them: it
is for those statements alone. PostgreSQL knows nothing yet of a new table and may take any index that it can for any
statement, the wrong one as soon as the right one; so it is left no choice.

Written so that PostgreSQL can share it: integer milliseconds, ON CONFLICT, RETURNING, named parameters (``:name``),
no functions of one engine. States stand in the text as literals wherever a partial index must match; a parameter
would hide the index from the planner. A statement about many rows is a
:class:`~bridge.store.batch.BatchStatement`, which reads ``rows``.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.model.sms import SmsState
from bridge.store.batch import BatchStatement

INBOUND = (
    "id, account, smsid, sender, subscriber, receiver, prefix, text, date_raw, date, received_at, state, fault,"
    " conflict_of, repeats, rule, rules_version, outcome"
)
SMS = (
    "id, key, account, recipient, sender_name, text, parts, origin, priority, state, created_at, due_at, expires_at,"
    " attempts, sending_since, sent_at, final_at, platform_ids, platform_status, reason, detail, poll_at, polls,"
    " inbound_id, conversation_id, chat_id, message_id, author, retry_of, asks"
)
FATE = "id, state, chat_id, message_id, conversation_id, inbound_id, asks"
"""What showing an SMS's state to the operator who wrote it takes. Few columns on purpose: a wide row costs more to take
apart than the statement that changed it."""
CONTACT = (
    "subscriber, version, first_seen_at, name, opted_out, blocked, robot_paused_until, tags, own_values, robot_off"
)
CONVERSATION = (
    "id, chat, subscriber, code, account, receiver, thread_id, last_inbound_id, last_inbound_at, closed_at, claimed_by,"
    " claimed_name, claimed_until"
)
POST = (
    "id, chat, kind, priority, payload, conversation_id, inbound_id, sms_id, reply_to, attempts, revision, shown,"
    " created_at, due_at"
)


def _of(table: str, columns: str) -> str:
    """The columns, each named as ``table``'s."""
    return ", ".join(f"{table}.{column.strip()}" for column in columns.split(","))


# ---------------------------------------------------------------- inbound

# One statement for first, repeat and conflict: repeats is 0 only for a row that was just made. No (account, smsid)
# twice among the rows: the second would not see the first.
ACCEPT_INBOUND = BatchStatement(
    "account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw, date, raw_query, received_at,"
    " fault, taken_by",
    """
INSERT INTO inbound (account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw, date,
                     raw_query, received_at, fault, taken_by, taken_at, conflict_of)
SELECT n.account, n.smsid, n.content_hash, n.sender, n.subscriber, n.receiver, n.prefix, n.text, n.date_raw, n.date,
       n.raw_query, n.received_at, n.fault, n.taken_by, n.received_at,
       (SELECT min(i.id) FROM inbound AS i
        WHERE i.account = n.account AND i.smsid = n.smsid AND i.content_hash <> n.content_hash)
FROM rows AS n WHERE true
ON CONFLICT (account, smsid, content_hash)
DO UPDATE SET repeats = inbound.repeats + 1, repeated_at = excluded.received_at
RETURNING account, smsid, id, repeats
""",
)

# The oldest of each subscriber, of those this bridge took, with what is known of the subscriber; walks the index of
# what is new and stops at the limit. "(SELECT …) IS NULL" is NOT EXISTS that PostgreSQL asks row by row, along the
# index of the lane: of NOT EXISTS it makes a join, for which it may read all that is new again for every row.
CLAIM_UNROUTED = f"""
SELECT {_of("i", INBOUND)}, {_of("c", CONTACT)}
FROM inbound AS i LEFT JOIN contact AS c ON c.subscriber = i.subscriber
WHERE i.state = 'new' AND i.id > 0 AND i.taken_by = :taken_by AND (
    SELECT 1 FROM inbound AS e WHERE e.state = 'new' AND e.subscriber = i.subscriber AND e.id < i.id LIMIT 1) IS NULL
ORDER BY i.id LIMIT :limit
"""

GET_INBOUND = f"SELECT {INBOUND} FROM inbound WHERE id = :id"

# Compare-and-set on all that the decision was made on: the message is still new, its contact has not moved. No
# subscriber twice among the rows: the second was decided without the first.
SETTLE_INBOUND = BatchStatement(
    "id, version, state, rule, rules_version, outcome, settled_at",
    """
UPDATE inbound SET state = n.state, rule = n.rule, rules_version = n.rules_version, outcome = n.outcome,
                   settled_at = n.settled_at
FROM rows AS n
WHERE inbound.id = n.id AND inbound.state = 'new'
  AND n.version = COALESCE((SELECT c.version FROM contact AS c WHERE c.subscriber = inbound.subscriber), 0)
RETURNING inbound.id, inbound.account, inbound.subscriber, inbound.receiver, inbound.received_at
""",
)

# ---------------------------------------------------------------- contacts and what limits automatic replies

GET_CONTACT = f"SELECT {CONTACT} FROM contact WHERE subscriber = :subscriber"

BUMP_CONTACT = BatchStatement(
    "subscriber, seen_at",
    """
INSERT INTO contact (subscriber, version, first_seen_at) SELECT n.subscriber, 1, n.seen_at FROM rows AS n WHERE true
ON CONFLICT (subscriber)
DO UPDATE SET version = contact.version + 1, first_seen_at = COALESCE(contact.first_seen_at, excluded.first_seen_at)
""",
)

# A later word wins only where it holds longer: two operators answering at once do not shorten each other's pause.
TAKE_OVER = """
INSERT INTO contact (subscriber, version, robot_paused_until) VALUES (:subscriber, 1, :until)
ON CONFLICT (subscriber)
DO UPDATE SET version = contact.version + 1,
    robot_paused_until = CASE WHEN contact.robot_paused_until > excluded.robot_paused_until
                              THEN contact.robot_paused_until ELSE excluded.robot_paused_until END
"""

CHANGE_CONTACT = BatchStatement(
    "subscriber, opted_out, tags, own_values",
    """
UPDATE contact SET opted_out = n.opted_out, tags = n.tags, own_values = n.own_values
FROM rows AS n WHERE contact.subscriber = n.subscriber
""",
)

# A number that nothing is known of gets a row to remember that it wants nothing; that it may be written to needs none.
SET_OPTED_OUT = """
INSERT INTO contact (subscriber, version, opted_out) SELECT :subscriber, 1, :opted_out
WHERE :opted_out = 1 OR EXISTS (SELECT 1 FROM contact WHERE subscriber = :subscriber)
ON CONFLICT (subscriber) DO UPDATE SET opted_out = excluded.opted_out, version = contact.version + 1
WHERE contact.opted_out <> excluded.opted_out
"""

ADD_USE = BatchStatement(
    "rule, what, subscriber, at",
    "INSERT INTO rule_use (rule, what, subscriber, at) SELECT n.rule, n.what, n.subscriber, n.at FROM rows AS n",
)

USES = BatchStatement(
    "subscriber, since",
    """
SELECT u.subscriber, u.rule, u.what, u.at FROM rows AS n
JOIN rule_use AS u ON u.subscriber = n.subscriber AND u.at > n.since
ORDER BY u.at, u.id
""",
)

# Grows with the rule's own limit: a rule that has reached it does not match any more.
USES_IN_ALL = BatchStatement(
    "rule, since",
    """
SELECT n.rule, (SELECT count(*) FROM rule_use AS u WHERE u.rule = n.rule AND u.what = 'match' AND u.at > n.since)
FROM rows AS n
""",
)

# A part at a time: all of an hour at once would take longer than anybody may wait.
FORGET_USES = """
DELETE FROM rule_use WHERE id IN (SELECT id FROM rule_use WHERE at < :before ORDER BY at LIMIT :limit)
"""

RECENT_REPLIES = BatchStatement(
    "subscriber, since",
    """
SELECT s.recipient, s.created_at, s.text FROM rows AS n
JOIN sms AS s ON s.recipient = n.subscriber AND s.created_at >= n.since
WHERE s.origin = 'rule'
ORDER BY s.created_at, s.id
""",
)

GET_SPEND = "SELECT parts FROM spend WHERE day = :day"

ADD_SPEND = """
INSERT INTO spend (day, parts) VALUES (:day, :parts)
ON CONFLICT (day) DO UPDATE SET parts = spend.parts + excluded.parts
RETURNING parts
"""

# ---------------------------------------------------------------- outbound SMS

# May a row be born sending as it wishes? Not while its lane sends, nor past queued rows of its own or a more urgent
# priority. No lane twice among the wishes, and no key twice among the rows.
INSERT_SMS = BatchStatement(
    "key, account, recipient, sender_name, text, parts, origin, priority, wish, created_at, due_at, expires_at,"
    " inbound_id, conversation_id, chat_id, message_id, author, retry_of, asks, bridge",
    """, born AS MATERIALIZED (
    SELECT rows.*, CASE
        WHEN wish = 'sending' AND (
            SELECT 1 FROM sms AS s
            WHERE s.account = rows.account AND s.recipient = rows.recipient AND s.state = 'sending'
            LIMIT 1) IS NOT NULL THEN 'queued'
        WHEN wish = 'sending' AND (
            SELECT 1 FROM sms AS s
            WHERE s.account = rows.account AND s.recipient = rows.recipient AND s.state = 'queued'
              AND s.priority <= rows.priority LIMIT 1) IS NOT NULL THEN 'queued'
        ELSE wish END AS state
    FROM rows)
INSERT INTO sms (key, account, recipient, sender_name, text, parts, origin, priority, state, created_at,
                 due_at, expires_at, attempts, sending_since, left_at, sent_by, inbound_id, conversation_id, chat_id,
                 message_id, author, retry_of, asks)
SELECT n.key, n.account, n.recipient, n.sender_name, n.text, n.parts, n.origin, n.priority, n.state, n.created_at,
       n.due_at, n.expires_at,
       CASE WHEN n.state = 'sending' THEN 1 ELSE 0 END,
       CASE WHEN n.state = 'sending' THEN n.created_at END,
       CASE WHEN n.state = 'sending' THEN n.created_at END,
       CASE WHEN n.state = 'sending' THEN n.bridge ELSE '' END,
       n.inbound_id, n.conversation_id, n.chat_id, n.message_id, n.author, n.retry_of,
       n.asks
FROM born AS n WHERE true
ON CONFLICT (key) DO NOTHING
RETURNING key, id, state
""",
)

GET_SMS = f"SELECT {SMS} FROM sms WHERE id = :id"
GET_SMS_BY_KEY = f"SELECT {SMS} FROM sms WHERE key = :key"

# In the order of sending, so that a reader who stops early has read no more than it takes. A lane may appear once a
# priority: the reader keeps the first and skips the rest.
DUE_CANDIDATES = """
SELECT id, recipient FROM sms AS s
WHERE account = :account AND state = 'queued' AND priority >= 0 AND due_at <= :now
  AND (expires_at IS NULL OR expires_at > :now)
  AND (
    SELECT 1 FROM sms AS b
    WHERE b.account = s.account AND b.recipient = s.recipient AND b.state = 'sending' LIMIT 1) IS NULL
  AND (
    SELECT 1 FROM sms AS e WHERE e.account = s.account AND e.recipient = s.recipient AND e.state = 'queued'
                             AND e.priority = s.priority AND e.id < s.id LIMIT 1) IS NULL
ORDER BY priority, id
"""

NEXT_DUE = "SELECT min(due_at) AS due_at FROM sms WHERE account = :account AND state = 'queued' AND due_at >= 0"

EXPIRED_QUEUED = """
SELECT id FROM sms WHERE state = 'queued' AND expires_at IS NOT NULL AND expires_at <= :now
ORDER BY expires_at LIMIT :limit
"""

# A draft's due_at is the time since which it waits for a word.
UNDECIDED = """
SELECT id FROM sms WHERE state = 'draft' AND state <> 'delivered' AND id > 0 AND due_at <= :before
ORDER BY id LIMIT :limit
"""

# Once for each question that has been shown. Corrections may be left alone: the first text left.
FORGOTTEN_DRAFTS = f"""
SELECT {SMS} FROM sms AS s
WHERE s.state = 'draft' AND s.state <> 'delivered' AND s.id > 0 AND s.due_at <= :until AND s.chat_id IS NOT NULL
  AND s.asks NOT LIKE '%corrects_%'
  AND NOT EXISTS (SELECT 1 FROM chat_post AS p WHERE p.key = 'draft:' || s.id || ':' || s.due_at)
  AND NOT EXISTS (SELECT 1 FROM chat_post AS f WHERE f.key = 'fate:' || s.id AND f.state = 'waiting')
ORDER BY s.id LIMIT :limit
"""

# Of bridges that have not been heard of for so long that no request of theirs can be under way.
LOST_SENDING = """
SELECT id, sending_since AS began FROM sms WHERE state = 'sending' AND NOT EXISTS (
    SELECT 1 FROM bridge AS b WHERE b.id = sms.sent_by AND b.sends_until > :now)
ORDER BY account, recipient
"""

# The one statement that changes a state; from_state is what the caller knows, so a row that moved meanwhile is left
# alone, and so is one that came back to the same state by another attempt. No id twice among the rows.
MOVE_SMS = BatchStatement(
    "id, from_state, to_state, now, reason, detail, due_at, platform_ids, platform_status, poll_at, polls, started,"
    " sent_at, final_at, began, bridge",
    f"""
UPDATE sms SET
    state = n.to_state,
    reason = COALESCE(n.reason, sms.reason),
    detail = COALESCE(n.detail, sms.detail),
    due_at = COALESCE(n.due_at, sms.due_at),
    platform_ids = COALESCE(n.platform_ids, sms.platform_ids),
    platform_status = COALESCE(n.platform_status, sms.platform_status),
    polls = COALESCE(n.polls, sms.polls),
    poll_at = CASE WHEN n.final_at IS NULL THEN COALESCE(n.poll_at, sms.poll_at) END,
    attempts = sms.attempts + n.started,
    left_at = CASE WHEN n.started = 1 THEN n.now ELSE sms.left_at END,
    probed_at = CASE WHEN n.started = 1 THEN NULL ELSE sms.probed_at END,
    sending_since = CASE WHEN n.started = 1 THEN n.now WHEN n.to_state = 'queued' THEN NULL ELSE sms.sending_since END,
    sent_by = CASE WHEN n.started = 1 THEN n.bridge ELSE sms.sent_by END,
    sent_at = COALESCE(n.sent_at, sms.sent_at),
    final_at = COALESCE(n.final_at, sms.final_at)
FROM rows AS n
WHERE sms.id = n.id AND sms.state = n.from_state AND (n.began IS NULL OR sms.sending_since = n.began)
RETURNING {_of("sms", FATE)}, sms.key, sms.attempts
""",
)

# The same for rows that are about to leave. No lane twice among the rows. Whether the lane is free is asked again: it
# was looked at before the lane was held. So is whether the row is due: an edit may have postponed it since.
# "|| ''" keeps the planner from looking for the id among all that waits.
START_SMS = BatchStatement(
    "id, now, bridge",
    f"""
UPDATE sms SET state = 'sending', attempts = sms.attempts + 1, left_at = n.now, probed_at = NULL,
               sending_since = n.now, sent_by = n.bridge
FROM rows AS n
WHERE sms.id = n.id AND sms.state || '' = 'queued'
  AND sms.due_at <= n.now AND (sms.expires_at IS NULL OR sms.expires_at > n.now)
  AND (
    SELECT 1 FROM sms AS b
    WHERE b.account = sms.account AND b.recipient = sms.recipient AND b.state = 'sending' LIMIT 1) IS NULL
  AND (
    SELECT 1 FROM sms AS e WHERE e.account = sms.account AND e.recipient = sms.recipient AND e.state = 'queued'
                             AND e.priority = sms.priority AND e.id < sms.id LIMIT 1) IS NULL
RETURNING {_of("sms", SMS)}
""",
)

# A row whose starter never learnt that it may send. The rest proves that it is that very start: this may be done twice,
# and somebody may have started it anew in between, with the same count of attempts.
GIVE_BACK = f"""
UPDATE sms SET state = 'queued', sending_since = NULL, attempts = attempts - 1
WHERE key = :key AND state = 'sending' AND attempts = :attempts AND sending_since = :began AND sent_by = :bridge
RETURNING {FATE}
"""

ADD_EVENT = BatchStatement(
    "sms_id, at, move, from_state, to_state, reason, detail, author",
    """
INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
SELECT n.sms_id, n.at, n.move, n.from_state, n.to_state, n.reason, n.detail, n.author FROM rows AS n
""",
)

NOTE_PROBE = """
UPDATE sms SET probed_at = :now, left_at = :now, attempts = attempts + 1
WHERE id = :id AND state = 'sending' AND probed_at IS NULL
RETURNING id
"""

IDENTICAL_SINCE = """
SELECT max(left_at) AS left_at FROM sms
WHERE recipient = :recipient AND account = :account AND sender_name = :sender_name AND text = :text
  AND left_at >= :since AND id <> :id
"""

DUE_POLLS = f"""
SELECT {SMS} FROM sms
WHERE account = :account AND state = 'sent' AND poll_at IS NOT NULL AND poll_at <= :now AND platform_ids <> '[]'
ORDER BY poll_at LIMIT :limit
"""

NOTE_STATUS = f"""
UPDATE sms SET platform_status = :word, poll_at = :poll_at, polls = :polls
WHERE id = :id AND state = 'sent'
RETURNING {FATE}
"""

POSTPONE_POLL = "UPDATE sms SET poll_at = :poll_at WHERE id = :id AND state = 'sent'"

# The text is compared too: of two people who edit or decide at once, the later one is told that it was decided.
REWRITE_SMS = f"""
UPDATE sms SET text = :text, parts = :parts, asks = :asks,
               due_at = CASE WHEN due_at > :due_at THEN due_at ELSE :due_at END
WHERE id = :id AND state IN ('draft', 'queued') AND text = :was
RETURNING {FATE}
"""

RETRIED = "SELECT 1 FROM sms WHERE retry_of = :id LIMIT 1"

# ---------------------------------------------------------------- accounts and alerts

GET_ACCOUNT = """
SELECT account, held_reason, held_detail, held_since, probe_at, probes, balance, currency, balance_at, last_contact_at
FROM account_state WHERE account = :account
"""
ALL_ACCOUNTS = """
SELECT account, held_reason, held_detail, held_since, probe_at, probes, balance, currency, balance_at, last_contact_at
FROM account_state ORDER BY account
"""

# probes is 0 only after a call that found the account free.
HOLD_ACCOUNT = """
INSERT INTO account_state (account, held_reason, held_detail, held_since, probe_at)
VALUES (:account, :reason, :detail, :now, :probe_at)
ON CONFLICT (account) DO UPDATE SET
    held_reason = excluded.held_reason, held_detail = excluded.held_detail, held_since = excluded.held_since,
    probe_at = excluded.probe_at, probes = 0
WHERE account_state.held_since IS NULL
"""

PROBE_ACCOUNT = """
UPDATE account_state SET probes = probes + 1, probe_at = :probe_at WHERE account = :account AND held_since IS NOT NULL
"""

RELEASE_ACCOUNT = """
UPDATE account_state SET held_reason = '', held_detail = '', held_since = NULL, probe_at = NULL, probes = 0,
                         last_contact_at = :now
WHERE account = :account AND held_since IS NOT NULL
"""

NOTE_BALANCE = """
INSERT INTO account_state (account, balance, currency, balance_at, last_contact_at)
VALUES (:account, :amount, :currency, :now, :now)
ON CONFLICT (account) DO UPDATE SET balance = excluded.balance, currency = excluded.currency,
    balance_at = excluded.balance_at, last_contact_at = excluded.last_contact_at
"""

ADD_SPENT = """
INSERT INTO balance_spent (account, day, amount) VALUES (:account, :day, :amount)
ON CONFLICT (account, day) DO UPDATE SET amount = balance_spent.amount + excluded.amount
"""

SPENT = """
SELECT sum(amount) AS amount, min(day) AS first FROM balance_spent
WHERE account = :account AND day >= :from_day AND day < :to_day
"""

NOTE_CONTACT = """
INSERT INTO account_state (account, last_contact_at) VALUES (:account, :now)
ON CONFLICT (account) DO UPDATE SET last_contact_at = excluded.last_contact_at
"""

OPEN_ALERT = """
INSERT INTO alert (key, text, params, account, opened_at) VALUES (:key, :text, :params, :account, :now)
ON CONFLICT (key) WHERE cleared_at IS NULL DO NOTHING
"""

# The others of its kind; the kind's own alert, whose key is the beginning itself, does not count.
OPEN_ALERTS_LIKE = """
SELECT key FROM alert WHERE cleared_at IS NULL AND key > :beginning AND key < :end AND key <> :key LIMIT :limit
"""

# The alerts of outages are kept without a post until it is known what had waited (``Outage``). Bridges that start
# together see the same one, and it ends with the last of them; one that was told of is not begun again. That is looked
# for among the newest only: they start within a minute or so of each other.
NOTE_OUTAGE = """
INSERT INTO alert (key, text, params, account, opened_at)
SELECT :key, :text, :params, '', :now WHERE NOT EXISTS (
    SELECT 1 FROM alert WHERE id > (SELECT max(id) FROM alert) - 1000 AND key = :key AND cleared_at IS NOT NULL)
ON CONFLICT (key) WHERE cleared_at IS NULL DO UPDATE SET params = excluded.params, opened_at = excluded.opened_at
WHERE excluded.opened_at > alert.opened_at
"""
OUTAGES = """
SELECT params FROM alert WHERE cleared_at IS NULL AND key > 'outage:' AND key < 'outage;' ORDER BY id
"""

OPEN_ALERT_OF = "SELECT id FROM alert WHERE key = :key AND cleared_at IS NULL"
CLEAR_ALERT = "UPDATE alert SET cleared_at = :now WHERE key = :key AND cleared_at IS NULL RETURNING id, account"

# ---------------------------------------------------------------- the clock was set

NEWEST_SMS = "SELECT max(id) AS id FROM sms"

# What was due by the sooner of the two clocks is due by both. What is further away than the latest is due at once.
SHIFT_QUEUED = """
UPDATE sms SET due_at = CASE WHEN due_at + :by <= :latest THEN due_at + :by ELSE :now END
WHERE state = 'queued' AND due_at > :sooner
"""

SHIFT_POLLS = """
UPDATE sms SET poll_at = CASE WHEN poll_at + :by <= :latest THEN poll_at + :by ELSE :now END
WHERE state = 'sent' AND poll_at > :sooner
"""

SHIFT_POSTS = """
UPDATE chat_post SET due_at = CASE WHEN due_at + :by <= :latest THEN due_at + :by ELSE :now END
WHERE state = 'waiting' AND due_at > :sooner
"""

# By the old clock it lasts, or it is over; by which of the two it was written, nobody knows where both make sense.
SHIFT_TAKEOVERS = """
UPDATE contact SET robot_paused_until = CASE
    WHEN robot_paused_until > :before AND robot_paused_until + :by <= :latest THEN robot_paused_until + :by
    WHEN robot_paused_until <= :latest THEN robot_paused_until
    WHEN robot_paused_until > :before THEN :latest
    ELSE :now END
WHERE robot_paused_until > :sooner AND robot_paused_until > 0
"""

# "sending" too: such a row may come back into the queue.
SHIFT_EXPIRY = """
UPDATE sms SET expires_at = expires_at + :by, due_at = CASE WHEN state = 'draft' THEN due_at + :by ELSE due_at END
WHERE state IN ('draft', 'queued', 'sending') AND state <> 'delivered' AND id > 0
  AND id > :since
"""

SHIFT_SENT = """
UPDATE sms SET sent_at = sent_at + :by
WHERE state = 'sent' AND state <> 'delivered' AND id > 0 AND poll_at IS NOT NULL
  AND id > :since
"""

SHIFT_HOLDS = """
UPDATE account_state SET held_since = held_since + :by, probe_at = probe_at + :by, balance_at = balance_at + :by
"""

# ---------------------------------------------------------------- conversations

GET_CONVERSATION = f"SELECT {CONVERSATION} FROM conversation WHERE id = :id"
FIND_CONVERSATION = f"SELECT {CONVERSATION} FROM conversation WHERE chat = :chat AND subscriber = :subscriber"
CONVERSATION_OF_CODE = f"SELECT {CONVERSATION} FROM conversation WHERE code = :code AND chat = :chat"
CODE_TAKEN = "SELECT 1 FROM conversation WHERE code = :code"

INSERT_CONVERSATION = f"""
INSERT INTO conversation (chat, subscriber, code, account, receiver, last_inbound_id, last_inbound_at, waits_since,
                          created_at)
VALUES (:chat, :subscriber, :code, :account, :receiver, :inbound_id, :received_at, :received_at, :now)
RETURNING {CONVERSATION}
"""

TOUCH_CONVERSATION = f"""
UPDATE conversation SET account = :account, receiver = :receiver, last_inbound_id = :inbound_id,
                        last_inbound_at = :received_at, waits_since = COALESCE(waits_since, :received_at),
                        closed_at = NULL
WHERE id = :id
RETURNING {CONVERSATION}
"""

SET_THREAD = "UPDATE conversation SET thread_id = :thread_id WHERE id = :id"

REMEMBER_TOPIC = """
INSERT INTO topic (chat_id, thread_id, conversation_id) VALUES (:chat_id, :thread_id, :conversation_id)
ON CONFLICT (chat_id, thread_id) DO UPDATE SET conversation_id = excluded.conversation_id
"""

CONVERSATION_OF_TOPIC = "SELECT conversation_id FROM topic WHERE chat_id = :chat_id AND thread_id = :thread_id"

FORGET_TOPICS = """
UPDATE conversation SET thread_id = NULL
WHERE id IN (SELECT t.conversation_id FROM topic AS t WHERE t.chat_id = :chat_id)
  AND thread_id IN (
    SELECT t.thread_id FROM topic AS t WHERE t.chat_id = :chat_id AND t.conversation_id = conversation.id)
"""

REMEMBER_MESSAGE = """
INSERT INTO chat_message (chat_id, message_id, conversation_id, inbound_id, sms_id, at)
VALUES (:chat_id, :message_id, :conversation_id, :inbound_id, :sms_id, :at)
ON CONFLICT (chat_id, message_id) DO UPDATE SET
    conversation_id = COALESCE(excluded.conversation_id, chat_message.conversation_id),
    inbound_id = COALESCE(excluded.inbound_id, chat_message.inbound_id),
    sms_id = COALESCE(excluded.sms_id, chat_message.sms_id)
"""

CONVERSATION_OF_MESSAGE = """
SELECT conversation_id FROM chat_message
WHERE chat_id = :chat_id AND message_id = :message_id AND conversation_id IS NOT NULL
"""

# The one that still waits for a word comes first: an edit changes it, also where something was sent again since.
SMS_OF_MESSAGE = f"""
SELECT {SMS} FROM sms WHERE chat_id = :chat_id AND message_id = :message_id
ORDER BY state = 'draft' DESC, id DESC LIMIT 1
"""

# A correction that nobody let go says nothing of what became of its message.
SHOWN_ON_MESSAGE = f"""
SELECT {SMS} FROM sms
WHERE chat_id = :chat_id AND message_id = :message_id
  AND NOT (state IN ('draft', 'cancelled', 'stale') AND asks LIKE '%corrects_%')
ORDER BY id DESC LIMIT 1
"""

ALIASES = "SELECT old_id, new_id FROM chat_alias"

ADD_ALIAS = """
INSERT INTO chat_alias (old_id, new_id, at) VALUES (:old_id, :new_id, :now)
ON CONFLICT (old_id) DO UPDATE SET new_id = excluded.new_id, at = excluded.at
"""

# A person answered: what they write next waits anew.
NOTE_ANSWERED = """
UPDATE conversation SET waits_since = NULL, reminded_at = NULL WHERE id = :id AND waits_since IS NOT NULL
"""

# Only where the team has seen the latest SMS: what was shown late, because Telegram was away, counts from then.
UNANSWERED = f"""
SELECT {_of("c", CONVERSATION)}, c.waits_since, p.chat_id AS shown_in, p.message_id AS shown_as
FROM conversation AS c JOIN chat_post AS p ON p.key = 'in:' || c.last_inbound_id || ':' || c.chat
WHERE c.waits_since IS NOT NULL AND c.reminded_at IS NULL AND c.waits_since <= :until AND c.waits_since > :after
  AND p.message_id IS NOT NULL AND (p.finished_at <= :until OR p.finished_at < p.created_at + 300000)
ORDER BY c.waits_since LIMIT :limit
"""

NOTE_REMINDED = """
UPDATE conversation SET reminded_at = :now WHERE id = :id AND waits_since IS NOT NULL AND reminded_at IS NULL
"""

EARLIER_INBOUND = """
SELECT received_at FROM inbound WHERE subscriber = :subscriber AND id < :before
ORDER BY received_at DESC LIMIT :limit
"""

# ---------------------------------------------------------------- chat posts

# Behind another of its conversation: not to be shown before that one. No conversation twice among the rows: the second
# would not see the first.
INSERT_POST = BatchStatement(
    "key, chat, kind, priority, payload, conversation_id, inbound_id, sms_id, reply_to, created_at, due_at",
    """
INSERT INTO chat_post (key, chat, kind, priority, payload, conversation_id, inbound_id, sms_id, reply_to, created_at,
                       due_at, behind)
SELECT n.key, n.chat, n.kind, n.priority, n.payload, n.conversation_id, n.inbound_id, n.sms_id, n.reply_to,
       n.created_at, n.due_at,
       CASE WHEN EXISTS (
           SELECT 1 FROM chat_post AS e WHERE e.conversation_id = n.conversation_id AND e.state = 'waiting'
                                          AND e.kind IN ('inbound', 'notice')) THEN 1 ELSE 0 END
FROM rows AS n WHERE true
ON CONFLICT (key) DO NOTHING
RETURNING id
""",
)

# One row an SMS, always its latest state: a later state takes the place of one that was not shown yet.
RENEW_FATE = """
INSERT INTO chat_post (key, chat, kind, priority, payload, conversation_id, inbound_id, sms_id, reply_to, created_at,
                       due_at)
VALUES (:key, :chat, 'status', :priority, '{}', :conversation_id, :inbound_id, :sms_id, :reply_to, :now, :now)
ON CONFLICT (key) DO UPDATE SET state = 'waiting', priority = excluded.priority, due_at = excluded.due_at,
    revision = chat_post.revision + 1, attempts = 0, error = '', finished_at = NULL
"""

# The first words of a conversation that a colleague began show the SMS of their command: as it is now.
RENEW_OPENING = """
UPDATE chat_post SET state = 'waiting', due_at = :now, revision = revision + 1, attempts = 0, error = '',
                     finished_at = NULL
WHERE key = :key
"""

CLAIM_POSTS = f"""
SELECT {POST} FROM chat_post
WHERE chat = :chat AND state = 'waiting' AND behind = 0 AND priority >= :least AND due_at <= :now
ORDER BY priority, id LIMIT :limit
"""

# Whoever is next in the conversation, and what stands between, is not behind any more.
FREE_NEXT_POST = """
UPDATE chat_post SET behind = 0
WHERE conversation_id = :conversation_id AND state = 'waiting' AND behind = 1 AND id <= COALESCE(
    (SELECT min(e.id) FROM chat_post AS e
     WHERE e.conversation_id = :conversation_id AND e.state = 'waiting' AND e.kind IN ('inbound', 'notice')),
    9223372036854775807)
"""

POST_DONE = """
UPDATE chat_post SET
    state = CASE WHEN revision = :revision THEN 'posted' ELSE state END,
    finished_at = CASE WHEN revision = :revision THEN :now ELSE finished_at END,
    shown = :shown, error = '', chat_id = :chat_id, message_id = COALESCE(:message_id, message_id)
WHERE id = :id
"""

POST_RETRY = """
UPDATE chat_post SET due_at = :due_at, error = :error, attempts = attempts + 1 WHERE id = :id AND state = 'waiting'
"""

POST_DROPPED = """
UPDATE chat_post SET state = 'dropped', error = :error, attempts = attempts + 1, finished_at = :now
WHERE id = :id AND state = 'waiting'
RETURNING conversation_id
"""

# The posts behind one, in their conversation's order.
POSTS_BEHIND = f"""
SELECT {POST} FROM chat_post
WHERE conversation_id = :conversation_id AND state = 'waiting' AND kind IN ('inbound', 'notice') AND id > :id
ORDER BY id LIMIT :limit
"""

# Both stop at their limits: they tell whether there are many, at the same cost however many there are.
POSTS_READY = """
SELECT count(*) AS number FROM (
    SELECT 1 FROM chat_post
    WHERE chat = :chat AND state = 'waiting' AND behind = 0 AND kind = 'inbound' LIMIT :limit) AS p
"""
POSTS_TO_SHOW = """
SELECT count(*) AS number FROM (
    SELECT 1 FROM chat_post WHERE chat = :chat AND state = 'waiting' AND kind = 'inbound' LIMIT :limit) AS p
"""

# Counted once a backlog, and no further than a number that says all there is to say.
BACKLOG = """
SELECT count(*) AS sms, count(DISTINCT w.subscriber) AS numbers FROM (
    SELECT i.subscriber FROM chat_post AS p JOIN inbound AS i ON i.id = p.inbound_id
    WHERE p.chat = :chat AND p.state = 'waiting' AND p.kind = 'inbound' LIMIT :limit) AS w
"""

# Only what stands in the chat can be made to say something else.
DIGEST = "SELECT chat, payload, chat_id, message_id FROM chat_post WHERE key = :key AND message_id IS NOT NULL"

# Among the newest only: what an account that is never called costs must not grow.
LAST_CALLED = """
SELECT received_at FROM inbound WHERE account = :account AND id > (SELECT max(id) FROM inbound) - 10000
ORDER BY id DESC LIMIT 1
"""

# Whatever a running bridge writes often.
LAST_SIGN = """
SELECT max(at) AS at FROM (
    SELECT at FROM pulse
    UNION ALL SELECT max(last_contact_at) FROM account_state
    UNION ALL SELECT received_at FROM inbound WHERE id = (SELECT max(id) FROM inbound)
    UNION ALL SELECT at FROM sms_event WHERE id = (SELECT max(id) FROM sms_event)) AS signs
"""

# As many as a platform may have kept.
ARRIVED_LATE = """
SELECT count(*) AS number FROM inbound
WHERE id > (SELECT max(id) FROM inbound) - 100000
  AND (received_at >= :before AND date > :after AND date < :before
    OR received_at < :before AND settled_at >= :before AND COALESCE(date, received_at) >= :since)
"""

# ---------------------------------------------------------------- Telegram's updates

STORE_UPDATE = """
INSERT INTO tg_update (bot_id, update_id, raw, received_at) VALUES (:bot_id, :update_id, :raw, :received_at)
ON CONFLICT (bot_id, update_id) DO NOTHING
"""

PENDING_UPDATES = """
SELECT update_id, raw, received_at FROM tg_update WHERE bot_id = :bot_id AND state = 'new' ORDER BY id LIMIT :limit
"""

UPDATES_SINCE = """
SELECT update_id, raw, received_at FROM tg_update
WHERE id > (SELECT max(id) FROM tg_update) - 2000 AND bot_id = :bot_id AND received_at >= :since
ORDER BY id
"""

FINISH_UPDATE = """
UPDATE tg_update SET state = :state, error = :error, finished_at = :now
WHERE bot_id = :bot_id AND update_id = :update_id AND state = 'new'
"""

PURGE_UPDATES = """
DELETE FROM tg_update WHERE state = 'done' AND id IN (
    SELECT id FROM tg_update WHERE state = 'done' AND received_at < :before ORDER BY received_at LIMIT :limit)
"""

# ---------------------------------------------------------------- a store that was put back from a copy

MARK_COPY = "INSERT INTO restoration (taken_at) VALUES (:taken_at)"
COPY_TAKEN = "SELECT min(taken_at) AS taken_at FROM restoration WHERE restored_at IS NULL"
UNMARK_COPY = """
UPDATE restoration SET restored_at = :now, last_inbound = :last_inbound, sms = :sms, inbound = :inbound,
                       updates = :updates
WHERE restored_at IS NULL
"""
LAST_RESTORED = """
SELECT taken_at, restored_at, last_inbound, sms, inbound, updates FROM restoration
WHERE restored_at IS NOT NULL ORDER BY id DESC LIMIT 1
"""

# "Not delivered" is said beside the states because the index of what is not delivered asks for these words.
UNSENT = """
SELECT id FROM sms WHERE state IN ('draft', 'queued', 'sending') AND state <> 'delivered' AND id > 0 ORDER BY id
"""
FOUND_IN_COPY = """
SELECT (SELECT max(id) FROM inbound) AS last_inbound,
       (SELECT count(*) FROM inbound WHERE state = 'new' AND id > 0) AS inbound,
       (SELECT count(*) FROM tg_update WHERE state = 'new') AS updates
"""
RESTORED_SMS = f"""
SELECT {SMS} FROM sms
WHERE state = 'uncertain' AND state <> 'delivered' AND id > 0 AND reason = 'restored' AND id > :after
ORDER BY id LIMIT :limit
"""

KNOWN_PLACE = "SELECT place FROM identity"
KEEP_PLACE = """
INSERT INTO identity (id, place, at) VALUES (1, :place, :now)
ON CONFLICT (id) DO UPDATE SET place = excluded.place, at = excluded.at
"""

# ---------------------------------------------------------------- what people order in the chats

DEED_KNOWN = "SELECT 1 FROM deed WHERE key = :key"
ADD_DEED = """
INSERT INTO deed (key, at, deed, detail, author, subscriber, conversation_id)
VALUES (:key, :now, :deed, :detail, :author, :subscriber, :conversation_id)
"""

# Version 0 is what a number has of which nothing is known.
MEET_CONTACT = "INSERT INTO contact (subscriber, version) VALUES (:subscriber, 0) ON CONFLICT (subscriber) DO NOTHING"
SET_BLOCKED = """
UPDATE contact SET blocked = :value, version = version + 1 WHERE subscriber = :subscriber AND blocked <> :value
"""
SET_NAME = "UPDATE contact SET name = :name, version = version + 1 WHERE subscriber = :subscriber AND name <> :name"
SET_TAGS = "UPDATE contact SET tags = :tags, version = version + 1 WHERE subscriber = :subscriber AND tags <> :tags"

# Switching the robot on ends the pause of a colleague's answer, too: whoever writes "on" means now.
ROBOT_OFF = "UPDATE contact SET robot_off = 1, version = version + 1 WHERE subscriber = :subscriber AND robot_off = 0"
ROBOT_ON = """
UPDATE contact SET robot_off = 0, robot_paused_until = 0, version = version + 1
WHERE subscriber = :subscriber AND (robot_off = 1 OR robot_paused_until > :now)
"""

# An SMS that the team has not seen, or was shown below Telegram's line about a topic that was closed by hand.
SHOWN_SINCE = """
SELECT 1 FROM conversation AS c JOIN chat_post AS p ON p.key = 'in:' || c.last_inbound_id || ':' || c.chat
WHERE c.id = :id AND (p.state = 'waiting' OR (p.chat_id = :chat_id AND p.message_id > :message_id))
"""
CLOSE_CONVERSATION = "UPDATE conversation SET closed_at = :now WHERE id = :id AND closed_at IS NULL"
OPEN_CONVERSATION = "UPDATE conversation SET closed_at = NULL WHERE id = :id AND closed_at IS NOT NULL"
CLAIM_CONVERSATION = """
UPDATE conversation SET claimed_by = :user_id, claimed_name = :name, claimed_until = :until WHERE id = :id
"""
RELEASE_CONVERSATION = "UPDATE conversation SET claimed_until = 0 WHERE id = :id AND claimed_until > :now"

BEGIN_CONVERSATION = f"""
INSERT INTO conversation (chat, subscriber, code, account, receiver, created_at)
VALUES (:chat, :subscriber, :code, :account, '', :now)
RETURNING {CONVERSATION}
"""
CONVERSATIONS_WITH = f"SELECT {CONVERSATION} FROM conversation WHERE subscriber = :subscriber ORDER BY id"

ABOUT_MESSAGE = """
SELECT conversation_id, inbound_id, sms_id FROM chat_message WHERE chat_id = :chat_id AND message_id = :message_id
"""
ANSWERS_TO = (
    f"SELECT {SMS} FROM sms WHERE recipient = :subscriber AND inbound_id = :inbound_id ORDER BY id LIMIT :limit"
)

TALK_IN = """
SELECT id, received_at, text, state, account, outcome, fault FROM inbound
WHERE subscriber = :subscriber AND received_at < :before ORDER BY received_at DESC, id DESC LIMIT :limit
"""
TALK_OUT = f"""
SELECT {SMS} FROM sms WHERE recipient = :subscriber AND created_at < :before
ORDER BY created_at DESC, id DESC LIMIT :limit
"""
TALK_DEEDS = """
SELECT at, deed, detail, author FROM deed WHERE subscriber = :subscriber AND at < :before
ORDER BY at DESC, id DESC LIMIT :limit
"""

# Looked through by a person who waits for it, newest first and so many rows at a time.
FIND_TALKS = f"""
SELECT {_of("v", CONVERSATION)}, COALESCE(c.name, '') AS name, COALESCE(c.tags, '[]') AS tags
FROM conversation AS v LEFT JOIN contact AS c ON c.subscriber = v.subscriber
WHERE v.id < :before ORDER BY v.id DESC LIMIT :limit
"""
FIND_IN = """
SELECT id, subscriber, text, received_at AS at FROM inbound WHERE id < :before ORDER BY id DESC LIMIT :limit
"""
FIND_OUT = """
SELECT id, recipient AS subscriber, text, created_at AS at FROM sms WHERE id < :before ORDER BY id DESC LIMIT :limit
"""

# Ids grow with time, so the first row of a day is found by halving and no index by time is paid for at each message.
INBOUND_NEAR = "SELECT id, received_at AS at FROM inbound WHERE id >= :id ORDER BY id LIMIT 1"
SMS_NEAR = "SELECT id, created_at AS at FROM sms WHERE id >= :id ORDER BY id LIMIT 1"
NEWEST_INBOUND = "SELECT max(id) AS id FROM inbound"
INBOUND_FROM = "SELECT count(*) AS number, count(DISTINCT subscriber) AS people FROM inbound WHERE id >= :id"
SMS_FROM = """
SELECT origin, state, count(*) AS number, CAST(sum(parts) AS BIGINT) AS parts FROM sms WHERE id >= :id
GROUP BY origin, state
"""

# ---------------------------------------------------------------- questions of people and probes

INBOUND_NEW = "SELECT count(*) AS number, min(id) AS oldest FROM inbound WHERE state = 'new' AND id > 0"
# What rules decided about: neither new nor quarantined.
ROUTED_SPAN = """
SELECT min(id) AS first, max(id) AS last, count(*) AS number FROM (
    SELECT id FROM inbound WHERE state = 'routed' AND received_at >= :since ORDER BY id DESC LIMIT :last) AS r
"""
ROUTED = f"""
SELECT {INBOUND} FROM inbound
WHERE id > :after AND id BETWEEN :first AND :last AND state = 'routed' AND received_at >= :since
ORDER BY id LIMIT :limit
"""
RECEIVED_AT = "SELECT received_at FROM inbound WHERE id = :id"
INBOUND_QUARANTINED = "SELECT count(*) AS number FROM inbound WHERE state = 'quarantined'"
LAST_INBOUND = "SELECT received_at FROM inbound ORDER BY id DESC LIMIT 1"
# Delivered ones are the only kind that grows without bound in a healthy service: they are not counted.
SMS_BY_STATE = "SELECT state, count(*) AS number FROM sms WHERE state <> 'delivered' AND id > 0 GROUP BY state"
# How much waits, no further than a number that nobody asks beyond.
QUEUED_OF = """
SELECT count(*) AS number FROM (
    SELECT 1 FROM sms WHERE account = :account AND state = 'queued' AND priority >= 0 LIMIT :limit) AS q
"""
SMS_TO_COME = """
SELECT count(*) AS number FROM
    (SELECT 1 FROM chat_post WHERE state = 'waiting' AND kind = 'inbound' LIMIT :limit) AS p
"""
OLDEST_QUEUED = "SELECT min(created_at) AS created_at FROM sms WHERE state = 'queued'"
OLDEST_DRAFT = "SELECT min(due_at) AS due_at FROM sms WHERE state = 'draft' AND state <> 'delivered' AND id > 0"
POSTS_WAITING = "SELECT count(*) AS number, min(created_at) AS oldest FROM chat_post WHERE state = 'waiting'"
UPDATES_PENDING = "SELECT count(*) AS number FROM tg_update WHERE state = 'new'"
UPDATES_PARKED = "SELECT count(*) AS number FROM tg_update WHERE state = 'parked'"

HISTORY_IN = """
SELECT id, received_at, text, state, account, outcome, fault FROM inbound
WHERE subscriber = :subscriber ORDER BY received_at DESC, id DESC LIMIT :limit
"""
HISTORY_OUT = f"SELECT {SMS} FROM sms WHERE recipient = :subscriber ORDER BY created_at DESC, id DESC LIMIT :limit"
EVENTS_OF_SMS = (
    "SELECT at, move, from_state, to_state, reason, detail, author FROM sms_event WHERE sms_id = :sms_id ORDER BY id"
)

BEAT = "INSERT INTO pulse (id, at) VALUES (1, :now) ON CONFLICT (id) DO UPDATE SET at = excluded.at"


def list_sms(states: Iterable[SmsState]) -> str:
    """The newest rows in these states. States are literals (an enum's values) for the sake of the partial index."""
    wanted = ", ".join(f"'{state.value}'" for state in sorted(set(states)))
    guard = "" if SmsState.DELIVERED in states else " AND state <> 'delivered' AND id > 0"
    return f"SELECT {SMS} FROM sms WHERE state IN ({wanted}){guard} ORDER BY id DESC LIMIT :limit"
