"""Migrations: from nothing to the tables that the code states, on both databases."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from registry.db import schema
from registry.db.engine import open_database
from registry.db.schema import HEAD, check_revision, migrate
from registry.db.tables import metadata
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.inbox import InboxKind
from registry.errors import SchemaMismatchError
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains
from registry.testing.contracts.database.reminders import LAST_DAY_US, add_one_each, due
from registry.testing.db_driver import Call, claim, claimed
from registry.testing.postgres import PostgresServer

#: Tables of revisions 0011 and later, those that refer to others first.
OF_0011 = (
    "assessments",
    "file_traits",
    "vetting_changes",
    "vetting_marks",
    "vetting_reruns",
    "vetting_runs",
    "file_results",
)
#: What takes back revision 0012, but for the room in pages.
TO_0011 = (
    "DROP INDEX ix_versions_doubted",
    "DROP INDEX ix_models_update_minute",
    "ALTER TABLE models DROP COLUMN update_minute",
    "CREATE INDEX ix_models_update_time_us_path ON models (update_time_us, path)",
)


def shape(engine: Engine) -> dict[str, Any]:
    """All that a database says of its tables, but how SQLite's statements were spaced."""
    found: dict[str, Any] = {}
    look = inspect(engine)
    for table in sorted(set(look.get_table_names()) - {"alembic_version"}):
        found[table] = {
            "columns": {str(c["name"]): without_noise(c) for c in look.get_columns(table)},
            "key": look.get_pk_constraint(table),
            "foreign": sorted(map(str, look.get_foreign_keys(table))),
            # What they are in full stands in their definitions below.
            "indexes": sorted(str(index["name"]) for index in look.get_indexes(table)),
            "options": look.get_table_options(table),
        }
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    if engine.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    with engine.connect() as connection:
        definitions = {row[0]: row[1] for row in connection.execute(text(query))}
    found["definitions"] = {n: re.sub(r'[\s"]+', " ", sql) for n, sql in definitions.items()}
    found["definitions"].pop("alembic_version_pkc", None)
    return found


def without_noise(column: Any) -> dict[str, str]:
    """A reflected column as text; types compare by identity."""
    return {key: str(value) for key, value in column.items()}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Engine, Engine]:
    """Two empty databases of a kind."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("empty")
        urls = [f"sqlite:///{folder}/{name}.db" for name in "ab"]
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        urls = [server.new_database() for _ in range(2)]
    one, two = (
        create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT") for url in urls
    )
    return one, two


@pytest.mark.slow
def test_migrations_make_what_the_code_states(engines: tuple[Engine, Engine]) -> None:
    """A migrated database and one made from `tables` are alike to the last index."""
    migrated, stated = engines
    assert migrate(migrated) == ""
    metadata.create_all(stated)
    assert shape(migrated) == shape(stated)
    assert len(shape(migrated)) == len(metadata.tables) + 1


@pytest.mark.slow
def test_migrating_again_changes_nothing(engines: tuple[Engine, Engine]) -> None:
    """A database that is up to date is left alone."""
    engine, _ = engines
    migrate(engine)
    before = shape(engine)
    assert migrate(engine) == HEAD
    assert shape(engine) == before


def test_a_newer_schema_is_refused(url: str) -> None:
    """A database that a newer release used is neither changed nor used, however it is opened."""
    database = open_database(url, clock=FixedClock())
    database.write(claim("a"))
    database.close()
    engine = create_engine(url, poolclass=NullPool)
    set_revision(engine, "0999")
    try:
        for serving in (True, False):
            with pytest.raises(SchemaMismatchError, match=f"0999, this release knows .* {HEAD}"):
                open_database(url, clock=FixedClock(), serving=serving)
    finally:
        set_revision(engine, HEAD)
    database = open_database(url, clock=FixedClock())
    assert claimed(database) == ["a"]
    database.close()


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        statement = text("UPDATE alembic_version SET version_num = :revision")
        connection.execute(statement, {"revision": revision})


@pytest.mark.parametrize(
    ("found", "advice"),
    [("", "start the server"), ("0000", "start the server"), ("0999", "newer"), ("9f2c", "newer")],
)
def test_advice_fits_what_was_found(found: str, advice: str) -> None:
    """Older, newer and empty databases each get the advice that mends them."""
    with pytest.raises(SchemaMismatchError, match=advice):
        check_revision(found)


@pytest.mark.slow
def test_a_failed_migration_leaves_nothing(
    engines: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables come all together or not at all, so that a second try finds nothing half made."""
    engine, _ = engines

    def fail(*_: object) -> None:
        raise RuntimeError("cut")

    monkeypatch.setattr("alembic.op.execute", fail)
    with pytest.raises(RuntimeError, match="cut"):
        migrate(engine)
    assert inspect(engine).get_table_names() == []
    monkeypatch.undo()
    assert migrate(engine) == ""


@pytest.mark.slow
def test_servers_that_start_together_migrate_once(postgres: PostgresServer) -> None:
    """Of several replicas on an empty database one migrates, all can work."""
    url = postgres.new_database()

    def start(number: int) -> None:
        database = open_database(url, clock=FixedClock())
        database.write(claim(f"n{number}"))
        database.close()

    calls = [Call(lambda n=n: start(n)) for n in range(4)]  # type: ignore[misc]
    assert [call.outcome for call in calls] == [None] * 4
    database = open_database(url, clock=FixedClock())
    assert claimed(database) == ["n0", "n1", "n2", "n3"]
    assert check_chains(database) == 4
    database.close()


def test_head_is_the_last_revision() -> None:
    """The revision that the code expects is the one that the migrations end at, and they are
    numbered in a row."""
    config = Config()
    config.set_main_option("script_location", str(resources.files("registry.db") / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.HEAD]
    numbers = [script.revision for script in scripts.walk_revisions()]
    assert numbers[::-1] == [f"{n:04}" for n in range(1, len(numbers) + 1)]


def test_what_was_given_before_is_not_given_again(url: str) -> None:
    """Reminders of revision 0009 are known after it, of promotions and of open proposals, and its
    servers find theirs where they were."""
    database = open_database(url, clock=FixedClock())
    numbers = add_one_each(database)
    promotion, proposal = numbers[InboxKind.PROMOTION], numbers[InboxKind.POLICY]
    draft = EventDraft(
        action="policy.remind",
        resource=f"policyChanges/{proposal}",
        namespace="",
        actor=SYSTEM,
        detail={"when": "half"},
    )
    database.write(lambda tx: tx.events.append(draft))
    database.close()
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    given = "INSERT INTO promotion_reminders VALUES (:promotion, 'half', 1)"
    with engine.begin() as connection:
        for statement in TO_0011:
            connection.execute(text(statement))
        for later in ("reminders", *OF_0011):
            connection.execute(text(f"DROP TABLE {later}"))
        connection.execute(text(given), {"promotion": promotion})
    set_revision(engine, "0009")
    assert migrate(engine) == "0009"
    database = open_database(url, clock=FixedClock())
    due_now = {kind: due(database, kind, LAST_DAY_US) for kind in numbers}
    database.close()
    marks = {kind: [each.mark for each in found] for kind, found in due_now.items()}
    assert marks.pop(InboxKind.PROMOTION) == marks.pop(InboxKind.POLICY) == ["last_day"]
    assert list(marks.values()) == [["half", "last_day"]] * 3
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT promotion, kind FROM promotion_reminders"))
        assert [tuple(row) for row in kept] == [(promotion, "half")]
