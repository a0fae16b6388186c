"""SQLite: how its files are opened, and the lock that keeps a second server away."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from registry.errors import StartError

#: A lock of another process (a backup, somebody's shell) is waited for so long.
BUSY_TIMEOUT_MS = 5_000
_STATEMENTS_KEPT = 512
#: A server that was killed may have a process that has not heard of it yet, as one that is just
#: being loaded.
_LAST_S = 3.0

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
        # As in postgresql.py.
        hide_parameters=True,
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
    """Held by the one server of a SQLite file; the system frees it when all its processes ended.

    They share what was opened here, `file`, and so the lock. Of them, one at a time has the `turn`
    to write, which is a lock of another kind on the same file, each process's own.
    """

    def __init__(self, database: Path, *, file: int | None = None) -> None:
        """Take the lock, or raise StartError naming the file and the process that holds it.

        `file` came from the process that has it; it is this one's to close.
        """
        self._path = database.with_name(database.name + ".lock")
        self.file = self._take(database) if file is None else file

    def _take(self, database: Path) -> int:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until_s = time.monotonic() + _LAST_S
        while not _locked(file):
            if time.monotonic() < until_s:
                time.sleep(0.02)
                continue
            holder = os.read(file, 20).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise StartError(
                what=f"{database} cannot be served",
                found=f"process {holder} serves it already, or a worker that it left",
                fix="Stop that process, or give this server a home of its own.",
            )
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        return file

    def take_turn(self) -> None:
        """Wait until no other process of this server writes."""
        fcntl.lockf(self.file, fcntl.LOCK_EX)

    def end_turn(self) -> None:
        fcntl.lockf(self.file, fcntl.LOCK_UN)

    def release(self) -> None:
        """Let the next server in, once all processes of this one have closed the file. It stays:
        to unlink it would let two of them in."""
        os.close(self.file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
