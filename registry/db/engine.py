"""Opening a database by its URL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from registry.db import postgresql, sqlite
from registry.db.database import NoWriter, SqlDatabase, Writer
from registry.db.failures import TRANSLATED
from registry.db.group_commit import GroupCommitWriter
from registry.db.pool import ConnectionPool
from registry.db.schema import HEAD, check_revision, migrate, revision_of
from registry.errors import DatabaseUnavailableError, StartError
from registry.ports.clock import Clock

#: Connections at the same time. More threads than that read or write in turn.
CONNECTIONS_MAX = 20
#: A thread waits so long for its turn.
WAIT_S = 10.0

_SQLITE_SNAPSHOT = "BEGIN"
_POSTGRESQL_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def open_database(
    url: str,
    *,
    clock: Clock,
    serving: bool = True,
    connections_max: int = CONNECTIONS_MAX,
    wait_s: float = WAIT_S,
) -> SqlDatabase:
    """The database at `sqlite:///path` or `postgresql://user:password@host:port/name`.

    Serving: makes the tables or brings them up to date first, and of a SQLite file makes sure that
    no other process serves it (StartError). Not serving: only reads, beside the process that
    serves, and changes no schema. Either way a schema that this release does not know is a
    SchemaMismatchError. The caller closes it.
    """
    parsed = _parse(url)
    with TRANSLATED:
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(_path(parsed), clock, serving, connections_max, wait_s)
        return _open_postgresql(parsed, clock, serving, connections_max, wait_s)


def _open_sqlite(
    path: Path, clock: Clock, serving: bool, connections_max: int, wait_s: float
) -> SqlDatabase:
    if serving:
        if not path.parent.is_dir():
            raise StartError(
                what=f"Database {path} cannot be opened",
                found=f"there is no folder {path.parent}",
                fix="Make that folder, or name another file.",
            )
        lock = sqlite.ServingLock(path)
        try:
            engine = sqlite.writer_engine(path)
            migrate(engine)
        except BaseException:
            lock.release()
            raise
        writer: Writer = GroupCommitWriter(engine, clock)
        release = lock.release
    else:
        if not path.is_file():
            raise DatabaseUnavailableError(
                cause=f"there is no file {path}", fix="name the one that the server uses."
            )
        writer = NoWriter()
        release = _nothing
    pool = ConnectionPool(sqlite.reader_engine(path), size=connections_max, wait_s=wait_s)
    if not serving:
        _check(pool)
    return SqlDatabase(
        kind="sqlite",
        schema_revision=HEAD,
        pool=pool,
        writer=writer,
        begin_snapshot=_SQLITE_SNAPSHOT,
        release=release,
    )


def _open_postgresql(
    url: URL, clock: Clock, serving: bool, connections_max: int, wait_s: float
) -> SqlDatabase:
    engine = postgresql.engine(url)
    pool = ConnectionPool(engine, size=connections_max, wait_s=wait_s)
    if serving:
        migrate(engine)
    else:
        _check(pool)
    return SqlDatabase(
        kind="postgresql",
        schema_revision=HEAD,
        pool=pool,
        writer=postgresql.PostgresWriter(pool, clock) if serving else NoWriter(),
        begin_snapshot=_POSTGRESQL_SNAPSHOT,
        release=_nothing,
    )


def _check(pool: ConnectionPool) -> None:
    connection = pool.take()
    try:
        check_revision(revision_of(connection))
    except BaseException:
        pool.drop(connection)
        raise
    pool.give(connection)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        known = parsed.get_backend_name() in ("sqlite", "postgresql")
    except ArgumentError:
        known = False
    if not known:
        raise StartError(
            what="The database cannot be opened",
            # Not the URL itself: it may hold a password.
            found=f"an address that starts with {url.partition(':')[0][:20]!r}",
            fix="Write it like sqlite:///var/hallmark.db or postgresql://user@host:5432/hallmark.",
        )
    return parsed


def _path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise StartError(
            what="The database cannot be opened",
            found="a SQLite address without a file",
            fix="Write it like sqlite:///var/hallmark.db.",
        )
    return Path(url.database).absolute()


def _nothing() -> None:
    """Nothing to release."""
