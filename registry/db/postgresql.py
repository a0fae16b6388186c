"""PostgreSQL: how it is connected to, and the writer, one transaction a unit of work."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from registry.db.events import Chain
from registry.db.failures import TRANSLATED, is_retriable, outcome_unknown
from registry.db.pool import ConnectionPool, abandon
from registry.db.transaction import SqlTransaction
from registry.db.wire import Wire
from registry.ports.clock import Clock
from registry.ports.database import Transaction

T = TypeVar("T")

#: Deadlocks and races are tried again so often, with a pause that doubles.
ATTEMPTS_MAX = 6
_PAUSE_S = 0.005

_SESSION = {
    # Reads cannot write by mistake; a unit of work says READ WRITE.
    "default_transaction_read_only": "on",
    # Nobody waits for ever for somebody who hangs.
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "application_name": "hallmark",
}
_KEEPALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


def engine(url: URL) -> Engine:
    """Connections in autocommit, each statement its own transaction unless we say BEGIN."""
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"options": options, **_KEEPALIVE},
    )


class PostgresWriter:
    """Runs each unit of work in its own transaction, again where another one got in its way."""

    #: Other servers write as well.
    moment = None

    def __init__(self, pool: ConnectionPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    def write(self, fn: Callable[[Transaction], T]) -> T:
        with TRANSLATED:
            for attempt in range(ATTEMPTS_MAX - 1):
                try:
                    return self._try(fn)
                except _TryAgainError:
                    # Whoever got in the way is to be through before we come again.
                    time.sleep(random.uniform(0, _PAUSE_S * 2**attempt))
            try:
                return self._try(fn)
            except _TryAgainError as last:
                raise last.cause from None

    def close(self) -> None:
        """Nothing of its own: the pool is closed by whoever made it."""

    def _try(self, fn: Callable[[Transaction], T]) -> T:
        connection = self._pool.take()
        driver = connection.driver
        committing = False
        try:
            assert isinstance(driver, Wire)
            driver.begin(_BEGIN)
            transaction = SqlTransaction(connection, writing=True)
            result = fn(transaction)
            chain = Chain()
            if transaction.drafts:
                chain.add(connection, transaction.drafts, self._clock.now_us())
            chain.store(connection)
            driver.prove()
            committing = True
            driver.commit()
        except BaseException as error:
            if not abandon(driver, begun=True):
                self._pool.give(connection)
                if is_retriable(error):
                    raise _TryAgainError(error) from error
                raise
            self._pool.drop_all(connection)
            if committing:
                raise outcome_unknown(error) from error
            # A connection that lay idle while the server was restarted is found out here.
            raise _TryAgainError(error) from error
        self._pool.give(connection)
        return result


class _TryAgainError(Exception):
    """A try failed in a way that another one may not."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause
