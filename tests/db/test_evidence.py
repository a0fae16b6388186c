"""Every forgery of the audit log and of its checkpoints is found, on both databases."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url

from registry.auth.signing import Ed25519Keys
from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.domain.checkpoints import StoredCheckpoint, read_checkpoint
from registry.domain.events import EventDraft, shard_of
from registry.domain.notes import Note, key_hint
from registry.errors import (
    AuditBrokenError,
    CheckpointBrokenError,
    HallmarkError,
)
from registry.services.audit import AuditService
from registry.services.verification import verify_evidence
from registry.testing.clock import FixedClock
from registry.testing.forged_log import FRAUD, NAMESPACES, Log, auditor


@pytest.fixture
def log(database: SqlDatabase, clock: FixedClock, url: str) -> Log:
    return Log(database, clock, url)


def test_an_intact_log_verifies(log: Log) -> None:
    """Events and checkpoints are counted, with exported ones and by the public key alone."""
    found = verify_evidence(log.database, log.keys)
    assert (found.event_count, found.checkpoint_count) == (14 * 3 + 2, 2)
    given = (log.second.note, log.first.note)
    stranger = Ed25519Keys.fresh()
    again = verify_evidence(log.database, stranger, given=given, trusted=log.keys.public_keys)
    assert again == found


@pytest.mark.parametrize(
    "change",
    [
        "time_us = time_us + 1",
        "actor = 'principals/eve'",
        "action = 'model.create'",
        "resource = 'models/fraud/other'",
        "namespace = 'vision'",
        "detail_json = '{}'",
        "previous_hash = hash",
        "hash = previous_hash",
    ],
)
def test_an_edited_event_is_named(log: Log, change: str) -> None:
    """Whatever column is changed, it is that event, before and behind a checkpoint."""
    for number in (13, 8, 3):
        log.forger.run(f"UPDATE events SET {change} WHERE shard = {FRAUD} AND number = {number}")
        error = log.broken(log.second.note)
        assert isinstance(error, AuditBrokenError)
        assert (error.shard, error.number) == (FRAUD, number)


@pytest.mark.parametrize(
    ("statements", "number"),
    [
        (("DELETE FROM events WHERE shard = {f} AND number = 4",), 4),
        (("DELETE FROM events WHERE shard = {f} AND number = 14",), 14),
        (
            (
                "UPDATE events SET number = -number WHERE shard = {f} AND number IN (4, 5)",
                "UPDATE events SET number = 4 WHERE shard = {f} AND number = -5",
                "UPDATE events SET number = 5 WHERE shard = {f} AND number = -4",
            ),
            4,
        ),
        (
            (
                "INSERT INTO events SELECT shard, 15, time_us, actor, action, resource, "  # noqa: ISC004
                "namespace, detail_json, previous_hash, hash FROM events "
                "WHERE shard = {f} AND number = 14",
            ),
            15,
        ),
        (("UPDATE events SET number = 99 WHERE shard = {f} AND number = 7",), 7),
    ],
    ids=["deleted", "deleted last", "swapped", "doubled", "moved"],
)
def test_what_is_dropped_moved_or_doubled_is_named(
    log: Log, statements: tuple[str, ...], number: int
) -> None:
    """The first number at which the log is not what it was."""
    log.forger.run(*(statement.format(f=FRAUD) for statement in statements))
    error = log.broken()
    assert isinstance(error, AuditBrokenError)
    assert (error.shard, error.number) == (FRAUD, number)


@pytest.mark.parametrize(("first", "named", "checkpoint"), [(3, 1, 1), (8, 7, 2)])
def test_a_chain_that_was_rewritten_is_found_by_its_checkpoints(
    log: Log, first: int, named: int, checkpoint: int
) -> None:
    """With all hashes made anew: which checkpoint no longer fits, and the first event since the
    last that does."""
    log.forger.rewrite(log.database, FRAUD, first, actor="principals/eve")
    error = log.broken()
    assert isinstance(error, AuditBrokenError)
    assert (error.shard, error.number) == (FRAUD, named)
    assert f"checkpoint {checkpoint} no longer fits" in error.problem


def test_a_rewritten_tail_that_no_checkpoint_saw_is_beyond_proof(log: Log) -> None:
    """Behind the last checkpoint whoever recomputes the chain is not found: hence many of them."""
    log.forger.rewrite(log.database, FRAUD, 13, actor="principals/eve")
    assert verify_evidence(log.database, log.keys).checkpoint_count == 2


def test_a_log_that_was_cut_off_is_found_by_its_checkpoints(log: Log) -> None:
    """Also where the head says that nothing is missing."""
    log.forger.cut(log.database, FRAUD, 9)
    error = log.broken()
    assert isinstance(error, AuditBrokenError)
    assert (error.shard, error.number) == (FRAUD, 10)
    assert "up to 12, which checkpoint 2 has seen" in error.problem


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (
            "UPDATE audit_checkpoints SET note = replace(note, 'time', 'emit') WHERE number = 1",
            1,
        ),
        ("UPDATE audit_checkpoints SET note = replace(note, '\"number\":2', '\"number\":3')", 2),
        ("UPDATE audit_checkpoints SET note = '' WHERE number = 2", 2),
        ("UPDATE audit_checkpoints SET time_us = 0 WHERE number = 2", 2),
        ("UPDATE audit_checkpoints SET event_count = 0 WHERE number = 1", 1),
        ("UPDATE audit_checkpoints SET public_key = '' WHERE number = 1", 1),
        ("DELETE FROM audit_checkpoints WHERE number = 1", 1),
        ("DELETE FROM audit_checkpoints WHERE number = 2", 2),
        ("DELETE FROM audit_checkpoints", 1),
    ],
)
def test_an_edited_table_of_checkpoints_is_found(log: Log, change: str, number: int) -> None:
    """Which checkpoint it is, without any that was exported."""
    log.forger.run(change)
    error = log.broken()
    assert isinstance(error, CheckpointBrokenError)
    assert error.number == number


def test_a_lost_frontier_is_made_again(log: Log) -> None:
    """What only saves work may be lost, or be wrong: the next checkpoint is what it would be."""
    for change in ("NULL", "'[]'", "'[[1]]'", "'x'", "replace(frontiers, '1', '2')"):
        log.forger.run(f"UPDATE audit_checkpoints SET frontiers = {change}")
        log.happen(1)
        log.checkpoint()
        verify_evidence(log.database, log.keys)


def resigned(stored: StoredCheckpoint, keys: Ed25519Keys, **changes: object) -> str:
    """A note that says something else, signed by another key."""
    said = read_checkpoint(stored.note).checkpoint
    key = keys.public_keys[-1]
    new = dataclasses.replace(said, public_key=key, **changes)  # type: ignore[arg-type]
    signature = keys.sign(key, new.text.encode())
    return str(Note(text=new.text, hint=key_hint(bytes.fromhex(key)), signature=signature))


def replace_note(log: Log, number: int, note: str) -> None:
    key = read_checkpoint(note).checkpoint.public_key
    quoted = note.replace("'", "''")
    log.forger.run(
        f"UPDATE audit_checkpoints SET note = '{quoted}', public_key = '{key}' "
        f"WHERE number = {number}"
    )


def test_checkpoints_signed_by_another_key_are_found(log: Log) -> None:
    """One in the middle breaks the chain of keys; all of them are not this registry's."""
    stranger = Ed25519Keys.fresh()
    replace_note(log, 2, resigned(log.second, stranger))
    error = log.broken()
    assert isinstance(error, CheckpointBrokenError)
    assert (error.number, "no earlier checkpoint introduced" in error.problem) == (2, True)
    first = resigned(log.first, stranger)
    replace_note(log, 1, first)
    previous = read_checkpoint(first).hash
    replace_note(log, 2, resigned(log.second, stranger, previous_hash=previous))
    error = log.broken()
    assert isinstance(error, CheckpointBrokenError)
    assert (error.number, "none is signed by a key of" in error.problem) == (1, True)


