"""Opening a database by its URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import URL, Engine, make_url
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

    def pool_of(engine: Engine) -> ConnectionPool:
        return ConnectionPool(engine, size=connections_max, wait_s=wait_s)

    with TRANSLATED:
        if parsed.get_backend_name() == "sqlite":
            path = _path(parsed)
            pool = pool_of(sqlite.reader_engine(path))
            if serving:
                return _sqlite(pool, *_serve_sqlite(path, clock))
            if not path.is_file():
                raise DatabaseUnavailableError(
                    cause=f"there is no file {path}", fix="name the one that the server uses."
                )
            _check(pool)
            return _sqlite(pool, NoWriter(), _nothing)
        engine = postgresql.engine(parsed)
        pool = pool_of(engine)
        if serving:
            migrate(engine)
            return _postgresql(pool, postgresql.PostgresWriter(pool, clock))
        _check(pool)
        return _postgresql(pool, NoWriter())


def _serve_sqlite(path: Path, clock: Clock) -> tuple[Writer, Callable[[], None]]:
    """The writer of a file that is up to date then, and what gives the file free again."""
    try:
        lock = sqlite.ServingLock(path)
    except OSError as cause:
        raise _cannot_open(path, cause) from cause
    try:
        engine = sqlite.writer_engine(path)
        migrate(engine)
    except OSError as cause:
        lock.release()
        raise _cannot_open(path, cause) from cause
    except BaseException:
        lock.release()
        raise
    return GroupCommitWriter(engine, clock), lock.release


def _cannot_open(path: Path, cause: OSError) -> StartError:
    return StartError(
        what=f"Database {path} cannot be opened",
        found=f"{cause.strerror} ({cause.filename})",
        fix="Let the server's user write that file and the folder that it is in.",
    )


def _sqlite(pool: ConnectionPool, writer: Writer, release: Callable[[], None]) -> SqlDatabase:
    return SqlDatabase(
        kind="sqlite",
        schema_revision=HEAD,
        pool=pool,
        writer=writer,
        begin_snapshot=_SQLITE_SNAPSHOT,
        release=release,
    )


def _postgresql(pool: ConnectionPool, writer: Writer) -> SqlDatabase:
    return SqlDatabase(
        kind="postgresql",
        schema_revision=HEAD,
        pool=pool,
        writer=writer,
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
    # One file, one lock, whichever way leads to it.
    return Path(url.database).resolve()


def _nothing() -> None:
    """Nothing to release."""
