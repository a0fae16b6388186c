"""Opening a database by its URL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, ProgrammingError

from registry.board import Board
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
    board: Board | None = None,
    connections_max: int = CONNECTIONS_MAX,
    wait_s: float = WAIT_S,
) -> SqlDatabase:
    """The database at `sqlite:///path` or `postgresql://user:password@host:port/name`.

    Serving: makes the tables or brings them up to date first, and of a SQLite file makes sure that
    no other server serves it (StartError); `board` is for those who have further processes. Not
    serving: only reads, beside the server that serves, and changes no schema. Either way a schema
    that this release does not know is a SchemaMismatchError. The caller closes it.
    """
    parsed = _parse(url)
    with TRANSLATED:
        if parsed.get_backend_name() == "sqlite":
            path = _path(parsed)
            pool = _pool(sqlite.reader_engine(path), connections_max, wait_s)
            if serving:
                return _serve_sqlite(path, clock, pool, board or Board())
            _require(path)
            _check(pool)
            return _sqlite(pool, NoWriter())
        engine = postgresql.engine(parsed)
        pool = _pool(engine, connections_max, wait_s)
        if serving:
            _migrate_postgresql(engine)
            return _postgresql(pool, postgresql.PostgresWriter(pool, clock))
        _check(pool)
        return _postgresql(pool, NoWriter())


def join_database(url: str, *, clock: Clock, board: Board, lock_file: int | None) -> SqlDatabase:
    """The database that another process of this server has opened, to be read and written as well.

    `board` and `lock_file` came from there: see `SqlDatabase.lock_file`.
    """
    parsed = _parse(url)
    with TRANSLATED:
        if lock_file is None:
            pool = _pool(postgresql.engine(parsed), CONNECTIONS_MAX, WAIT_S)
            _check(pool)
            return _postgresql(pool, postgresql.PostgresWriter(pool, clock))
        path = _path(parsed)
        _require(path)
        pool = _pool(sqlite.reader_engine(path), CONNECTIONS_MAX, WAIT_S)
        _check(pool)
        lock = sqlite.ServingLock(path, file=lock_file)
        writer = GroupCommitWriter(sqlite.writer_engine(path), clock, lock, board)
        return _sqlite(pool, writer, lock)


def _migrate_postgresql(engine: Engine) -> None:
    try:
        migrate(engine)
    except ProgrammingError as cause:
        if getattr(cause.orig, "sqlstate", None) is not None:
            raise
        # It never came to a server: the driver does not know what the address says.
        raise StartError(
            what="The database cannot be opened",
            found=f"an address with what PostgreSQL does not know: {cause.orig}",
            fix="Correct what stands behind the ? in HALLMARK_DATABASE_URL.",
        ) from cause


def _pool(engine: Engine, connections_max: int, wait_s: float) -> ConnectionPool:
    return ConnectionPool(engine, size=connections_max, wait_s=wait_s)


def _serve_sqlite(path: Path, clock: Clock, pool: ConnectionPool, board: Board) -> SqlDatabase:
    """A file that is up to date then, and that nobody else serves."""
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
    return _sqlite(pool, GroupCommitWriter(engine, clock, lock, board), lock)


def _cannot_open(path: Path, cause: OSError) -> StartError:
    return StartError(
        what=f"Database {path} cannot be opened",
        found=f"{cause.strerror} ({cause.filename})",
        fix="Let the server's user write that file and the folder that it is in.",
    )


def _sqlite(
    pool: ConnectionPool, writer: Writer, lock: sqlite.ServingLock | None = None
) -> SqlDatabase:
    return SqlDatabase(
        kind="sqlite",
        schema_revision=HEAD,
        pool=pool,
        writer=writer,
        begin_snapshot=_SQLITE_SNAPSHOT,
        lock=lock,
    )


def _postgresql(pool: ConnectionPool, writer: Writer) -> SqlDatabase:
    return SqlDatabase(
        kind="postgresql",
        schema_revision=HEAD,
        pool=pool,
        writer=writer,
        begin_snapshot=_POSTGRESQL_SNAPSHOT,
    )


def _require(path: Path) -> None:
    """SQLite would make an empty one."""
    if not path.is_file():
        raise DatabaseUnavailableError(
            cause=f"there is no file {path}", fix="name the one that the server uses."
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
    except (ArgumentError, ValueError):
        # The latter for a port that is no number, and may be half of a password.
        known = False
    # A password with an @ that is not escaped goes on in what is taken for the host.
    if not known or "@" in (parsed.host or ""):
        raise StartError(
            what="The database cannot be opened",
            # Not the URL itself: it may hold a password.
            found=f"an address that starts with {url.partition(':')[0][:20]!r}",
            fix="Write it like sqlite:///var/hallmark.db or postgresql://user@host:5432/hallmark, "
            "with what a password has beside letters and digits escaped: %40 for @.",
        ) from None
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
