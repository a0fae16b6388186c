"""What SQLite alone lets somebody put into the audit log is found too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from registry.db.engine import open_database
from registry.errors import AuditBrokenError, CheckpointBrokenError
from registry.services.verification import verify_evidence
from registry.testing.clock import FixedClock
from registry.testing.databases import empty_sqlite
from registry.testing.forged_log import FRAUD, Log


@pytest.fixture
def log(tmp_path: Path, clock: FixedClock) -> Iterator[Log]:
    path = tmp_path / "hallmark.db"
    path.write_bytes(empty_sqlite())
    url = f"sqlite:///{path}"
    with closing(open_database(url, clock=clock)) as database:
        log = Log(database, clock, url)
        log.forger.run(
            "PRAGMA writable_schema = 1",
            "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') "
            "WHERE name IN ('events', 'audit_checkpoints')",
        )
        yield log


@pytest.mark.parametrize("column", ["number", "shard"])
@pytest.mark.parametrize("place", ["'x'", "2.5", "-1"])
def test_an_event_without_a_place_is_named(log: Log, column: str, place: str) -> None:
    """Text, fractions and nothing where a number belongs: a list would show them."""
    log.forger.run(
        f"INSERT INTO events SELECT {place if column == 'shard' else 'shard'}, "
        f"{place if column == 'number' else 'number'}, time_us, actor, action, resource, "
        f"namespace, detail_json, previous_hash, hash FROM events "
        f"WHERE shard = {FRAUD} AND number = 14"
    )
    assert isinstance(log.broken(), AuditBrokenError)
    log.forger.run(f"DELETE FROM events WHERE {column} IS {place}")
    assert verify_evidence(log.database, log.keys).checkpoint_count == 2


@pytest.mark.parametrize("place", ["'x'", "1.5"])
def test_a_checkpoint_without_a_number_is_named(log: Log, place: str) -> None:
    """A list would show it, though it continues nothing."""
    log.forger.run(
        f"INSERT INTO audit_checkpoints SELECT {place}, time_us, note, public_key, "
        "event_count, frontiers FROM audit_checkpoints WHERE number = 2"
    )
    assert isinstance(log.broken(), CheckpointBrokenError)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "actor = CAST(x'ff' AS TEXT)",
        "actor = x'ff'",
        "hash = x'ff'",
        "hash = NULL",
        "time_us = 'x'",
        "time_us = 1.5",
        "detail_json = CAST(x'7b00ff' AS TEXT)",
    ],
)
@pytest.mark.parametrize("number", [1, 8, 14])
def test_bytes_that_are_no_text_are_named(log: Log, change: str, number: int) -> None:
    """SQLite keeps anything in any column: it is that event, no failure of the reader."""
    log.forger.run(f"UPDATE events SET {change} WHERE shard = {FRAUD} AND number = {number}")
    error = log.broken(log.second.note)
    assert isinstance(error, AuditBrokenError)
    assert (error.shard, error.number) == (FRAUD, number)
