"""How often a database is asked: what nobody awaits goes along with what comes next."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest
from sqlalchemy import make_url

from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.file import File
from registry.db.prepared import PreparedConnection
from registry.db.wire import Wire
from registry.domain.access import Role
from registry.domain.gates import BaseFact
from registry.domain.versions import Base, LineageKind, VersionSpec
from registry.errors import ConflictError
from registry.names import ModelName
from registry.ports.database import Transaction
from registry.services.facts import bases_above
from registry.services.sources import Source
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.lineage import add as add_edges
from registry.testing.contracts.database.lineage import an_edge
from registry.testing.contracts.database.samples import T0, principal, stored_model, token
from registry.testing.contracts.database.version_samples import (
    a_branch,
    a_commit,
    a_manifest,
    add_commit,
    add_model,
    add_version,
)
from registry.testing.db_driver import connection_of, sql
from registry.testing.world import World, grant, manifest_file

#: What a client says to end a message that the server answers.
_ASKS = ("Query", "Sync")


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    """A connection of its own, with a table of its own."""
    dsn = make_url(postgres_url).set(drivername="postgresql")
    with psycopg.connect(dsn.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE things (n bigint, t text, b bytea, f boolean)")
        yield Wire(connection)


@pytest.fixture
def postgresql(postgres_url: str) -> Iterator[SqlDatabase]:
    """With one connection, so that every unit of work runs on it."""
    opened = open_database(postgres_url, clock=FixedClock(), connections_max=1)
    yield opened
    opened.close()


PUT = "INSERT INTO things (n, t, b, f) VALUES ($1, $2, $3, $4)"
ALL = "SELECT n, t, b, f FROM things ORDER BY n"


def rows(wire: Wire) -> list[Any]:
    return wire.ask(ALL, [], tuple)[0]


def trips(connection: psycopg.Connection[Any], fn: Callable[[], object]) -> int:
    """How often the server is asked while `fn` runs."""
    with tempfile.TemporaryFile("w+") as log:
        return _traced(connection, fn, log)


def _traced(connection: psycopg.Connection[Any], fn: Callable[[], object], log: IO[str]) -> int:
    connection.pgconn.trace(log.fileno())
    try:
        fn()
    finally:
        connection.pgconn.untrace()
    log.seek(0)
    # Time, direction, length, kind, and what is in it, which may go over several lines.
    said = [line.rstrip().split("\t")[1:4:2] for line in log]
    return sum(parts in (["F", kind] for kind in _ASKS) for parts in said)


@pytest.mark.slow
def test_values_that_were_kept_back_arrive_as_they_are(wire: Wire) -> None:
    """Quotes, backslashes, line ends, empty and missing values, in one trip for all."""
    given = [
        (0, "it's; DROP TABLE things; --", b"\0\xff'\\", True),
        (1, "\\' \N{SNOWMAN} $1 \r\n\t", b"", False),
        (2, "", None, None),
        (-(2**63), None, None, None),
        (2**63 - 1, "\\x00 E'\\\\'" * 9, b"x" * 9, True),
    ]
    wire.later(PUT, given[0])
    rows(wire)

    def put() -> None:
        for values in given[1:]:
            wire.later(PUT, values)

    assert trips(wire.connection, put) == 0
    found: list[Any] = []
    assert trips(wire.connection, lambda: found.extend(rows(wire))) == 1
    assert found == sorted(given)


@pytest.mark.slow
def test_a_nul_is_refused_and_not_cut_off(wire: Wire) -> None:
    """No text is stored up to its first NUL: it is refused before anything is sent."""
    values = (1, "a\0b", None, None)
    with pytest.raises(psycopg.DataError):
        wire.later(PUT, values)
    with pytest.raises(psycopg.DataError):
        wire.ask(PUT, values, tuple)
    assert rows(wire) == []


@pytest.mark.slow
def test_what_follows_an_error_is_not_run(wire: Wire) -> None:
    """The error of what was kept back is raised by whoever sends it, and the rest is forgotten."""
    wire.begin("BEGIN")
    wire.later(PUT, (1, "a", None, None))
    wire.later("SELECT 1 / $1::bigint", (0,))
    wire.later(PUT, (2, "b", None, None))
    with pytest.raises(psycopg.errors.DivisionByZero):
        rows(wire)
    wire.roll_back()
    assert rows(wire) == []
    wire.later(PUT, (3, "c", None, None))
    assert [row[0] for row in rows(wire)] == [3]


@pytest.mark.slow
def test_much_is_not_kept_back(wire: Wire) -> None:
    """What grows long is sent before it is asked for."""
    wire.begin("BEGIN")
    for number in range(3):
        wire.later(PUT, (number, "x" * 600_000, None, None))
    assert trips(wire.connection, wire.commit) == 1
    assert [len(row[1]) for row in rows(wire)] == [600_000] * 3


@pytest.mark.slow
def test_other_statements_find_what_was_kept_back(postgresql: SqlDatabase) -> None:
    """Order is kept, also where a statement goes another way."""
    model = add_model(postgresql)
    commit = add_commit(postgresql, model)
    seen: list[int] = []

    def fn(tx: Transaction) -> None:
        branch = a_branch(commit, "main")
        tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)
        count = connection_of(tx).exec_driver_sql("SELECT count(*) FROM refs").scalar()
        seen.append(int(count or 0))

    for _ in range(2):
        postgresql.write(fn)
    assert seen == [1, 1]


@pytest.mark.slow
def test_an_error_that_comes_with_commit_is_ours(postgresql: SqlDatabase) -> None:
    """A reference to a commit that is not there fails the unit of work, and stores none of it."""
    model = add_model(postgresql)
    branch = a_branch(a_commit(model, a_manifest()), "main")

    def fn(tx: Transaction) -> None:
        sql(tx, f"UPDATE models SET task = 'changed' WHERE key = {model.key}")
        tx.references.put(model.key, branch, version_key=None, commit_id="0" * 40)

    for _ in range(2):
        with pytest.raises(ConflictError):
            postgresql.write(fn)
    assert postgresql.read(lambda tx: tx.models.get(model.path)) == model
    assert postgresql.read(lambda tx: tx.references.get(model.path, "main")) is None


@pytest.mark.slow
def test_a_cut_connection_is_found_out_before_commit(postgresql: SqlDatabase) -> None:
    """A unit of work that asks for nothing is run again on a connection that was cut while it lay
    idle: nobody is told that the outcome is unknown."""
    stored_model(postgresql)

    def prepare(tx: Transaction) -> int:
        assert tx.principals.insert(principal()) is not None
        return tx.tokens.insert(token(), b"h").key

    key = postgresql.write(prepare)

    def fn(tx: Transaction) -> None:
        tx.tokens.touch([(key, T0 + 5)])

    for _ in range(2):
        postgresql.write(fn)
    driver = connection_of_pool(postgresql).driver
    assert isinstance(driver, Wire)
    number = driver.connection.info.backend_pid
    other = open_database(url_of(driver), clock=FixedClock())
    other.read(lambda tx: sql(tx, f"SELECT pg_terminate_backend({number})"))
    other.close()
    postgresql.write(fn)
    found = postgresql.read(lambda tx: tx.tokens.get("ann", "t1"))
    assert found is not None
    assert found.last_use_time_us == T0 + 5


def connection_of_pool(database: SqlDatabase) -> PreparedConnection:
    """The one that lies idle."""
    connection = database.read(connection_of)
    assert isinstance(connection, PreparedConnection)
    return connection


def url_of(wire: Wire) -> str:
    info = wire.connection.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"


def creating(world: World) -> Callable[[], object]:
    """A call that makes a version of stored files, after some that did so."""
    world.model("fraud/scorer")
    ann = world.caller("ann", grant(Role.REGISTRANT, "fraud"))
    data = b"# A model\n", b"weights"
    for each in data:
        world.store(each)
    files = tuple(map(manifest_file, ("README.md", "model.bin"), data))
    sent = {file.sha256 for file in files}
    world.database.write(lambda tx: tx.blob_grants.add("fraud", sent))

    def create() -> object:
        world.clock.advance(1)
        return world.versions.create(
            ann,
            ModelName(path="fraud/scorer"),
            source=Source(files=files),
            spec=VersionSpec(),
            message="",
            request_id="",
        )

    for _ in range(3):
        create()
    return create


@pytest.mark.slow
def test_a_version_takes_three_trips_to_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """One to lock and look, one to write and for the head of the audit chain, one to commit."""
    world = World(tmp_path, url=postgres_url)
    create = creating(world)
    driver = world.database.read(connection_of).driver  # type: ignore[attr-defined]
    assert isinstance(driver, Wire)
    assert trips(driver.connection, create) == 3
    world.close()


@pytest.mark.slow
def test_what_stands_above_takes_as_many_trips_as_levels(postgresql: SqlDatabase) -> None:
    """However many versions one was made from, by edges or by its own word."""
    model = add_model(postgresql)

    def asked(count: int, *, declared: bool) -> int:
        """For one above which so many stand, above each of which stands another."""
        far = [add_version(postgresql, model) for _ in range(2 * count)]
        near = far[:count]
        named = tuple(Base(version=each.name, kind=LineageKind.MERGE) for each in near)
        spec = VersionSpec(bases=named if declared else ())
        child = add_version(postgresql, model, change=lambda each: replace(each, spec=spec))
        add_edges(postgresql, *map(an_edge, near, far[count:]))
        if not declared:
            add_edges(postgresql, *(an_edge(child, each) for each in near))
        driver = connection_of_pool(postgresql).driver
        assert isinstance(driver, Wire)
        found: list[BaseFact] = []
        look = partial(bases_above, versions=[child])
        for _ in range(5):
            # To prepare a statement is a trip of its own.
            postgresql.read(look)
        taken = trips(driver.connection, lambda: found.extend(postgresql.read(look)))
        assert len(found) == 2 * count
        return taken

    for declared in (False, True):
        assert asked(2, declared=declared) == asked(40, declared=declared)


def test_a_version_takes_seven_statements_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    """Five of its own, and two for all events of what shares a COMMIT."""
    world = World(tmp_path, url=sqlite_url)
    create = creating(world)
    driver = world.database.write(connection_of).driver  # type: ignore[attr-defined]
    assert isinstance(driver, File)
    said: list[str] = []
    driver.connection.set_trace_callback(said.append)
    create()
    driver.connection.set_trace_callback(None)
    # Triggers and foreign keys tell what they do as comments.
    own = [line.split()[0] for line in said if not line.startswith("--")]
    assert own == ["BEGIN", "SELECT", "INSERT", "INSERT", "UPDATE", *["INSERT"] * 3, "COMMIT"]
    world.close()
