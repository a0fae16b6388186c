"""The Database port on SQL: reads on pooled connections, writes through a writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from registry.db.failures import TRANSLATED
from registry.db.pool import ConnectionPool, abandon
from registry.db.transaction import SqlTransaction
from registry.errors import HallmarkError, StorageError
from registry.ports.database import Transaction

T = TypeVar("T")


class Writer(Protocol):
    @property
    def moment(self) -> int | None: ...

    def write(self, fn: Callable[[Transaction], T], namespace: str) -> T: ...

    def close(self) -> None: ...


class Lock(Protocol):
    """Keeps other servers away."""

    @property
    def file(self) -> int: ...

    def release(self) -> None: ...


class NoWriter:
    """For those who only look: they may do so beside the process that serves the database."""

    moment = None

    def write(self, fn: Callable[[Transaction], T], namespace: str) -> T:
        raise StorageError(
            what="A change",
            store="database",
            cause="it was opened for reading only",
            fix="Let the server that serves it make the change.",
        )

    def close(self) -> None:
        """Nothing to close."""


class SqlDatabase:
    def __init__(
        self,
        *,
        kind: str,
        schema_revision: str,
        pool: ConnectionPool,
        writer: Writer,
        begin_snapshot: str,
        lock: Lock | None = None,
    ) -> None:
        """`lock` is released last when the database is closed."""
        self._kind = kind
        self._schema_revision = schema_revision
        self._pool = pool
        self._writer = writer
        self._begin_snapshot = begin_snapshot
        self._lock = lock

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def schema_revision(self) -> str:
        return self._schema_revision

    @property
    def moment(self) -> int | None:
        return self._writer.moment

    @property
    def lock_file(self) -> int | None:
        """What further processes of this server need to write as well, until it is closed; None
        where they need nothing."""
        return None if self._lock is None else self._lock.file

    def read(self, fn: Callable[[Transaction], T]) -> T:
        return self._look(fn, begin=None)

    def snapshot(self, fn: Callable[[Transaction], T]) -> T:
        return self._look(fn, begin=self._begin_snapshot)

    def write(self, fn: Callable[[Transaction], T], *, namespace: str = "") -> T:
        return self._writer.write(fn, namespace)

    def close(self) -> None:
        """Finish the writes that wait, then close all connections. Repeats safely."""
        self._writer.close()
        self._pool.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _look(self, fn: Callable[[Transaction], T], begin: str | None) -> T:
        with TRANSLATED:
            try:
                return self._try(fn, begin)
            except _LostError:
                # The server was restarted while the connection lay idle: a fresh one may do.
                pass
            try:
                return self._try(fn, begin)
            except _LostError as lost:
                raise lost.cause from None

    def _try(self, fn: Callable[[Transaction], T], begin: str | None) -> T:
        connection = self._pool.take()
        driver = connection.driver
        try:
            if begin is not None:
                driver.begin(begin)
            result = fn(SqlTransaction(connection, writing=False))
            if begin is not None:
                driver.commit()
        except BaseException as error:
            if abandon(driver, begun=begin is not None):
                self._pool.drop_all(connection)
                raise _LostError(error) from error
            if isinstance(error, HallmarkError):
                self._pool.give(connection)
            else:
                # It may have come amid rows, whose cursor then keeps SQLite at that moment.
                self._pool.drop(connection)
            raise
        self._pool.give(connection)
        return result


class _LostError(Exception):
    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause
