"""The databases that the contract is tested on: a SQLite file, and a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.tables import metadata
from registry.domain.events import GENESIS
from registry.testing.clock import FixedClock
from registry.testing.databases import empty_sqlite
from registry.testing.postgres import PostgresServer


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Without fsync: no test here is about a lost machine."""
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres: PostgresServer) -> str:
    """The address of a database with all tables."""
    url = postgres.new_database()
    open_database(url, clock=FixedClock()).close()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a database of its own for this test."""
    path = tmp_path / "hallmark.db"
    path.write_bytes(empty_sqlite())
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The address of an empty database: one for all tests, emptied for each."""
    dsn = make_url(postgres_database).set(drivername="postgresql")
    with psycopg.connect(dsn.render_as_string(hide_password=False)) as connection:
        # Without triggers: those of foreign keys ask for an order, that of events refuses.
        connection.execute("SET session_replication_role = replica")
        for table in metadata.tables:
            if table != "event_heads":
                connection.execute(f'DELETE FROM "{table}"'.encode())
        connection.execute("UPDATE event_heads SET number = 0, hash = %s, time_us = 0", [GENESIS])
    return postgres_database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once on SQLite and once on PostgreSQL."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    address: str = request.getfixturevalue(fixture)
    return address


@pytest.fixture
def database(url: str, clock: FixedClock) -> Iterator[SqlDatabase]:
    opened = open_database(url, clock=clock)
    yield opened
    opened.close()
