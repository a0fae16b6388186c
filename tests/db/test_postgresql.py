"""PostgreSQL at its worst: races, deadlocks, a server that goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.postgresql import ATTEMPTS_MAX
from registry.domain.access import EVERYTHING
from registry.errors import (
    ConflictError,
    DatabaseUnavailableError,
    OutcomeUnknownError,
    StorageError,
)
from registry.ports.database import Transaction
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains
from registry.testing.contracts.database.samples import model, namespace, stored_model
from registry.testing.db_driver import Call, claim, claimed, connection_of, sql
from registry.testing.postgres import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture
def database(postgres_url: str) -> Iterator[SqlDatabase]:
    opened = open_database(postgres_url, clock=FixedClock())
    yield opened
    opened.close()


def terminate_all(postgres: PostgresServer) -> None:
    """Cut every connection but ours, as a restart of the server does."""
    dsn = postgres.dsn.replace("+psycopg", "")
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_idle_connections_that_were_cut_are_replaced(
    database: SqlDatabase, postgres: PostgresServer
) -> None:
    """After the server came back nobody notices: reads, snapshots and writes just work."""
    gate = threading.Barrier(4)
    warm = [Call(lambda: database.read(lambda _tx: gate.wait(60))) for _ in range(4)]
    assert sorted(call.outcome for call in warm) == [0, 1, 2, 3]
    terminate_all(postgres)
    assert claimed(database) == []
    terminate_all(postgres)
    assert database.write(claim("a")) == "a"
    terminate_all(postgres)
    assert len(database.snapshot(lambda tx: tx.namespaces.list(EVERYTHING, None, 9))) == 1


def test_a_write_cut_in_the_middle_runs_again(
    database: SqlDatabase, postgres: PostgresServer
) -> None:
    """Before COMMIT nothing is stored, so the unit of work is simply run once more."""
    runs: list[int] = []

    def fn(tx: Transaction) -> str:
        runs.append(1)
        claim("a")(tx)
        if len(runs) == 1:
            terminate_all(postgres)
        return claim("b")(tx)

    assert database.write(fn) == "b"
    assert len(runs) == 2
    assert claimed(database) == ["a", "b"]
    assert check_chains(database) == 2


def test_a_commit_without_an_answer_is_told_as_such(database: SqlDatabase) -> None:
    """Cut during COMMIT, nobody knows; the error neither claims success nor that nothing changed,
    and the unit of work is not run again."""
    runs: list[int] = []
    database.write(
        lambda tx: sql(
            tx,
            """
            CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER cut_at_commit AFTER INSERT ON namespaces
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cut()
            """,
        )
    )

    def fn(tx: Transaction) -> str:
        runs.append(1)
        return claim("a")(tx)

    try:
        with pytest.raises(OutcomeUnknownError, match="may or may not"):
            database.write(fn)
    finally:
        database.write(lambda tx: sql(tx, "DROP FUNCTION cut CASCADE"))
    assert len(runs) == 1
    assert database.write(claim("a")) == "a"


def test_a_deadlock_is_run_again(database: SqlDatabase) -> None:
    """Two that wait for each other both get their way, one after the other."""
    for id in ("a", "b"):
        database.write(claim(id))
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    def write(first: str, second: str) -> Callable[[Transaction], str]:
        def fn(tx: Transaction) -> str:
            runs.append(first)
            sql(tx, f"UPDATE namespaces SET owner = '{first}' WHERE id = '{first}'")
            if len(runs) <= 2:
                both_hold_one.wait(60)
            sql(tx, f"UPDATE namespaces SET owner = '{first}' WHERE id = '{second}'")
            return first

        return fn

    first = Call(lambda: database.write(write("a", "b")))
    while not runs:
        time.sleep(0.001)
    second = Call(lambda: database.write(write("b", "a")))
    assert (first.outcome, second.outcome) == ("a", "b")
    # More than once more where the one that gave up is back before the other has woken.
    assert len(runs) >= 3


def test_whoever_never_gets_through_is_told(database: SqlDatabase) -> None:
    """A conflict that each try runs into ends as ConflictError, not in a loop."""
    runs: list[int] = []

    def fn(tx: Transaction) -> None:
        runs.append(1)
        sql(tx, "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    with pytest.raises(ConflictError):
        database.write(fn)
    # With whoever else waits, then by itself.
    assert len(runs) == 1 + ATTEMPTS_MAX


def test_a_lock_is_not_waited_for_for_ever(database: SqlDatabase) -> None:
    """Who waits too long for somebody who hangs is told to retry."""

    def fn(tx: Transaction) -> None:
        sql(tx, "SET LOCAL lock_timeout = '20ms'")
        sql(tx, "LOCK TABLE namespaces IN EXCLUSIVE MODE")

    held, go_on = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        sql(tx, "LOCK TABLE namespaces IN EXCLUSIVE MODE")
        held.set()
        assert go_on.wait(60)

    holder = Call(lambda: database.write(hold))
    assert held.wait(60)
    with pytest.raises(DatabaseUnavailableError, match="lock timeout"):
        database.write(fn)
    go_on.set()
    assert holder.outcome is None


def test_no_statement_is_compiled(database: SqlDatabase) -> None:
    """However large PostgreSQL takes a table for: reads and writes run as they are."""
    assert database.read(compiling) == database.write(compiling) == "off"


def compiling(tx: Transaction) -> str:
    return str(connection_of(tx).exec_driver_sql("SHOW jit").scalar_one())


@pytest.mark.parametrize(
    "keys",
    ["1", "SELECT CAST(value AS BIGINT) FROM json_array_elements_text('[1, 2]')"],
    ids=["one", "several"],
)
def test_a_small_table_is_asked_by_its_index(database: SqlDatabase, keys: str) -> None:
    """Also where PostgreSQL knows that it is small: the plan is kept when it has grown."""

    def plan(tx: Transaction) -> str:
        sql(tx, "ANALYZE models")
        rows = connection_of(tx).exec_driver_sql(
            f"EXPLAIN SELECT * FROM models WHERE key IN ({keys})"
        )
        return "\n".join(row[0] for row in rows)

    steps = database.write(plan)
    assert "Index Scan using pk_models" in steps, steps
    assert "Seq Scan" not in steps, steps
    assert "Merge" not in steps, steps
    assert "Hash Join" not in steps, steps


def test_a_new_version_changes_no_index_of_its_model(database: SqlDatabase) -> None:
    """PostgreSQL writes the row in its page: it does so where no column of an index changed."""
    made = stored_model(database, "fraud/scorer")

    def fn(tx: Transaction) -> tuple[int, int]:
        tx.models.take_number(made, made.update_time_us + 1)
        counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
        row = connection_of(tx).exec_driver_sql(f"{counts} WHERE relname = 'models'").one()
        return row[0], row[1]

    assert database.write(fn) == (1, 1)


def test_a_server_that_only_reads_is_told(database: SqlDatabase) -> None:
    """On a standby a write is StorageError, saying so."""

    def fn(tx: Transaction) -> None:
        sql(tx, "SET TRANSACTION READ ONLY")
        tx.namespaces.insert(namespace())

    with pytest.raises(StorageError, match="read-only transaction"):
        database.write(fn)


def test_a_namespace_that_is_being_filled_is_not_deleted(database: SqlDatabase) -> None:
    """Whoever puts a model into a namespace that he saw keeps it from being deleted meanwhile."""
    database.write(claim("fraud"))
    seen, deleting = threading.Event(), threading.Event()
    holding: list[bool] = []

    def fill(tx: Transaction) -> None:
        assert tx.namespaces.get("fraud") is not None
        seen.set()
        assert deleting.wait(60)
        assert tx.models.insert(model("fraud/scorer"), "fraud/scorer") is not None

    def delete(tx: Transaction) -> str:
        found = tx.namespaces.get("fraud")
        assert found is not None
        held = tx.namespaces.holds_models("fraud")
        holding.append(held)
        deleting.set()
        if not held:
            tx.namespaces.delete(found.key)
        return "held" if held else "deleted"

    filling = Call(lambda: database.write(fill))
    assert seen.wait(60)
    assert database.write(delete) == "held"
    assert filling.outcome is None
    # The first try saw nothing in it, and was given up where the model came to light.
    assert holding == [False, True]
    assert claimed(database) == ["fraud"]


def test_survives_a_killed_server() -> None:
    """While it is gone every call is told so; back again, all that was acknowledged is there."""
    with PostgresServer(fsync=False) as server:
        url = server.new_database()
        database = open_database(url, clock=FixedClock())
        told: list[str] = []

        def work(writer: int) -> object:
            for number in range(10_000):
                told.append(database.write(claim(f"w{writer}-{number}")))
            return None

        calls = [Call(lambda n=n: work(n)) for n in range(4)]  # type: ignore[misc]
        while len(told) < 40:
            time.sleep(0.01)
        server.kill()
        gone = (DatabaseUnavailableError, OutcomeUnknownError)
        assert all(isinstance(call.outcome, gone) for call in calls)
        for look in (database.read, database.snapshot, database.write):
            with pytest.raises(DatabaseUnavailableError):
                look(lambda tx: tx.namespaces.get("a"))
        server.restart()
        stored = claimed(database)
        assert set(told) <= set(stored)
        assert check_chains(database) == len(stored)
        assert database.write(claim("after")) == "after"
        database.close()
