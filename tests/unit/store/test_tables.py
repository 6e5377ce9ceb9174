"""The descriptions of the tables agree with the schema file, and values pass through them unchanged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from enum import IntEnum, StrEnum

import pytest

from bridge.model.sms import ConfirmationReason, NewSms, Origin, Priority, Sms, SmsState
from bridge.store.copying.tables import NOT_COPIED
from bridge.store.migrate import shipped
from bridge.store.schema.mapping import MappedTable, Table, words_of
from bridge.store.schema.tables import MOVED, SMS, STAYING
from bridge.store.schema.types import INTEGER, TEXT
from bridge.store.sqlite.migrate import migrate
from bridge.value import value_object

TABLES = {table.name: table for table in (*MOVED, *STAYING)}


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db, shipped())
    yield db
    db.close()


def test_every_table_of_the_schema_file_is_described(db: sqlite3.Connection) -> None:
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == TABLES.keys()
    assert {table.name for table in STAYING} | {"schema_version"} == NOT_COPIED


@pytest.mark.parametrize("name", TABLES)
def test_a_description_has_the_columns_types_and_key_of_the_schema_file(db: sqlite3.Connection, name: str) -> None:
    table = TABLES[name]
    columns = db.execute(f"PRAGMA table_info({name})").fetchall()
    assert table.types == {column: type_ for _, column, type_, *_ in columns}
    assert table.key == tuple(column for _, column in sorted((row[5], row[1]) for row in columns if row[5]))


def test_a_table_moves_after_those_that_it_refers_to(db: sqlite3.Connection) -> None:
    moved: set[str] = set()
    for table in MOVED:
        refers = {row[2] for row in db.execute(f"PRAGMA foreign_key_list({table.name})")}
        assert refers - {table.name} <= moved, table.name
        moved.add(table.name)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 7


@value_object
class Thing:
    id: int
    colour: Colour | None
    size: Size
    fast: bool
    words: tuple[ConfirmationReason, ...]
    names: tuple[str, ...]
    values: dict[str, str]
    owner: str = ""


@value_object
class NewThing:
    size: Size
    fast: bool
    words: tuple[ConfirmationReason, ...]


THING = MappedTable(
    "thing",
    Thing,
    renamed={"values": "own_values"},
    codecs={"words": words_of(ConfirmationReason)},
    joined=["owner", "values"],
    integer="weight",
)


def test_a_row_is_read_as_the_value_it_was_written_from() -> None:
    words = (ConfirmationReason.PARTS, ConfirmationReason.OPTED_OUT)
    writer = THING.writer(NewThing)
    assert str(writer) == "size, fast, words"
    assert writer.line(NewThing(size=Size.BIG, fast=True, words=words)) == (7, 1, "parts opted_out")
    assert str(THING) == "id, colour, size, fast, words, names"
    for stored, colour in (("red", Colour.RED), (None, None)):
        thing = THING.read((1, stored, 7, 1, "parts opted_out", '["a"]'), owner="me", values={})
        expected = Thing(
            id=1, colour=colour, size=Size.BIG, fast=True, words=words, names=("a",), values={}, owner="me"
        )
        assert thing == expected


def test_a_value_that_is_in_no_table_of_values_is_not_read() -> None:
    with pytest.raises(KeyError):
        THING.read((1, "blue", 7, 1, "", "[]"), owner="me", values={})


def test_an_sms_is_read_and_written_by_its_fields() -> None:
    assert {*SMS.columns} == {*Sms.__dataclass_fields__}  # type: ignore[attr-defined]
    new = NewSms(
        key="k",
        account="main",
        recipient="79990000001",
        sender_name="",
        text="t",
        parts=1,
        origin=Origin.OPERATOR,
        priority=Priority.BROADCAST,
        state=SmsState.DRAFT,
    )
    params = SMS.writer(NewSms).params(new)
    assert (params["origin"], params["priority"], params["state"]) == ("operator", 2, "draft")


def test_a_field_that_no_column_can_hold_is_refused_where_the_table_is_described() -> None:
    with pytest.raises(TypeError, match="no column can hold"):
        MappedTable("thing", Thing, codecs={"words": words_of(ConfirmationReason)})
    with pytest.raises(TypeError, match="no such column"):
        THING.writer(Sms, without=[field for field in Sms.__dataclass_fields__ if field != "text"])  # type: ignore[attr-defined]


def test_a_parameter_has_a_declared_type_or_the_statement_is_refused() -> None:
    table = Table("t", integer="id", text="name")
    assert table.statement("SELECT :name, :limit").types == {"name": TEXT, "limit": INTEGER}
    assert table.statement("SELECT :word", word=TEXT).types == {"word": TEXT}
    assert Table("u", text="id").statement("SELECT :id, :name", table).types == {"id": TEXT, "name": TEXT}
    assert table.batch("id, since", "SELECT 1 FROM rows").types == {"id": INTEGER, "since": INTEGER}
    for refused in (lambda: table.statement("SELECT :name, :least"), lambda: table.batch("id, least", "SELECT 1")):
        with pytest.raises(TypeError, match="the type of 'least' is not declared"):
            refused()
