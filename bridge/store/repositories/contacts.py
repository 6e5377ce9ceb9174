"""Contacts, and what limits automatic replies to them: uses of rules, and parts spent in a day.

Has statements, and functions on a transaction.
"""

from __future__ import annotations

from collections import Counter

from bridge.model.contact import Contact, ContactChange, RuleUse
from bridge.model.routing import Settlement
from bridge.store.repository import read_number, read_one
from bridge.store.schema.tables import CONTACT, RULE_USE, SPEND
from bridge.store.schema.types import INTEGER
from bridge.store.statement import Statement
from bridge.store.transaction import SerializationConflict, Tx

CONTACT_CHANGE = CONTACT.writer(ContactChange)
NEW_RULE_USE = RULE_USE.writer(RuleUse)

GET_CONTACT = CONTACT.statement(f"SELECT {CONTACT} FROM contact WHERE subscriber = :subscriber")

# An unknown number has version 0.
ADD_CONTACT = CONTACT.statement(
    "INSERT INTO contact (subscriber, version) VALUES (:subscriber, 0) ON CONFLICT (subscriber) DO NOTHING"
)

BUMP_CONTACT = CONTACT.batch(
    "subscriber, seen_at",
    """
INSERT INTO contact (subscriber, version, first_seen_at) SELECT n.subscriber, 1, n.seen_at FROM rows AS n WHERE true
ON CONFLICT (subscriber)
DO UPDATE SET version = contact.version + 1, first_seen_at = COALESCE(contact.first_seen_at, excluded.first_seen_at)
""",
    seen_at=INTEGER,
)

CHANGE_CONTACT = CONTACT.batch(
    f"subscriber, {CONTACT_CHANGE}",
    """
UPDATE contact SET opted_out = n.opted_out, tags = n.tags, own_values = n.own_values
FROM rows AS n WHERE contact.subscriber = n.subscriber
""",
)

# A new pause replaces the old one only if it lasts longer. So two operators who answer at once do not shorten each
# other's pause.
TAKE_OVER = CONTACT.statement("""
INSERT INTO contact (subscriber, version, robot_paused_until) VALUES (:subscriber, 1, :until)
ON CONFLICT (subscriber)
DO UPDATE SET version = contact.version + 1,
    robot_paused_until = CASE WHEN contact.robot_paused_until > excluded.robot_paused_until
                              THEN contact.robot_paused_until ELSE excluded.robot_paused_until END
""")

# An opt-out of an unknown number gets a row. An opt-in of an unknown number needs none.
SET_OPTED_OUT = CONTACT.statement("""
INSERT INTO contact (subscriber, version, opted_out) SELECT :subscriber, 1, :opted_out
WHERE :opted_out = 1 OR EXISTS (SELECT 1 FROM contact WHERE subscriber = :subscriber)
ON CONFLICT (subscriber) DO UPDATE SET opted_out = excluded.opted_out, version = contact.version + 1
WHERE contact.opted_out <> excluded.opted_out
""")
SET_BLOCKED = CONTACT.statement("""
UPDATE contact SET blocked = :blocked, version = version + 1 WHERE subscriber = :subscriber AND blocked <> :blocked
""")
SET_NAME = CONTACT.statement(
    "UPDATE contact SET name = :name, version = version + 1 WHERE subscriber = :subscriber AND name <> :name"
)
SET_TAGS = CONTACT.statement(
    "UPDATE contact SET tags = :tags, version = version + 1 WHERE subscriber = :subscriber AND tags <> :tags"
)
ROBOT_OFF = CONTACT.statement(
    "UPDATE contact SET robot_off = 1, version = version + 1 WHERE subscriber = :subscriber AND robot_off = 0"
)
# Switching automatic replies on also ends the pause that an operator's reply began: the operator means "now".
ROBOT_ON = CONTACT.statement("""
UPDATE contact SET robot_off = 0, robot_paused_until = 0, version = version + 1
WHERE subscriber = :subscriber AND (robot_off = 1 OR robot_paused_until > :now)
""")

