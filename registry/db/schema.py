"""Which schema a database has, and bringing it to the one that this release knows."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from registry.errors import SchemaMismatchError

#: The newest migration. Revisions are numbered in order, so that an older release can tell that a
#: database is newer than itself without knowing that revision.
HEAD = "0014"

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as all releases agree on it.
_PG_LOCK = 0x48414C4C


def revision_of(connection: Connection) -> str:
    """The revision of the database's schema, empty where it has none yet.

    Raises SchemaMismatchError where there are tables, and not ours.
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise SchemaMismatchError(
                found=f"of something else (a table {min(tables)})",
                expected=HEAD,
                fix="Give Hallmark a database of its own.",
            )
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def check_revision(found: str) -> None:
    """Raise SchemaMismatchError unless this release can use a database of this revision."""
    if found == HEAD:
        return
    if not found:
        fix = "It is empty: start the server on it once (hallmark serve)."
    elif _is_newer(found):
        fix = "It was used by a newer release: install that one, or restore an older backup."
    else:
        fix = "It was used by an older release: start the server on it once (hallmark serve)."
    raise SchemaMismatchError(found=found or "none", expected=HEAD, fix=fix)


def migrate(engine: Engine) -> str:
    """Bring the schema to HEAD, in one transaction, and return the revision it had before.

    A database that is there already is left alone. Several servers may do this at once: one
    migrates, the others wait. A newer schema than HEAD is refused with SchemaMismatchError.
    """
    with engine.connect() as connection:
        found = revision_of(connection)
        if found != HEAD:
            if _is_newer(found):
                check_revision(found)
            _upgrade(connection)
        return found


def _upgrade(connection: Connection) -> None:
    # Half the time that a server takes to start, so only loaded where there is work for it.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # Rebuilding a table would else delete what refers to it. Ignored within a transaction.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql(
        "BEGIN IMMEDIATE" if sqlite else "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    )
    try:
        if not sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PG_LOCK})")
        command.upgrade(config, "head")
        if sqlite:
            _check_foreign_keys(connection)
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise SchemaMismatchError(
            found=f"a row of table {broken[0]} that refers to one that is missing in {broken[2]}",
            expected=HEAD,
            fix="Nothing was changed. Go on with the older release and report this.",
        )


def _is_newer(found: str) -> bool:
    # All digits are ours; anything else was made by a release that numbers differently.
    return bool(found) and (not found.isdigit() or int(found) > int(HEAD))
