"""PostgreSQL: how it is connected to, and the writer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from registry.db.events import Chain
from registry.db.failures import TRANSLATED, is_in_the_way, is_retriable, outcome_unknown
from registry.db.grouping import GroupWriter, Unit
from registry.db.pool import ConnectionPool, abandon
from registry.db.transaction import SqlTransaction
from registry.db.wire import Wire
from registry.domain.events import EventDraft, shard_of
from registry.errors import HallmarkError
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
_BEGIN_GROUP = f"{_BEGIN}; SET LOCAL lock_timeout = '50ms'"
#: Groups at the same time: while the server works for one of them, another is made ready.
LANES = 2
#: A caller waits so long for a group before its own.
_PATIENCE_S = 0.05
#: After a group met a lock, callers go alone for so long.
_APART_S = 1.0


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
    """Runs what waits together, and each unit in a transaction of its own where that fails.

    Together, units of one server do not wait for each other's row locks, and pay for one COMMIT;
    those that name different namespaces lock different rows, and go in different lanes. Whatever
    gets in a group's way, a unit that fails or a lock of another server, undoes it; then its
    callers run their units themselves, again where another transaction was quicker. So does a
    caller whom the group before keeps waiting. A group waits for locks so briefly that two servers
    whose groups hold what the other wants soon let go; and for a while after that there are none.
    """

    #: Other servers write as well.
    moment = None

    def __init__(self, pool: ConnectionPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._apart_until_s = 0.0
        self._lanes = [_Lane(number, self._run_together) for number in range(LANES)]

    def write(self, fn: Callable[[Transaction], T], namespace: str) -> T:
        if time.monotonic() < self._apart_until_s:
            return self._alone(fn)
        unit = self.lane(namespace).submit(fn)
        if not unit.wait(_PATIENCE_S):
            if unit.claim():
                return self._alone(fn)
            unit.wait()
        if isinstance(unit.error, _ApartError):
            return self._alone(fn)
        if unit.error is not None:
            raise unit.error
        result: T = unit.result
        return result

    def close(self) -> None:
        """Commit what waits. The pool is closed by whoever made it."""
        for lane in self._lanes:
            lane.close()

    def lane(self, namespace: str) -> GroupWriter:
        # By the shard of its events: their heads are locked too.
        return self._lanes[shard_of(namespace) % LANES]

    def _run_together(self, group: list[Unit]) -> None:
        try:
            results = self._try([unit.fn for unit in group], _BEGIN_GROUP)
        except _UnknownError as unknown:
            for unit in group:
                unit.fail(outcome_unknown(unknown.cause))
        except BaseException as error:  # noqa: BLE001 - whatever it is, its callers get it
            cause = error.cause if isinstance(error, _TryAgainError) else error
            if is_in_the_way(cause):
                self._apart_until_s = time.monotonic() + _APART_S
            its_own = len(group) == 1 and isinstance(error, HallmarkError)
            for unit in group:
                unit.fail(cause if its_own else _ApartError())
        else:
            for unit, result in zip(group, results, strict=True):
                unit.result = result
                unit.end()

    def _alone(self, fn: Callable[[Transaction], T]) -> T:
        with TRANSLATED:
            try:
                for attempt in range(ATTEMPTS_MAX - 1):
                    try:
                        return self._try([fn], _BEGIN)[0]
                    except _TryAgainError:
                        # Whoever got in the way is to be through before we come again.
                        time.sleep(random.uniform(0, _PAUSE_S * 2**attempt))
                return self._try([fn], _BEGIN)[0]
            except _TryAgainError as last:
                raise last.cause from None
            except _UnknownError as unknown:
                raise outcome_unknown(unknown.cause) from unknown.cause

    def _try(self, fns: Sequence[Callable[[Transaction], T]], begin: str) -> list[T]:
        connection = self._pool.take()
        driver = connection.driver
        committing = False
        try:
            assert isinstance(driver, Wire)
            driver.begin(begin)
            results = []
            drafts: list[EventDraft] = []
            for fn in fns:
                transaction = SqlTransaction(connection, writing=True)
                results.append(fn(transaction))
                drafts += transaction.drafts
            chain = Chain()
            if drafts:
                chain.add(connection, drafts, self._clock.now_us())
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
                raise _UnknownError(error) from error
            # A connection that lay idle while the server was restarted is found out here.
            raise _TryAgainError(error) from error
        self._pool.give(connection)
        return results


class _Lane(GroupWriter):
    def __init__(self, number: int, run: Callable[[list[Unit]], None]) -> None:
        self._run = run
        super().__init__(name=f"postgresql-writer-{number}")

    def commit(self, group: list[Unit]) -> None:
        self._run(group)

    def disconnect(self) -> None:
        """Connections go back to the pool after each group."""


class _TryAgainError(Exception):
    """A try failed in a way that another one may not."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


class _UnknownError(Exception):
    """The connection was lost while a COMMIT was on its way."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


class _ApartError(Exception):
    """Nothing of a group was stored; its units are to be run one by one."""
