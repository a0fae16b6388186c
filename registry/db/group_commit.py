"""The SQLite writer: one thread, and one COMMIT for all that waits.

A COMMIT waits for the disk, about a millisecond, in which other requests arrive; taken together
they pay for it once. A unit of work that fails leaves its neighbours alone: then the group is run
again, each unit in a savepoint. What fails the COMMIT itself fails the whole group.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine

from registry.cores import share_core
from registry.db.events import Chain
from registry.db.failures import translate
from registry.db.pool import discard
from registry.db.prepared import PreparedConnection
from registry.db.transaction import SqlTransaction
from registry.errors import DatabaseUnavailableError
from registry.ports.clock import Clock
from registry.ports.database import Transaction

T = TypeVar("T")

#: More would let the first of a group wait long for the last.
GROUP_MAX = 64


class _Unit:
    """One caller's unit of work, and the place where that caller waits for its outcome."""

    def __init__(self, fn: Callable[[Transaction], Any]) -> None:
        self.fn = fn
        self.result: Any = None
        self.error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def wait(self) -> Any:
        self._done.acquire()
        if self.error is not None:
            raise self.error
        return self.result

    def end(self) -> None:
        self._done.release()

    def fail(self, cause: BaseException) -> None:
        """End with an error of its own: several threads must not raise the same object."""
        if self.error is None:
            self.error = translate(cause)
        self.end()


class GroupCommitWriter:
    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._open = threading.Lock()
        self._closed = False
        self._connection: PreparedConnection | None = None
        self._chain = Chain()
        self._commits = 0
        #: See Database.moment: nobody else commits to a file that is served.
        self.moment: int | None = 0
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    def write(self, fn: Callable[[Transaction], T]) -> T:
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError("a unit of work cannot wait for another one: call fn directly")
        unit = _Unit(fn)
        # Under the lock, so that nothing is queued behind the end of the queue.
        with self._open:
            if self._closed:
                raise DatabaseUnavailableError(cause="this server is stopping")
            self._units.put(unit)
        result: T = unit.wait()
        return result

    def close(self) -> None:
        """Commit what waits, then end the thread and close its connection. Repeats safely."""
        with self._open:
            if not self._closed:
                self._closed = True
                self._units.put(None)
        self._thread.join()

    def _serve(self) -> None:
        share_core()
        while group := self._next_group():
            self._commit(group)
        self._disconnect()

    def _next_group(self) -> list[_Unit]:
        """All that waits, at most GROUP_MAX; empty when the writer is closed."""
        group: list[_Unit] = []
        unit = self._units.get()
        while unit is not None:
            group.append(unit)
            if len(group) == GROUP_MAX or self._units.empty():
                return group
            unit = self._units.get()
        if group:
            # It was the last: nothing follows the end but the end, found again next time.
            self._units.put(None)
        return group

    def _commit(self, group: list[_Unit]) -> None:
        try:
            connection, driver = self._connect()
            self._run_group(group, connection, driver)
            self._chain.store(connection)
            self.moment = None
            driver.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - all who wait are told, whatever it is
            # What a connection is good for after a failed COMMIT depends on the failure; a fresh
            # one is good, and closing this one rolls back. The heads that we know were not stored.
            self._disconnect()
            self._chain = Chain()
            self._pass_moment()
            for unit in group:
                unit.fail(error)
        else:
            # Before anybody hears of it: whoever does must not see what was before.
            self._pass_moment()
            for unit in group:
                unit.end()

    def _pass_moment(self) -> None:
        self._commits += 1
        self.moment = self._commits

    def _run_group(
        self, group: list[_Unit], connection: PreparedConnection, driver: sqlite3.Connection
    ) -> None:
        driver.execute("BEGIN IMMEDIATE")
        try:
            for unit in group:
                self._run(unit, connection)
        except BaseException:
            if not driver.in_transaction:
                # SQLite rolled everything back, the neighbours' work too, as a full disk makes it.
                raise
            # Savepoints cost a fifth of a unit's time, and few units fail.
            driver.execute("ROLLBACK")
            self._chain = Chain()
            driver.execute("BEGIN IMMEDIATE")
            for unit in group:
                self._run_apart(unit, connection, driver)

    def _run(self, unit: _Unit, connection: PreparedConnection) -> None:
        transaction = SqlTransaction(connection, writing=True)
        unit.result = unit.fn(transaction)
        self._chain.add(connection, transaction.drafts, self._clock.now_us())

    def _run_apart(
        self, unit: _Unit, connection: PreparedConnection, driver: sqlite3.Connection
    ) -> None:
        driver.execute("SAVEPOINT unit")
        try:
            self._run(unit, connection)
        except BaseException as error:
            if not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO unit")
            unit.error = translate(error)
        driver.execute("RELEASE unit")

    def _connect(self) -> tuple[PreparedConnection, sqlite3.Connection]:
        fresh = self._connection is None
        connection = self._connection = self._connection or PreparedConnection(self._engine)
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        if fresh:
            # After a full disk: the log holds pages many times over, and is used anew once it has
            # been copied to the file. Where there is no room for that either, the write will tell.
            with contextlib.suppress(sqlite3.OperationalError):
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        return connection, driver

    def _disconnect(self) -> None:
        if self._connection is not None:
            discard(self._connection)
            self._connection = None
