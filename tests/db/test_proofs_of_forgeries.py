"""On a log that somebody changed nothing is proven: whoever asks is told, on both databases."""

from __future__ import annotations

import pytest

from registry.db.database import SqlDatabase
from registry.errors import AuditBrokenError, NotFoundError
from registry.names import EventName
from registry.services.audit_proofs import AuditProofs
from registry.testing.clock import FixedClock
from registry.testing.forged_log import FRAUD, Log, auditor


@pytest.fixture
def log(database: SqlDatabase, clock: FixedClock, url: str) -> Log:
    return Log(database, clock, url)


def prove(log: Log, number: int) -> None:
    proofs = AuditProofs(database=log.database, keys=log.keys)
    name = EventName(shard=FRAUD, number=number)
    proofs.prove_event(auditor(), name, checkpoint=0, is_active=lambda: True)


def test_an_edited_event_is_named(log: Log) -> None:
    """It is that one; its neighbours are still proven by their hashes."""
    log.forger.run(f"UPDATE events SET actor = 'x' WHERE shard = {FRAUD} AND number = 8")
    with pytest.raises(AuditBrokenError, match="event 8: its content hashes to"):
        prove(log, 8)
    prove(log, 7)


def test_a_deleted_event_is_named(log: Log) -> None:
    """One that is missing is told apart from one that never was."""
    log.forger.run(f"DELETE FROM events WHERE shard = {FRAUD} AND number = 8")
    with pytest.raises(AuditBrokenError, match="event 8: it is missing"):
        prove(log, 8)
    with pytest.raises(NotFoundError):
        prove(log, 99)


def test_a_rewritten_log_proves_nothing(log: Log) -> None:
    """Neither an event nor that one checkpoint goes on from another."""
    log.forger.rewrite(log.database, FRAUD, 8, actor="principals/eve")
    with pytest.raises(AuditBrokenError, match="hallmark audit verify"):
        prove(log, 3)
    proofs = AuditProofs(database=log.database, keys=log.keys)
    with pytest.raises(AuditBrokenError, match="hallmark audit verify"):
        proofs.prove_consistency(auditor(), 1, 2, is_active=lambda: True)