ADD_USE = RULE_USE.batch(
    f"subscriber, {NEW_RULE_USE}",
    f"INSERT INTO rule_use (subscriber, {NEW_RULE_USE}) SELECT n.subscriber, {NEW_RULE_USE.of('n')} FROM rows AS n",
)

USES_OF_SUBSCRIBERS = RULE_USE.batch(
    "subscriber, since",
    f"""
SELECT {RULE_USE.of("u")}, u.subscriber FROM rows AS n
JOIN rule_use AS u ON u.subscriber = n.subscriber AND u.at > n.since
ORDER BY u.at, u.id
""",
)

# Reads no more rows than the limit of the rule, since a rule that has reached its limit does not match any more.
COUNT_USES = RULE_USE.batch(
    "rule, since",
    """
SELECT n.rule, (SELECT count(*) FROM rule_use AS u WHERE u.rule = n.rule AND u.what = 'match' AND u.at > n.since)
FROM rows AS n
""",
)

# Deletes a limited number of rows. Deleting the uses of an hour at once would make other transactions wait too long.
FORGET_USES = Statement(
    "DELETE FROM rule_use WHERE id IN (SELECT id FROM rule_use WHERE at < :before ORDER BY at LIMIT :limit)"
)

GET_SPEND = SPEND.statement("SELECT parts FROM spend WHERE day = :day")

ADD_SPEND = SPEND.statement("""
INSERT INTO spend (day, parts) VALUES (:day, :parts)
ON CONFLICT (day) DO UPDATE SET parts = spend.parts + excluded.parts
RETURNING parts
""")


def get_contact(tx: Tx, subscriber: str) -> Contact:
    """The contact of a subscriber; an empty one with version 0 if the number is unknown."""
    return read_one(tx, CONTACT, GET_CONTACT, {"subscriber": subscriber}) or Contact(subscriber=subscriber, version=0)


def spent_parts(tx: Tx, day: str) -> int:
    """The parts of automatic replies that were written on that day."""
    return read_number(tx, GET_SPEND, {"day": day})


class SpendBudget:
    """Counts the parts that the settlements of one transaction spend. Reads each day once; writes it once, at the end.

    So a transaction locks the row of the day only during its last statements. If other transactions have spent
    meanwhile what this one counted on, this one runs again.
    """

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._before: dict[str, int] = {}
        self._asked: Counter[str] = Counter()
        self._added: Counter[str] = Counter()
        self._limits: dict[str, int] = {}

    def allows(self, settlement: Settlement) -> bool:
        """Whether the day's limit has room for the replies of ``settlement``, after all that were allowed before it.

        Counts a settlement that was allowed even if it is not written in the end.
        """
        cost = sum(reply.parts for reply in settlement.replies)
        limit, day = settlement.spend_limit, settlement.spend_day
        if limit is not None and cost:
            if day not in self._before:
                self._before[day] = spent_parts(self._tx, day)
            if self._before[day] + self._asked[day] + cost > limit:
                return False
            self._limits[day] = min(limit, self._limits.get(day, limit))
        self._asked[day] += cost
        return True

    def add(self, day: str, parts: int) -> None:
        """Count parts that were written."""
        self._added[day] += parts

    def write(self) -> None:
        """Write the added parts to the table. Call it after all settlements.

        :raises SerializationConflict: another transaction has spent parts meanwhile, and the sum is above the limit.
        """
        for day, parts in sorted(self._added.items()):
            if not parts:
                continue
            row = self._tx.one(ADD_SPEND, {"day": day, "parts": parts})
            assert row is not None  # an upsert always has a row
            others = row["parts"] - parts > self._before.get(day, 0)
            if others and day in self._limits and row["parts"] > self._limits[day]:
                raise SerializationConflict
