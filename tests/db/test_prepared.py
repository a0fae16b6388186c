"""Statements that are kept answer as SQLAlchemy's own way does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from registry.db.prepared import PreparedConnection
from registry.db.sqlite import writer_engine

THINGS = Table(
    "things",
    MetaData(),
    Column("key", Integer, primary_key=True),
    Column("name", Text),
    Column("done", Boolean),
    Column("data", LargeBinary),
)


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    connection = PreparedConnection(writer_engine(tmp_path / "things.db"))
    THINGS.create(connection)
    yield connection
    connection.close()


def put(connection: Any, name: str, *, done: bool = False, data: bytes = b"") -> int:
    key: int = connection.execute(INSERT, {"name": name, "done": done, "data": data}).scalar_one()
    return key


INSERT = insert(THINGS).returning(THINGS.c.key)
ALL = select(THINGS).order_by(THINGS.c.key)
BY_NAME = ALL.where(THINGS.c.name == bindparam("name"))


def test_values_come_back_as_they_were_put_each_time(connection: Any) -> None:
    """Flags and bytes are converted alike on the first and on every later execution."""
    for number in range(3):
        put(connection, f"n{number}", done=number == 1, data=b"\0\xff")
        rows = connection.execute(BY_NAME, {"name": f"n{number}"}).all()
        assert [tuple(row) for row in rows] == [(number + 1, f"n{number}", number == 1, b"\0\xff")]
        assert rows[0].done is (number == 1)


def test_rows_have_their_columns_by_name(connection: Any) -> None:
    """Labels and computed columns are attributes of a row."""
    statement = select(THINGS.c.name.label("called"), literal("x").label("mark"))
    put(connection, "a")
    for _ in range(3):
        (row,) = connection.execute(statement)
        assert (row.called, row.mark) == ("a", "x")


def test_what_a_statement_says_itself_stays_said(connection: Any) -> None:
    """A constant within the statement needs no parameter."""
    statement = BY_NAME.limit(1).offset(1)
    put(connection, "a")
    second = put(connection, "a")
    for _ in range(3):
        assert connection.execute(statement, {"name": "a"}).one().key == second


def test_a_missing_parameter_is_an_error(connection: Any) -> None:
    """It is never taken for null."""
    put(connection, "a")
    for _ in range(2):
        assert len(connection.execute(BY_NAME, {"name": "a"}).all()) == 1
    with pytest.raises(KeyError):
        connection.execute(BY_NAME, {"nome": "a"})


def test_the_columns_that_are_set_are_those_of_the_parameters(connection: Any) -> None:
    """One update statement serves different sets of columns, and counts its rows."""
    key = put(connection, "a")
    statement = update(THINGS).where(THINGS.c.key == bindparam("of"))
    for change in ({"name": "b"}, {"done": True}, {"name": "c"}, {"done": False}, {"name": "d"}):
        assert connection.execute(statement, {"of": key, **change}).rowcount == 1
    assert connection.execute(statement, {"of": key + 1, "name": "e"}).rowcount == 0
    assert tuple(connection.execute(ALL).one()) == (key, "d", False, b"")


def test_many_sets_of_parameters_are_run_each(connection: Any) -> None:
    """A list stores one row a set, and no statement stays open behind it."""
    statement = insert(THINGS)
    for number in range(3):
        sets = [{"name": f"{number}-{letter}", "done": False, "data": b""} for letter in "ab"]
        connection.execute(statement, sets)
    names = [row.name for row in connection.execute(ALL)]
    assert names == ["0-a", "0-b", "1-a", "1-b", "2-a", "2-b"]


def test_lists_within_a_statement_take_any_length(connection: Any) -> None:
    """A statement whose text depends on its values is written anew for each."""
    for name in "abc":
        put(connection, name)
    statement = select(THINGS.c.name).where(THINGS.c.name.in_(bindparam("names", expanding=True)))
    for names in (["a"], ["a", "b"], ["a", "b", "c"]):
        assert connection.execute(statement, {"names": names}).scalars().all() == names


def test_one_means_one(connection: Any) -> None:
    """Neither none nor two rows are taken for one."""
    for _ in range(2):
        assert connection.execute(ALL).one_or_none() is None
        assert connection.execute(ALL).first() is None
        assert connection.execute(ALL).scalar() is None
    with pytest.raises(NoResultFound):
        connection.execute(ALL).one()
    put(connection, "a")
    put(connection, "b")
    with pytest.raises(MultipleResultsFound):
        connection.execute(ALL).one_or_none()
    assert connection.execute(ALL).first().name == "a"
