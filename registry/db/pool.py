"""Open connections, kept for whoever reads next."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque

from sqlalchemy import Connection, Engine

from registry.db.failures import TRANSLATED, is_postgresql
from registry.db.file import File
from registry.db.prepared import PreparedConnection
from registry.db.wire import Wire
from registry.errors import DatabaseUnavailableError


class ConnectionPool:
    """Hands out connections of an engine, at most `size` at a time; the latest returned goes first.

    SQLAlchemy's own pool resets and wraps a connection at each checkout, which costs as much as a
    read itself. The engine's pool must therefore be a NullPool, and whoever takes a connection
    gives it back as it was, without an open transaction.
    """

    def __init__(self, engine: Engine, *, size: int, wait_s: float) -> None:
        self._engine = engine
        self._size = size
        self._wait_s = wait_s
        self._slots = threading.BoundedSemaphore(size)
        self._idle: deque[PreparedConnection] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> PreparedConnection:
        """A connection for one thread; raises DatabaseUnavailableError when none gets free."""
        if not self._slots.acquire(timeout=self._wait_s):
            raise DatabaseUnavailableError(
                cause=f"all {self._size} connections were in use for {self._wait_s:g} s"
            )
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._connect()
        except BaseException:
            self._slots.release()
            raise

    def give(self, connection: PreparedConnection) -> None:
        self._idle.append(connection)
        self._slots.release()
        if self._closed:
            self._close_idle()

    def drop(self, connection: Connection) -> None:
        """Close a connection in place of giving it back."""
        discard(connection)
        self._slots.release()

    def drop_all(self, connection: Connection) -> None:
        """As drop, after its server was lost: the idle ones lost it in the same moment."""
        self.drop(connection)
        self._close_idle()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        self._closed = True
        self._close_idle()

    def _connect(self) -> PreparedConnection:
        if self._closed:
            raise DatabaseUnavailableError(cause="this server is stopping")
        with TRANSLATED:
            return PreparedConnection(self._engine)

    def _close_idle(self) -> None:
        with self._lock:
            while self._idle:
                with contextlib.suppress(IndexError):
                    discard(self._idle.pop())


def discard(connection: Connection) -> None:
    """Close a connection that may be broken, or have a transaction open, which is rolled back."""
    # A broken one cannot be reset for the next user, which close() alone would try.
    connection.invalidate()
    connection.close()


def abandon(driver: Wire | File, *, begun: bool) -> bool:
    """Roll back what was begun on a driver's connection; whether the connection is lost."""
    if begun and not driver.closed:
        # Of the two errors the first, which brought us here, is the one to be told.
        try:
            driver.roll_back()
        except Exception as error:
            if not isinstance(error, sqlite3.Error) and not is_postgresql(error):
                raise
    return driver.closed