def test_a_forged_export_convinces_nobody(log: Log) -> None:
    """A note by another key, or with another text, is refused before anything is believed."""
    forged = resigned(log.second, Ed25519Keys.fresh())
    changed = log.second.note.replace('"number":2', '"number":1', 1)
    for given in (forged, changed):
        error = log.broken(given)
        assert isinstance(error, CheckpointBrokenError)
        assert "not signed by this registry" in error.problem


def rewrite_all(log: Log) -> None:
    """By somebody who has the key too: events, checkpoints and the events of these."""
    log.forger.rewrite(log.database, FRAUD, 3, actor="principals/eve")
    log.forger.run("DELETE FROM audit_checkpoints")
    own = shard_of("")
    events = log.database.read(lambda tx: tx.events.shard(own, 0, 1000))
    first = next(event for event in events if event.action == "audit.checkpoint")
    log.forger.cut(log.database, own, first.number - 1)


@pytest.mark.parametrize("damage", ["rewritten", "back"])
def test_an_exported_checkpoint_finds_what_the_key_cannot(log: Log, damage: str, url: str) -> None:
    """Who has database and key can make both fit each other, not what was kept elsewhere."""
    exported = log.second.note
    if damage == "rewritten":
        rewrite_all(log)
    else:
        # As a backup of the day before: everything fits, and is older.
        for namespace in NAMESPACES:
            log.forger.cut(log.database, shard_of(namespace), 6)
        log.forger.run("DELETE FROM audit_checkpoints")
    # A server that starts now knows nothing of what was.
    log.database.close()
    with closing(open_database(url, clock=log.clock)) as log.database:
        again = AuditService(database=log.database, clock=log.clock, keys=log.keys)
        again.create(auditor(), request_id="")
        assert verify_evidence(log.database, log.keys).checkpoint_count == 1
        error = log.broken(exported)
    assert isinstance(error, AuditBrokenError)
    assert (error.shard, error.number) == (shard_of(""), 8)
    assert "which checkpoint 2 has seen" in error.problem


