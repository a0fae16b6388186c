"""Opening a database: who may, and what is said to those who may not."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from registry.db.engine import open_database
from registry.db.schema import HEAD
from registry.domain.access import EVERYTHING
from registry.domain.events import shard_of
from registry.errors import (
    DatabaseUnavailableError,
    SchemaMismatchError,
    StartError,
    StorageError,
)
from registry.ports.database import Transaction
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains, draft
from registry.testing.db_driver import claim, claimed, connection_of, sql
from registry.testing.postgres import PostgresServer, free_port


def test_makes_a_file_for_its_owner_only(tmp_path: Path) -> None:
    """The file holds who may do what: nobody else on the machine reads it."""
    database = open_database(f"sqlite:///{tmp_path}/new.db", clock=FixedClock())
    assert database.kind == "sqlite"
    assert database.schema_revision == HEAD
    database.write(claim("a"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["new.db", "new.db-wal", "new.db-shm", "new.db.lock"], 0o600)
    database.close()


@pytest.mark.slow
def test_a_second_server_is_told_who_serves(tmp_path: Path) -> None:
    """One process serves a file; the next learns its number, whichever way it came."""
    (tmp_path / "link").symlink_to(tmp_path)
    first = open_database(f"sqlite:///{tmp_path}/h.db", clock=FixedClock())
    with pytest.raises(StartError, match=f"h.db cannot be served: process {os.getpid()} serves"):
        open_database(f"sqlite:///{tmp_path}/link/h.db", clock=FixedClock())
    assert first.write(claim("a")) == "a"
    first.close()
    second = open_database(f"sqlite:///{tmp_path}/h.db", clock=FixedClock())
    assert claimed(second) == ["a"]
    second.close()


def test_looking_needs_no_lock_and_cannot_write(url: str) -> None:
    """A check may read beside the server; a change through it is refused."""
    server = open_database(url, clock=FixedClock())
    looker = open_database(url, clock=FixedClock(), serving=False)
    server.write(claim("a"))
    assert claimed(looker) == ["a"]
    with pytest.raises(StorageError, match="opened for reading only"):
        looker.write(claim("b"))
    looker.close()
    assert server.write(claim("b")) == "b"
    server.close()


def test_reads_cannot_write(url: str) -> None:
    """A read or snapshot that changes something by mistake fails, on both databases."""
    database = open_database(url, clock=FixedClock())
    for look in (database.read, database.snapshot):
        with pytest.raises(StorageError):
            look(lambda tx: tx.requests.purge(0))
    assert database.write(lambda tx: tx.requests.purge(0)) == 0
    database.close()


def test_snapshot_sees_one_moment(url: str) -> None:
    """What is committed during a snapshot is seen by reads only."""
    database = open_database(url, clock=FixedClock())
    database.write(claim("a"))

    def look(tx: Transaction) -> list[int]:
        before = len(tx.namespaces.list(EVERYTHING, None, 10))
        database.write(claim("b"))
        return [before, len(tx.namespaces.list(EVERYTHING, None, 10))]

    assert database.snapshot(look) == [1, 1]
    assert claimed(database) == ["a", "b"]
    database.close()


def test_a_read_that_breaks_off_leaves_nothing_open(sqlite_url: str) -> None:
    """After a failure amid rows the next read sees what was committed since."""
    database = open_database(sqlite_url, clock=FixedClock(), connections_max=1)
    for id in ("a", "b"):
        database.write(claim(id))

    def break_off(tx: Transaction) -> None:
        rows = iter(connection_of(tx).exec_driver_sql("SELECT id FROM namespaces"))
        next(rows)
        raise RuntimeError(rows)

    with pytest.raises(RuntimeError) as held:
        database.read(break_off)
    database.write(claim("c"))
    assert claimed(database) == ["a", "b", "c"]
    assert held.value.args
    database.close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A file in a folder that is not there says which."""
    with pytest.raises(StartError, match=r"nowhere"):
        open_database(f"sqlite:///{tmp_path}/nowhere/h.db", clock=FixedClock())
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """A folder in the file's place says so, and the lock is free again."""
    (tmp_path / "h.db").mkdir()
    for _ in range(2):
        with pytest.raises(StorageError, match="unable to open database file"):
            open_database(f"sqlite:///{tmp_path}/h.db", clock=FixedClock())


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """To look at a file that is not there is an error, and leaves none."""
    with pytest.raises(DatabaseUnavailableError, match=r"there is no file .*h\.db"):
        open_database(f"sqlite:///{tmp_path}/h.db", clock=FixedClock(), serving=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """What is no database, or another program's, is left as it is."""
    (tmp_path / "text.db").write_text("no database " * 1000)
    with pytest.raises(StorageError, match="not a database"):
        open_database(f"sqlite:///{tmp_path}/text.db", clock=FixedClock())
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE songs (title)")
    other.commit()
    other.close()
    with pytest.raises(SchemaMismatchError, match="songs"):
        open_database(f"sqlite:///{tmp_path}/other.db", clock=FixedClock())


@pytest.mark.parametrize(
    "address",
    [
        "mysql://a:secret@b/c",
        "sqlite://",
        "sqlite:///:memory:",
        "/var/h.db",
        "",
        # A password that is not escaped, the end of which is taken for a host or a port.
        "postgresql+psycopg://a:p@secret@127.0.0.1/c",
        "postgresql+psycopg://a:p:secret@127.0.0.1:port/c",
    ],
)
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    """Only what works is taken, and no password is repeated."""
    with pytest.raises(StartError, match="Write it like sqlite:///") as refused:
        open_database(address, clock=FixedClock())
    assert "secret" not in str(refused.value)


@pytest.mark.slow
def test_no_server_is_told(postgres: PostgresServer) -> None:
    """Nobody listening, and a database that is not there, are told without a password."""
    for address in (
        f"postgresql://ann:secret@127.0.0.1:{free_port()}/hallmark",
        postgres.dsn.replace("/postgres", "/nowhere").replace("+psycopg", ""),
    ):
        with pytest.raises(DatabaseUnavailableError) as told:
            open_database(address, clock=FixedClock())
        assert "secret" not in str(told.value)


def test_connections_are_bounded(url: str) -> None:
    """Who finds all connections in use waits, and is told in the end."""
    database = open_database(url, clock=FixedClock(), connections_max=2, wait_s=0.05)

    def nested(tx: Transaction) -> list[str]:
        return database.read(lambda tx: claimed(database))

    with pytest.raises(DatabaseUnavailableError, match="all 2 connections"):
        database.read(nested)
    assert database.read(lambda tx: claimed(database)) == []
    database.close()


def test_time_never_goes_back_within_a_shard(url: str) -> None:
    """A server whose clock is behind continues the chain at the time of the event before."""
    for offset, id in ((5, "a"), (-5, "b"), (7, "c")):
        database = open_database(url, clock=FixedClock(1_000 + offset))
        claimed_in = draft(f"namespaces/{id}", namespace="fraud")
        database.write(lambda tx, event=claimed_in: tx.events.append(event))  # type: ignore[misc]
        database.close()
    database = open_database(url, clock=FixedClock())
    events = database.read(lambda tx: tx.events.shard(shard_of("fraud"), 0, 10))
    assert [event.time_us for event in events] == [1_005, 1_005, 1_007]
    assert check_chains(database) == 3
    database.close()


UPSERT = """INSERT INTO events SELECT * FROM events WHERE true
ON CONFLICT (shard, number) DO UPDATE SET actor = 'nobody'"""


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET actor = 'nobody'", "DELETE FROM events", UPSERT]
)
def test_events_are_guarded(url: str, statement: str) -> None:
    """A statement that changes or deletes events by mistake fails."""
    database = open_database(url, clock=FixedClock())
    database.write(claim("a"))
    with pytest.raises(Exception, match="never changed or deleted"):
        database.write(lambda tx: sql(tx, statement))
    database.close()


def test_events_are_guarded_against_replacement(sqlite_url: str) -> None:
    """SQLite's INSERT OR REPLACE deletes, which counts as such."""
    database = open_database(sqlite_url, clock=FixedClock())
    database.write(claim("a"))
    with pytest.raises(Exception, match="never changed or deleted"):
        database.write(lambda tx: sql(tx, "INSERT OR REPLACE INTO events SELECT * FROM events"))
    database.close()


def test_an_address_with_an_unknown_option_is_refused() -> None:
    """The driver's own words for it name the option, and not its value."""
    address = "postgresql+psycopg://a@127.0.0.1:1/b?passwort=secret"
    with pytest.raises(StartError, match='"passwort"') as refused:
        open_database(address, clock=FixedClock())
    assert "secret" not in str(refused.value)
