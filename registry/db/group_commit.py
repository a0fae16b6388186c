"""The SQLite writer: one thread, and one COMMIT for all that waits.

A COMMIT waits for the disk, about a millisecond, in which other requests arrive; taken together
they pay for it once. A unit of work that fails leaves its neighbours alone: then the group is run
again, each unit in a savepoint. What fails the COMMIT itself fails the whole group.

A server's processes have a writer each, and commit in turns.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine

from registry.board import Board
from registry.db.events import Chain
from registry.db.failures import translate
from registry.db.grouping import GROUP_MAX, GroupWriter, Unit, claimed
from registry.db.pool import discard
from registry.db.prepared import PreparedConnection
from registry.db.sqlite import ServingLock
from registry.db.transaction import SqlTransaction
from registry.errors import DatabaseUnavailableError
from registry.ports.clock import Clock
from registry.ports.database import Transaction

T = TypeVar("T")
#: A unit of work waits so long for another process to end its turn.
TURN_WAIT_S = 10.0


class GroupCommitWriter(GroupWriter):
    def __init__(self, engine: Engine, clock: Clock, lock: ServingLock, board: Board) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = lock
        self._board = board
        self._connection: PreparedConnection | None = None
        self._chain = Chain()
        #: The moment after our own latest commit.
        self._left = -1
        #: Since when the turn is waited for; None while it is not.
        self._asked_s: float | None = None
        super().__init__(name="sqlite-writer")

    @property
    def moment(self) -> int | None:
        """See Database.moment: nobody but this server commits to a file that it serves."""
        moment = self._board.moment
        return None if moment % 2 else moment

    def write(self, fn: Callable[[Transaction], T], namespace: str) -> T:
        unit = self.submit(fn)
        while not unit.wait(TURN_WAIT_S):
            if self._is_kept_waiting() and unit.claim():
                raise DatabaseUnavailableError(
                    cause=f"for {TURN_WAIT_S:g} s another process of this server has kept others "
                    "from writing",
                    fix="if that one is stopped, let it go on, or end it; then retry.",
                )
        if unit.error is not None:
            raise unit.error
        result: T = unit.result
        return result

    def _is_kept_waiting(self) -> bool:
        """Whether it is the turn, not a long unit of our own, that is waited for."""
        since_s = self._asked_s
        return since_s is not None and time.monotonic() - since_s >= TURN_WAIT_S / 2

    def commit(self, waiting: list[Unit]) -> None:
        self._asked_s = time.monotonic()
        try:
            self._lock.take_turn()
        except OSError as error:
            _tell(claimed(waiting), error)
            return
        finally:
            self._asked_s = None
        try:
            # Who came while we waited for the turn is of this group too.
            group = claimed(waiting) + self.more(GROUP_MAX - len(waiting))
            outcome = self._run_and_commit(group) if group else None
        finally:
            self._lock.end_turn()
        _tell(group, outcome)

    def _run_and_commit(self, group: list[Unit]) -> BaseException | None:
        """What all are to be told, whatever it is; None where all was stored."""
        if self._board.moment != self._left:
            # Another process was here, so the heads that we know are not the last ones.
            self._chain = Chain()
        try:
            connection, driver = self._connect()
            self._run_group(group, connection, driver)
            self._chain.store(connection)
            self._board.moment |= 1
            driver.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - it is handed to those who wait
            # What a connection is good for after a failed COMMIT depends on the failure; a fresh
            # one is good, and closing this one rolls back. The heads that we know were not stored.
            self.disconnect()
            self._chain = Chain()
            return error
        finally:
            # Before anybody hears of it: whoever does must not see what was before.
            self._left = self._board.moment = (self._board.moment | 1) + 1
        return None

    def _run_group(
        self, group: list[Unit], connection: PreparedConnection, driver: sqlite3.Connection
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

    def _run(self, unit: Unit, connection: PreparedConnection) -> None:
        transaction = SqlTransaction(connection, writing=True)
        unit.result = unit.fn(transaction)
        self._chain.add(connection, transaction.drafts, self._clock.now_us())

    def _run_apart(
        self, unit: Unit, connection: PreparedConnection, driver: sqlite3.Connection
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

    def disconnect(self) -> None:
        if self._connection is not None:
            discard(self._connection)
            self._connection = None


def _tell(group: list[Unit], error: BaseException | None) -> None:
    for unit in group:
        if error is None:
            unit.end()
        else:
            unit.fail(error)
