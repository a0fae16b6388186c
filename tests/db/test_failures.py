"""What drivers raise becomes one of our errors, or stays what it is."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from registry.db.failures import TRANSLATED, translate
from registry.errors import (
    ConflictError,
    DatabaseUnavailableError,
    HallmarkError,
    StorageError,
    StorageFullError,
)

POSTGRESQL = [
    ("08006", DatabaseUnavailableError),
    ("28P01", DatabaseUnavailableError),
    ("3D000", DatabaseUnavailableError),
    ("53300", DatabaseUnavailableError),
    ("55P03", DatabaseUnavailableError),
    ("57014", DatabaseUnavailableError),
    ("57P01", DatabaseUnavailableError),
    ("57P03", DatabaseUnavailableError),
    ("53100", StorageFullError),
    ("25006", StorageError),
    ("53200", StorageError),
    ("58030", StorageError),
    ("XX001", StorageError),
    ("23503", ConflictError),
    ("23505", ConflictError),
    ("40001", ConflictError),
    ("40P01", ConflictError),
    ("23502", None),
    ("42P01", None),
    ("22P02", None),
]
SQLITE = [
    (sqlite3.SQLITE_BUSY, DatabaseUnavailableError),
    (sqlite3.SQLITE_BUSY_SNAPSHOT, DatabaseUnavailableError),
    (sqlite3.SQLITE_LOCKED, DatabaseUnavailableError),
    (sqlite3.SQLITE_FULL, StorageFullError),
    (sqlite3.SQLITE_IOERR_FSYNC, StorageError),
    (sqlite3.SQLITE_READONLY_DBMOVED, StorageError),
    (sqlite3.SQLITE_CANTOPEN, StorageError),
    (sqlite3.SQLITE_CORRUPT, StorageError),
    (sqlite3.SQLITE_NOTADB, StorageError),
    (sqlite3.SQLITE_CONSTRAINT_UNIQUE, ConflictError),
    (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, ConflictError),
    (sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, ConflictError),
    (sqlite3.SQLITE_CONSTRAINT_NOTNULL, None),
    (sqlite3.SQLITE_CONSTRAINT_TRIGGER, None),
    (sqlite3.SQLITE_ERROR, None),
]


def check(foreign: Exception, expected: type[HallmarkError] | None) -> None:
    """By itself and as SQLAlchemy wraps it."""
    for error in (foreign, DBAPIError("SELECT 1", {}, foreign)):
        ours = translate(error)
        if expected is None:
            assert ours is error
        else:
            assert type(ours) is expected
            assert ours.__cause__ is error
            assert "the first line" in str(ours) or expected is ConflictError


@pytest.mark.parametrize(("state", "expected"), POSTGRESQL)
def test_postgresql(state: str, expected: type[HallmarkError] | None) -> None:
    """Each state that an operator or a race may bring has its error; our own faults have none."""
    check(psycopg.errors.lookup(state)("the first line.\nDETAIL: secret"), expected)


@pytest.mark.parametrize(("code", "expected"), SQLITE)
def test_sqlite(code: int, expected: type[HallmarkError] | None) -> None:
    """Each code that an operator or a disk may bring has its error; our own faults have none."""
    error = sqlite3.OperationalError("the first line\nand more")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_SOMETHING"
    if expected is DatabaseUnavailableError:
        assert "another process" in str(translate(error))
    else:
        check(error, expected)


def test_only_the_first_line_is_told() -> None:
    """Details, which may show rows, stay in the log."""
    error = psycopg.errors.lookup("53100")("could not extend file\nDETAIL: of ann")
    assert "could not extend file, 53100" in str(translate(error))
    assert "of ann" not in str(translate(error))


def test_a_server_that_was_never_reached() -> None:
    """Without a state only an operational error means that the server is away."""
    away = psycopg.OperationalError("the first line")
    assert isinstance(translate(away), DatabaseUnavailableError)
    ours = psycopg.InterfaceError("the cursor is closed")
    assert translate(ours) is ours


def test_ours_and_others_pass() -> None:
    """Errors of services and of Python go through as they are."""
    for error in (ConflictError(what="it"), ValueError("x"), sqlite3.ProgrammingError("closed")):
        with pytest.raises(type(error)) as raised, TRANSLATED:
            raise error
        assert raised.value is error
