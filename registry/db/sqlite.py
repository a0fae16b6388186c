"""SQLite: how its files are opened, and the lock that keeps a second server away."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from registry.errors import StartError

#: A lock of another process (a backup, somebody's shell) is waited for so long.
BUSY_TIMEOUT_MS = 5_000
_STATEMENTS_KEPT = 512

_WRITER_PRAGMAS = (
    # An acknowledged change survives a power cut, not only a crash.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Without it INSERT OR REPLACE deletes rows of the audit log past its triggers.
    "PRAGMA recursive_triggers = ON",
    "PRAGMA temp_store = MEMORY",
    # Pages that many changes touch are then written to the file once, not once per 1,000 pages.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA cache_size = -16000",
    # After a long snapshot the log may have grown; give the room back.
    f"PRAGMA journal_size_limit = {64 * 2**20}",
)
_READER_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA temp_store = MEMORY")


def writer_engine(path: Path) -> Engine:
    """Connections that may write. Makes the file where there is none, for its owner only."""
    if not path.exists():
        # Not where there is one: closing it would drop SQLite's own locks in this process.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    elif not os.access(path, os.W_OK):
        # SQLite would open it for reading only, and say so at the first change.
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise OSError(number, os.strerror(number), str(path))
    engine = _engine(path, _WRITER_PRAGMAS)
    with engine.connect() as connection:
        # So that readers go on while the writer writes. Kept in the file from then on.
        mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
    if mode != "wal":
        raise StartError(
            what=f"{path} cannot be served",
            found=f"its file system allows journal mode {mode}, not wal",
            fix="Put it on a local disk.",
        )
    return engine


def reader_engine(path: Path) -> Engine:
    """Connections that cannot write, by mistake neither."""
    return _engine(path, _READER_PRAGMAS)


def _engine(path: Path, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=NullPool,
        # We say BEGIN and COMMIT ourselves; the driver's own BEGIN takes the write lock too late.
        isolation_level="AUTOCOMMIT",
        connect_args={
            "check_same_thread": False,
            "cached_statements": _STATEMENTS_KEPT,
            "timeout": BUSY_TIMEOUT_MS / 1000,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(pragma).close()

    return engine


class ServingLock:
    """Held by the one process that serves a SQLite file; the system frees it when that ends."""

    def __init__(self, database: Path) -> None:
        """Take the lock, or raise StartError naming the file and the process that holds it."""
        self._path = database.with_name(database.name + ".lock")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            holder = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise StartError(
                what=f"{database} cannot be served",
                found=f"process {holder} serves it already",
                fix="Stop that process, or give this server a home of its own.",
            ) from cause
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the next server in. The file stays: to unlink it would let two of them in."""
        os.ftruncate(self._file, 0)
        os.close(self._file)