def test_nothing_is_signed_on_top_of_damage(log: Log) -> None:
    """A changed event, a log that was cut off, and a changed checkpoint stop the next one."""
    makers: list[Callable[[], None]] = [
        lambda: log.forger.run(
            f"UPDATE events SET actor = 'x' WHERE shard = {FRAUD} AND number = 13"
        ),
        lambda: log.forger.cut(log.database, FRAUD, 9),
        lambda: log.forger.run("UPDATE audit_checkpoints SET note = replace(note, 'root', 'toor')"),
    ]
    for damage in makers:
        damage()
        with pytest.raises((AuditBrokenError, CheckpointBrokenError)):
            log.checkpoint()


def test_checkpoints_never_run_ahead_of_writers(log: Log) -> None:
    """Made and verified while others write, on two servers of one database: they always fit."""
    failures: list[Exception] = []

    def write(namespace: str) -> None:
        try:
            for number in range(60):
                draft = EventDraft(
                    action="model.update",
                    resource=f"models/{namespace}/w{number}",
                    namespace=namespace,
                    actor="principals/ada",
                )
                log.database.write(lambda tx, d=draft: tx.events.append(d))  # type: ignore[misc]
        except HallmarkError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in NAMESPACES * 2]
    for thread in threads:
        thread.start()
    other = AuditService(database=log.database, clock=log.clock, keys=log.keys)
    while any(thread.is_alive() for thread in threads):
        log.checkpoint()
        other.create(auditor(), request_id="")
        verify_evidence(log.database, log.keys)
    for thread in threads:
        thread.join()
    log.checkpoint()
    assert not failures
    assert verify_evidence(log.database, log.keys).event_count >= 360


def test_an_event_that_tells_of_no_checkpoint_is_found(log: Log) -> None:
    """Whatever its resource and its detail say."""
    draft = EventDraft(action="audit.checkpoint", resource="x", namespace="", actor="system")
    log.database.write(lambda tx: tx.events.append(draft))
    error = log.broken()
    assert isinstance(error, CheckpointBrokenError)
    assert "tells of it, and it is missing" in error.problem


def test_each_checkpoint_has_an_event(log: Log) -> None:
    """Its event names its hash, its root and who asked for it."""
    events = log.database.read(lambda tx: tx.events.shard(shard_of(""), 0, 1000))
    own = [event for event in events if event.action == "audit.checkpoint"]
    for event, stored in zip(own, (log.first, log.second), strict=True):
        detail = json.loads(event.detail_json)
        signed = read_checkpoint(stored.note)
        assert (event.resource, event.actor) == (signed.checkpoint.name, "principals/olga")
        assert (detail["hash"], detail["root"]) == (signed.hash, signed.checkpoint.root)


def test_the_table_refuses_changes_by_mistake(log: Log, url: str) -> None:
    """A bug of ours can neither change nor delete a checkpoint."""
    place = make_url(url)
    for statement in ("UPDATE audit_checkpoints SET time_us = 0", "DELETE FROM audit_checkpoints"):
        if log.forger.is_sqlite:
            with (
                closing(sqlite3.connect(place.database or "")) as file,
                pytest.raises(sqlite3.IntegrityError, match="never changed"),
            ):
                file.execute(statement)
            continue
        dsn = place.set(drivername="postgresql").render_as_string(hide_password=False)
        with (
            psycopg.connect(dsn) as server,
            pytest.raises(psycopg.errors.RaiseException, match="never changed"),
        ):
            server.execute(statement.encode())


@pytest.mark.parametrize("shard", [16, -1, 10**6])
def test_an_event_in_a_shard_that_there_is_not_is_named(log: Log, shard: int) -> None:
    """A list by time would show it, though no chain holds it."""
    log.forger.run(
        f"INSERT INTO events SELECT {shard}, number, time_us, 'principals/eve', action, resource, "
        f"namespace, detail_json, previous_hash, hash FROM events "
        f"WHERE shard = {FRAUD} AND number = 14"
    )
    error = log.broken()
    assert isinstance(error, AuditBrokenError)
    assert (error.shard, error.number) == (shard, 14)


def test_a_checkpoint_before_the_first_is_named(log: Log) -> None:
    """Numbers begin at 1: a list would show one that nothing continues, and its key."""
    for number in (0, -3):
        log.forger.run(
            f"INSERT INTO audit_checkpoints SELECT {number}, time_us, note, public_key, "
            "event_count, frontiers FROM audit_checkpoints WHERE number = 2"
        )
        error = log.broken()
        assert isinstance(error, CheckpointBrokenError)
        assert error.number == number
        log.forger.run(f"DELETE FROM audit_checkpoints WHERE number = {number}")
    assert verify_evidence(log.database, log.keys).checkpoint_count == 2
