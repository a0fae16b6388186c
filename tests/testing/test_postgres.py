"""The PostgreSQL server that other tests rely on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from registry.testing import postgres
from registry.testing.postgres import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


def run(dsn: str, *statements: str) -> object:
    """Run statements in one transaction; the first column of the last one's first row, if any."""
    value: object = None
    engine = create_engine(dsn, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            value = result.scalar() if result.returns_rows else None
    return value


def test_syncs_by_default(server: PostgresServer) -> None:
    """A test server keeps what it acknowledged, as production does."""
    assert run(server.dsn, "SHOW fsync") == "on"


def test_sorts_as_people_read(server: PostgresServer) -> None:
    """The default order is not that of bytes, so code that needs byte order must ask for it."""
    assert run(server.dsn, "SELECT 'a' < 'B'") is True
    assert run(server.dsn, """SELECT 'a' < 'B' COLLATE "C" """) is False


def test_databases_are_apart(server: PostgresServer) -> None:
    """A table made in one new database is unknown in the next."""
    first, second = server.new_database(), server.new_database()
    run(first, "CREATE TABLE only_here (n integer)")
    assert run(first, "SELECT to_regclass('only_here') IS NOT NULL") is True
    assert run(second, "SELECT to_regclass('only_here') IS NULL") is True


def test_acknowledged_write_survives_kill(server: PostgresServer) -> None:
    """After kill -9 the server is gone, and after a restart what was committed is there."""
    dsn = server.new_database()
    run(dsn, "CREATE TABLE kept (n integer)", "INSERT INTO kept VALUES (7)")
    server.kill()
    with pytest.raises(OperationalError):
        run(dsn, "SELECT 1")
    server.restart()
    assert run(dsn, "SELECT n FROM kept") == 7


def test_restart_of_a_running_server_keeps_data(server: PostgresServer) -> None:
    """An orderly restart keeps port and data."""
    dsn = server.new_database()
    run(dsn, "CREATE TABLE kept (n integer)")
    server.restart()
    assert run(dsn, "SELECT count(*) FROM kept") == 0


def test_nothing_is_left_behind() -> None:
    """On exit the server is gone and so is its folder."""
    with PostgresServer(fsync=False) as server:
        assert server.data_dir.is_dir()
    assert not server.data_dir.parent.exists()
    with pytest.raises(OperationalError):
        run(server.dsn, "SELECT 1")


def test_takes_another_port_where_one_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that somebody else took between look and start is given up for another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = iter([other.getsockname()[1], postgres.free_port()])
        monkeypatch.setattr(postgres, "free_port", lambda: next(ports))
        with PostgresServer(fsync=False) as server:
            assert run(server.dsn, "SELECT 1") == 1


def test_bad_setting_stops_the_start_with_the_log() -> None:
    """A setting that the server refuses is named in the error."""
    with (
        pytest.raises(RuntimeError, match="max_connections"),
        PostgresServer(settings={"max_connections": "none"}),
    ):
        pass


def test_missing_server_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the binaries the error names the package."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setattr(postgres, "DEBIAN_HOME", tmp_path)
    with pytest.raises(RuntimeError, match="apt-get install postgresql"):
        postgres.find_binaries()
