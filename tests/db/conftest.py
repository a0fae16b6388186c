"""The databases that the contract is tested on: a SQLite file, and a real PostgreSQL server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.testing.clock import FixedClock
from registry.testing.postgres import PostgresServer

pytest.register_assert_rewrite("registry.testing.contracts.database")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Without fsync: no test here is about a lost machine."""
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied: quicker than to migrate for each test."""
    path = tmp_path_factory.mktemp("template") / "hallmark.db"
    open_database(f"sqlite:///{path}", clock=FixedClock()).close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a database with all tables."""
    url = postgres.new_database()
    open_database(url, clock=FixedClock()).close()
    name = make_url(url).database
    assert name is not None
    return name


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a database of its own for this test."""
    path = tmp_path / "hallmark.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_template: str) -> str:
    """The address of a database of its own for this test."""
    name = f"copy_of_{postgres_template}_{next(_NUMBERS)}"
    dsn = make_url(postgres.dsn).set(drivername="postgresql")
    with psycopg.connect(dsn.render_as_string(hide_password=False), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"'.encode())
    return make_url(postgres.dsn).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> str:
    """The address of a database of its own for this test, on each of the two."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    address: str = request.getfixturevalue(fixture)
    return address


@pytest.fixture
def database(url: str, clock: FixedClock) -> Iterator[SqlDatabase]:
    opened = open_database(url, clock=clock)
    yield opened
    opened.close()


_NUMBERS = iter(range(1_000_000))
