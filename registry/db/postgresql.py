"""PostgreSQL: how it is connected to, and the writer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from registry.db.events import Chain
from registry.db.failures import TRANSLATED, is_in_the_way, is_retriable, outcome_unknown
from registry.db.grouping import GROUP_MAX, GroupWriter, Unit, claimed
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
    # To compile a statement takes a hundred times as long as to run it, and PostgreSQL would do so
    # where it takes a table for larger than it is.
    "jit": "off",
    # A session keeps the plan of a statement that comes again. One made when a table was small, as
    # all are in the beginning, would read the whole of it for ever. Where there is no index for a
    # question, tables are still read whole.
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
    "enable_hashjoin": "off",
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
#: Groups at the same time: while the server works for one of them, another is made ready.
LANES = 2
#: With a lane's number this makes up the lock of that lane.
_LANE_CLASS = 0x6C616E65
#: A group waits so long for the groups of other servers that are before it in its lane, ...
_TURN_MS = 250
#: ... and so long for a row.
_ROW_MS = 50
#: A caller waits so long for a group before its own.
_PATIENCE_S = 0.25
#: After a group met a lock, callers go alone for so long.
_APART_S = 1.0


def engine(url: URL) -> Engine:
    """Connections in autocommit, each statement its own transaction unless we say BEGIN."""
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        # An error that nobody foresaw goes to the log, with what is stored it does not.
        hide_parameters=True,
        connect_args={"options": options, **_KEEPALIVE},
    )


class PostgresWriter:
    """Runs what waits together, and each unit in a transaction of its own where that fails.

    Together, units of one server do not wait for each other's row locks, and pay for one COMMIT;
    those that name different namespaces lock different rows, and go in different lanes. In a lane
    there is one group at a time: those of several servers take turns, in the order in which they
    asked. A group asks before it holds anything, so groups that lock the same rows in different
    orders never wait in a circle.

    Whatever gets in a group's way, a unit that fails or a row that a unit by itself holds, undoes
    it; then its callers run their units themselves, again where another transaction was quicker.
    So does a caller whom the group before keeps waiting. A group waits for rows so briefly that
    one that does meet its like, through units that name no namespace, soon lets go; and for a while
    after that there are none.
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

    def _run_together(self, lane: _Lane, group: list[Unit]) -> None:
        try:
            results = self._try(lane.joined(group), lane.begin())
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

    def _try(self, fns: Iterable[Callable[[Transaction], T]], begin: str) -> list[T]:
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
    def __init__(self, number: int, run: Callable[[_Lane, list[Unit]], None]) -> None:
        self._number = number
        self._run = run
        super().__init__(name=f"postgresql-writer-{number}")

    def begin(self) -> str:
        """Begins a transaction once it is its turn in this lane, until it ends."""
        return (
            f"{_BEGIN}; SET LOCAL lock_timeout = {_TURN_MS}; "
            f"SELECT pg_advisory_xact_lock({_LANE_CLASS}, {self._number}); "
            f"SET LOCAL lock_timeout = {_ROW_MS}"
        )

    def joined(self, group: list[Unit]) -> Iterator[Callable[[Transaction], Any]]:
        """What a group runs. Units that came while its first one waited for the turn join it: so
        the longer the queue of servers, the larger their groups."""
        yield group[0].fn
        group += self.more(GROUP_MAX - len(group))
        for unit in group[1:]:
            yield unit.fn

    def commit(self, waiting: list[Unit]) -> None:
        if group := claimed(waiting):
            self._run(self, group)

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
