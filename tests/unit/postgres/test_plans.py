"""How the server goes about the statements on a message's way: along indexes, however much is stored.

A session plans a statement once, so a plan that was made on empty tables must be as good as one made on full ones.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.store.postgres import dialect
from bridge.store.postgres.migrate import migrate
from bridge.store.postgres.pool import PLANNING, Pool
from tests import postgres
from tests.bench.postgres import fill_on
from tests.unit.store.statements import BATCHES, STATEMENTS

pytestmark = postgres.needs_postgres

STORED = 20_000
FEW = {"spend", "account_state", "restoration", "pulse", "alert", "chat_alias"}
"""Tables that do not grow with the messages."""
HOT = """
ACCEPT_INBOUND CONTACTS_OF_MESSAGES HAS_UNROUTED UNROUTED SETTLE_INBOUND BUMP_CONTACT CHANGE_CONTACT
USES_OF_SUBSCRIBERS COUNT_USES RECENT_REPLIES GET_SPEND ADD_SPEND INSERT_SMS DUE_CANDIDATES START_SMS MOVE_SMS
ADD_EVENT NEXT_DUE EXPIRED_QUEUED
DUE_POLLS IDENTICAL_SINCE GET_SMS GET_SMS_BY_KEY INSERT_POST REFRESH_STATUS CLAIM_POSTS FREE_NEXT_POST POST_DONE
FIND_CONVERSATION TOUCH_CONVERSATION PENDING_UPDATES STORE_UPDATE
""".split()  # noqa: SIM905


NEED_IT_OFF: Mapping[str, Mapping[str, set[str]]] = {
    "empty": {
        "enable_seqscan": {"RECENT_REPLIES"},
        "enable_hashjoin": {"SETTLE_INBOUND"},
        "enable_mergejoin": {"SETTLE_INBOUND"},
    },
    "full": {
        "enable_seqscan": {
            "USES_OF_SUBSCRIBERS",
            "COUNT_USES",
            "INSERT_POST",
            "CLAIM_POSTS",
            "FREE_NEXT_POST",
            "POST_DONE",
        },
    },
}
"""The statements for which a session's planner switch is off, by what is stored when they are planned. A full database
has tables that are nearly empty, too, such as those of the posts that wait."""


@pytest.fixture(scope="module", params=["empty", "full"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Path:
    return tmp_path_factory.mktemp(kind)


@pytest.fixture
async def connection(folder: Path, kind: str) -> AsyncIterator[Any]:
    """As the bridge's own are."""
    pool = Pool(await postgres.schema_of(folder), 1)
    async with pool.connection() as connection:
        await migrate(connection)
        if kind == "full" and not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM sms)"):
            await fill_on(connection, STORED)
            await connection.execute("ANALYZE rule_use, chat_post, tg_update, conversation")
        yield connection
    await pool.close()


async def plan(connection: Any, name: str) -> dict[str, Any]:
    """What the server does for any values."""
    if name in BATCHES:
        text, count = dialect.batch_text(BATCHES[name]), len(BATCHES[name].types)
    else:
        text, names = dialect.numbered(STATEMENTS[name])
        count = len(names)
    await connection.execute(f"PREPARE {name} AS {text}")
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    # without values in it, or it would not be the plan that is kept
    found = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{values}"))
    await connection.execute(f"DEALLOCATE {name}")
    return dict(found[0]["Plan"])


async def read_whole(connection: Any, name: str) -> set[str]:
    """Growing tables that the statement reads from one end to the other, and joins that read one side whole."""
    found = list(nodes(await plan(connection, name)))
    read = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
    return (read - FEW) | {node["Node Type"] for node in found if node["Node Type"] in ("Hash Join", "Merge Join")}


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.parametrize("name", HOT)
async def test_no_statement_on_a_messages_way_reads_a_table_that_grows(connection: Any, name: str) -> None:
    assert await read_whole(connection, name) == set()


@pytest.mark.parametrize("switch", ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"])
async def test_each_planner_switch_is_off_because_of_these_statements(connection: Any, kind: str, switch: str) -> None:
    """The control of the test above: with this switch alone on, at least these would read a growing table."""
    worse = set()
    for name in HOT:
        whole = connection.transaction()
        await whole.start()
        await connection.execute(f"SET LOCAL {switch} = on")
        if await read_whole(connection, name):
            worse.add(name)
        await whole.rollback()
    assert worse >= NEED_IT_OFF[kind].get(switch, set())


def test_no_planner_switch_is_off_without_a_statement_that_needs_it() -> None:
    off = {name for name, value in PLANNING.items() if value == "off" and name != "jit"}
    assert off == {switch for needed in NEED_IT_OFF.values() for switch in needed}


@pytest.mark.parametrize("kind", ["full"], indirect=True, scope="module")
@pytest.mark.parametrize("name", ["UNROUTED", "DUE_CANDIDATES", "START_SMS", "INSERT_SMS"])
async def test_whether_a_lane_is_free_is_asked_of_the_lane_alone(connection: Any, name: str) -> None:
    """Where statistics know of nothing that waits, one glance at all of it looks as cheap, and is a million later."""
    found = list(nodes(await plan(connection, name)))
    assert not [node for node in found if node.get("Join Type") == "Anti"]
    lanes = [node for node in found if str(node.get("Index Name")).endswith("_lane")]
    assert len(lanes) == (1 if name == "UNROUTED" else 2)
    for node in lanes:
        assert ("subscriber" if name == "UNROUTED" else "recipient") in node["Index Cond"]


async def test_claims_walk_the_indexes_of_what_still_moves(connection: Any) -> None:
    for name, index in {
        "UNROUTED": "inbound_new",
        "DUE_CANDIDATES": "sms_queued_order",
        "DUE_POLLS": "sms_poll",
        "CLAIM_POSTS": "chat_post_waiting",
        "PENDING_UPDATES": "tg_update_new",
    }.items():
        used = {node.get("Index Name") for node in nodes(await plan(connection, name))}
        assert index in used, f"{name} goes along {used}"
