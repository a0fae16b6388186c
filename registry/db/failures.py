"""What the drivers raise, said in our errors."""

from __future__ import annotations

import sqlite3
import sys
from types import TracebackType
from typing import TYPE_CHECKING, TypeGuard

from sqlalchemy.exc import DBAPIError

from registry.errors import (
    ConflictError,
    DamagedTextError,
    DatabaseUnavailableError,
    HallmarkError,
    OutcomeUnknownError,
    StorageError,
    StorageFullError,
)

if TYPE_CHECKING:
    import psycopg

_WHAT = "The request"
_STORE = "database"
_RESTORE = "Nothing was changed; its operator has to restore the database from a backup."

_UNDECODABLE = "Could not decode to UTF-8"
_SQLITE_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SQLITE_BROKEN = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
)
# Rows that another transaction made or took away meanwhile. The other constraints fail by our own
# fault only, and are told as such.
_SQLITE_CONFLICT = (
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PG_RETRY = ("40001", "40P01")
_PG_LOCKED = ("55P03",)
_PG_CONFLICT = ("23503", "23505")
_PG_FULL = ("53100",)
_PG_AWAY = ("08", "28", "3D", "53300", "55P03", "57")
_PG_BROKEN = ("25006", "53", "58")
_PG_DAMAGED = ("XX001", "XX002")


def is_postgresql(error: BaseException | None) -> TypeGuard[psycopg.Error]:
    """Whether it is the driver's, which is loaded only where PostgreSQL is in use: it takes as much
    memory as a twelfth of an idle server."""
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(error, driver.Error)


def translate(error: BaseException) -> BaseException:
    """Our error for a driver's, with it as cause; any other error as it is."""
    origin = _origin(error)
    ours: HallmarkError | None = None
    if isinstance(origin, sqlite3.Error):
        ours = _of_sqlite(origin)
    elif is_postgresql(origin):
        ours = _of_postgresql(origin)
    if ours is None:
        return error
    ours.__cause__ = error
    return ours


class Translated:
    """`with TRANSLATED:` lets our errors out where a driver's were raised."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is not None and (ours := translate(error)) is not error:
            raise ours


TRANSLATED = Translated()


def is_retriable(error: BaseException) -> bool:
    """True where PostgreSQL gave up on this transaction, or its own work did, because of another
    that was quicker: what that one did is seen by the next try."""
    if isinstance(error, ConflictError):
        return True
    origin = _origin(error)
    return is_postgresql(origin) and origin.sqlstate in _PG_RETRY


def is_in_the_way(error: BaseException) -> bool:
    """True where PostgreSQL gave up on a transaction because of a lock or a change of another."""
    origin = _origin(error)
    return is_postgresql(origin) and origin.sqlstate in (*_PG_RETRY, *_PG_LOCKED)


def outcome_unknown(error: BaseException) -> HallmarkError:
    """Our error for a connection that was lost while a COMMIT was on its way."""
    ours = OutcomeUnknownError(cause=_line(_origin(error)))
    ours.__cause__ = error
    return ours


def _origin(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _of_sqlite(error: sqlite3.Error) -> HallmarkError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # The driver's own, not SQLite's.
        damaged = isinstance(error, sqlite3.OperationalError) and _UNDECODABLE in str(error)
        # The rest of the line is the text itself.
        return DamagedTextError(cause=_line(error).partition(" with text")[0]) if damaged else None
    cause = f"{_line(error)}, {error.sqlite_errorname}"
    if code in _SQLITE_CONFLICT:
        return ConflictError(what="A row")
    primary = code & 0xFF
    if primary in _SQLITE_LOCKED:
        cause = "another process holds its file locked"
        return DatabaseUnavailableError(cause=cause, fix="end that process, then retry.")
    if primary == sqlite3.SQLITE_FULL:
        return StorageFullError(what=_WHAT, store=_STORE, cause=cause)
    if primary in _SQLITE_DAMAGED:
        return StorageError(what=_WHAT, store=_STORE, cause=cause, fix=_RESTORE)
    if primary in _SQLITE_BROKEN:
        return StorageError(what=_WHAT, store=_STORE, cause=cause)
    return None


def _of_postgresql(error: psycopg.Error) -> HallmarkError | None:
    state = error.sqlstate
    if state is None:
        # Never reached the server, or lost it. Errors in how we call the driver have no state
        # either, and are no OperationalError.
        lost = isinstance(error, sys.modules["psycopg"].OperationalError)
        return DatabaseUnavailableError(cause=_line(error)) if lost else None
    if state in _PG_RETRY or state in _PG_CONFLICT:
        return ConflictError(what="A row")
    cause = f"{_line(error)}, {state}"
    if state in _PG_FULL:
        return StorageFullError(what=_WHAT, store=_STORE, cause=cause)
    if state.startswith(_PG_AWAY):
        return DatabaseUnavailableError(cause=cause)
    if state in _PG_DAMAGED:
        return StorageError(what=_WHAT, store=_STORE, cause=cause, fix=_RESTORE)
    if state.startswith(_PG_BROKEN):
        return StorageError(what=_WHAT, store=_STORE, cause=cause)
    return None


def _line(error: BaseException | None) -> str:
    """The first line of a driver's message; the others show statements and hints."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
