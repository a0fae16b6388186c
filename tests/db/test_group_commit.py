"""The SQLite writer: what shares a COMMIT, and what a failure costs whom."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import make_url

from registry.db import group_commit, sqlite
from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.group_commit import GroupCommitWriter
from registry.errors import (
    ConflictError,
    DatabaseUnavailableError,
    InvalidStateError,
    StorageError,
    StorageFullError,
)
from registry.ports.database import Transaction
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains, draft
from registry.testing.contracts.database.samples import namespace
from registry.testing.db_driver import Call, claim, claimed, connection_of, sql

T = TypeVar("T")


@pytest.fixture
def database(sqlite_url: str) -> Iterator[SqlDatabase]:
    opened = open_database(sqlite_url, clock=FixedClock())
    yield opened
    opened.close()


def refuse(tx: Transaction) -> None:
    tx.namespaces.insert(namespace("refused"))
    tx.events.append(draft(namespace="refused"))
    raise InvalidStateError(name="n", action="a", found="f", allowed="g", fix="h")


def break_commit(tx: Transaction) -> None:
    """Leaves a row that refers to nothing, which SQLite is told to find at COMMIT only."""
    sql(tx, "PRAGMA defer_foreign_keys = ON")
    sql(tx, "INSERT INTO likes (model_key, principal, time_us) VALUES (4711, 'ann', 0)")


def together(database: SqlDatabase, *fns: Callable[[Transaction], object]) -> list[object]:
    """Run units of work as one group, in this order; what each returned or raised."""
    writer = database._writer
    assert isinstance(writer, GroupCommitWriter)
    started, go_on = threading.Event(), threading.Event()

    def block(_tx: Transaction) -> None:
        started.set()
        assert go_on.wait(60)

    blocker = Call(lambda: database.write(block))
    assert started.wait(60)
    calls = []
    for number, fn in enumerate(fns, start=1):
        calls.append(Call(lambda fn=fn: database.write(fn)))  # type: ignore[misc]
        while writer._units.qsize() < number:
            time.sleep(0.001)
    go_on.set()
    assert blocker.outcome is None
    return [call.outcome for call in calls]


def test_settings_that_promises_hang_on(database: SqlDatabase) -> None:
    """Acknowledged means flushed; references hold; replaced rows count as deleted."""

    def settings(tx: Transaction) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        run = connection_of(tx).exec_driver_sql
        return {name: run(f"PRAGMA {name}").scalar() for name in names}

    full = 2
    assert database.write(settings) == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "recursive_triggers": 1,
    }


def test_one_that_fails_leaves_its_neighbours_alone(database: SqlDatabase) -> None:
    """In one group the good are stored and the bad are not, each with its own outcome."""
    first, failed, last = together(database, claim("first"), refuse, claim("last"))
    assert (first, last) == ("first", "last")
    assert isinstance(failed, InvalidStateError)
    assert claimed(database) == ["first", "last"]
    assert check_chains(database) == 2


def test_neighbours_see_each_other(database: SqlDatabase) -> None:
    """Units of work of one group run one after the other, each on what those before left."""
    outcomes = together(database, claim("a"), lambda tx: tx.namespaces.insert(namespace("a")))
    assert outcomes == ["a", None]


def test_a_failed_commit_fails_its_whole_group(database: SqlDatabase) -> None:
    """Nobody is told of success when COMMIT fails, nothing of the group is stored, and the next
    group goes on where the last good one ended."""
    assert database.write(claim("before")) == "before"
    outcomes = together(database, claim("one"), break_commit, refuse, claim("two"))
    assert [type(outcome) for outcome in outcomes] == [
        ConflictError,
        ConflictError,
        InvalidStateError,
        ConflictError,
    ]
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert claimed(database) == ["before"]
    assert database.write(claim("after")) == "after"
    assert claimed(database) == ["after", "before"]
    assert check_chains(database) == 2


def test_a_rolled_back_transaction_fails_its_whole_group(database: SqlDatabase) -> None:
    """Where SQLite itself gives up the transaction, the neighbours learn that theirs is gone."""

    def roll_back(tx: Transaction) -> None:
        sql(tx, "ROLLBACK")
        raise RuntimeError("as after a full disk")

    outcomes = together(database, claim("one"), roll_back, claim("two"))
    assert [type(outcome) for outcome in outcomes] == [RuntimeError] * 3
    assert claimed(database) == []
    assert database.write(claim("after")) == "after"


def test_a_full_disk_is_told_and_costs_nothing_stored(database: SqlDatabase) -> None:
    """StorageFullError while there is no room; what was acknowledged stays, and once there is
    room again writing goes on."""
    stored: list[str] = []

    def grow(tx: Transaction) -> str:
        pages = connection_of(tx).exec_driver_sql("PRAGMA page_count").scalar()
        sql(tx, f"PRAGMA max_page_count = {pages}")
        id = f"n{len(stored)}"
        tx.namespaces.insert(namespace(id, description="x" * 3000))
        return id

    def fill() -> None:
        while len(stored) < 100:
            stored.append(database.write(grow))

    with pytest.raises(StorageFullError, match="no room"):
        fill()
    assert claimed(database) == sorted(stored)
    assert database.write(claim("after")) == "after"
    assert claimed(database) == sorted([*stored, "after"])


def test_a_locked_file_is_told(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the file writes fail, reads go on; then both are well."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 20)
    database = open_database(sqlite_url, clock=FixedClock())
    other = sqlite3.connect(tmp_path / "hallmark.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailableError, match="another process"):
        database.write(claim("a"))
    assert claimed(database) == []
    other.execute("COMMIT")
    other.close()
    assert database.write(claim("a")) == "a"
    database.close()


def test_a_read_only_file_is_told(database: SqlDatabase) -> None:
    """A database that cannot be written is StorageError, saying so."""

    def fn(tx: Transaction) -> None:
        sql(tx, "PRAGMA query_only = ON")
        tx.namespaces.insert(namespace())

    with pytest.raises(StorageError, match="readonly"):
        database.write(fn)


def test_a_write_cannot_wait_for_another(database: SqlDatabase) -> None:
    """A unit of work that starts another one is an error, not a deadlock."""
    with pytest.raises(RuntimeError, match="unit of work"):
        database.write(lambda _tx: database.write(claim("inner")))
    assert database.write(claim("after")) == "after"


def test_close_commits_what_waits(database: SqlDatabase) -> None:
    """Who was let in before the end gets its result; who comes later is told."""
    started, go_on = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> str:
        started.set()
        assert go_on.wait(60)
        return claim("slow")(tx)

    first = Call(lambda: database.write(slow))
    assert started.wait(60)
    second = Call(lambda: database.write(claim("second")))
    writer = database._writer
    assert isinstance(writer, GroupCommitWriter)
    while not writer._units.qsize():
        time.sleep(0.001)
    closing = Call(database.close)
    while not writer._closed:
        time.sleep(0.001)
    with pytest.raises(DatabaseUnavailableError, match="stopping"):
        database.write(claim("late"))
    go_on.set()
    assert (first.outcome, second.outcome, closing.outcome) == ("slow", "second", None)
    with pytest.raises(DatabaseUnavailableError, match="stopping"):
        database.read(lambda tx: tx.namespaces.get("slow"))
    database.close()


@pytest.mark.slow
def test_a_process_that_keeps_the_turn(
    database: SqlDatabase, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long is told, and nothing of it is stored, also when the turn comes."""
    monkeypatch.setattr(group_commit, "TURN_WAIT_S", 0.2)
    lock = f"{make_url(sqlite_url).database}.lock"
    keep = "import fcntl; f = open({!r}, 'a'); fcntl.lockf(f, fcntl.LOCK_EX); input('held\\n')"
    with subprocess.Popen(
        [sys.executable, "-uc", keep.format(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for id in ("first", "second"):
            with pytest.raises(DatabaseUnavailableError, match="another process of this server"):
                database.write(claim(id))
        other.kill()
    assert database.write(claim("third")) == "third"
    assert claimed(database) == ["third"]


def test_a_long_unit_of_ones_own_is_waited_for(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a unit of this process takes, who comes after it gets its turn."""
    monkeypatch.setattr(group_commit, "TURN_WAIT_S", 0.01)
    started, go_on = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> str:
        started.set()
        assert go_on.wait(60)
        return claim("slow")(tx)

    first = Call(lambda: database.write(slow))
    assert started.wait(60)
    second = Call(lambda: database.write(claim("second")))
    time.sleep(0.1)
    go_on.set()
    assert (first.outcome, second.outcome) == ("slow", "second")


@pytest.mark.slow
def test_many_writers_share_commits(database: SqlDatabase) -> None:
    """Everything that many threads write is stored once, in fewer commits than writes."""
    calls = [
        Call(lambda n=n: [database.write(claim(f"n{n}-{i}")) for i in range(20)])  # type: ignore[misc]
        for n in range(8)
    ]
    written = sorted(id for call in calls for id in call.outcome)
    assert claimed(database) == written
    assert len(written) == 160
    assert check_chains(database) == 160


@pytest.mark.slow
def test_group_is_bounded(database: SqlDatabase) -> None:
    """More than fit into one group are stored all the same."""
    outcomes = together(database, *(claim(f"n{number:03}") for number in range(150)))
    assert outcomes == [f"n{number:03}" for number in range(150)]
    assert claimed(database) == outcomes
