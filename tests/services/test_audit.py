"""Checkpoints, proofs and exports: what they cover, what repeats, who may."""

from __future__ import annotations

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.auth.signing import Ed25519Keys, parse_public_pem, verify
from registry.domain.access import Caller, Role
from registry.domain.checkpoints import read_checkpoint
from registry.domain.events import Event, EventDraft, shard_of
from registry.domain.notes import Note, parse_note, public_pem, split_notes, verifier_key
from registry.domain.proofs import PROOF, check_proof, event_content
from registry.errors import (
    CallCancelledError,
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    StorageError,
)
from registry.names import EventName
from registry.services.audit import AuditService
from registry.services.audit_export import Batch, ExportFilter, parse_cursor, spell_cursor
from registry.services.audit_proofs import EventProof
from registry.services.verification import verify_evidence
from registry.testing.world import World, grant

MINUTE_US = 60_000_000
EVERYTHING = ExportFilter(namespace=None)


@pytest.fixture
def olga(world: World) -> Caller:
    return world.caller("olga", grant(Role.AUDITOR))


def happen(world: World, count: int = 1, *, namespace: str = "fraud", action: str = "a.b") -> None:
    for number in range(count):
        world.clock.advance(1_000)
        draft = EventDraft(
            action=action,
            resource=f"models/{namespace}/m{number}",
            namespace=namespace,
            actor="principals/ada",
        )
        world.database.write(lambda tx, d=draft: tx.events.append(d))  # type: ignore[misc]


def prove(world: World, caller: Caller, number: int, checkpoint: int = 0) -> EventProof:
    name = EventName(shard=shard_of("fraud"), number=number)
    return world.audit_proofs.prove_event(
        caller, name, checkpoint=checkpoint, is_active=lambda: True
    )


def exported(
    world: World, caller: Caller, wanted: ExportFilter = EVERYTHING, cursor: str = ""
) -> tuple[list[Event], str]:
    batches: list[Batch] = list(world.audit_export.run(caller, wanted, cursor, lambda: True))
    return [event for batch in batches for event in batch.events], batches[-1].cursor


def test_a_checkpoint_is_made_when_something_is_new(world: World, olga: Caller) -> None:
    """Nothing but the event of the last one is nothing new; anything else is."""
    happen(world)
    first = world.audit.create(olga, request_id="")
    assert world.audit.create(olga, request_id="") == world.audit.get(olga, 1)
    happen(world, namespace="")
    second = world.audit.create(olga, request_id="")
    assert (first.number, second.number) == (1, 2)
    assert second.event_count == first.event_count + 2
    said = read_checkpoint(second.note).checkpoint
    assert said.previous_hash == read_checkpoint(first.note).hash


def test_a_repeat_gets_what_the_first_request_made(world: World, olga: Caller) -> None:
    """However much has happened since."""
    happen(world)
    first = world.audit.create(olga, request_id="r1")
    happen(world)
    assert world.audit.create(olga, request_id="r1").number == first.number
    assert world.audit.create(olga, request_id="r2").number == 2


def test_the_registry_makes_one_when_it_is_due(world: World) -> None:
    """Not before the first event, nor before the time is over, nor where nothing is new."""
    every = 10 * MINUTE_US
    world.clock.advance(every)
    assert not world.audit.make_if_due(every)
    happen(world)
    assert not world.audit.make_if_due(every)
    world.clock.advance(every)
    assert world.audit.make_if_due(every)
    assert not world.audit.make_if_due(every)
    world.clock.advance(every)
    assert not world.audit.make_if_due(every)
    happen(world)
    assert world.audit.make_if_due(every)


@pytest.mark.slow
def test_servers_that_ask_at_once_make_one(world: World, olga: Caller) -> None:
    """Numbers have no gap and no double, and the log verifies, whoever makes them."""
    others = [
        AuditService(database=world.database, clock=world.clock, keys=world.audit_keys)
        for _ in range(4)
    ]
    happen(world, 3)

    def work(audit: AuditService) -> None:
        for _ in range(3):
            audit.create(olga, request_id="")
            happen(world)

    threads = [threading.Thread(target=work, args=(audit,)) for audit in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = world.audit.since(0, 100)
    assert [stored.number for stored in made] == list(range(1, len(made) + 1))
    assert verify_evidence(world.database, world.audit_keys).checkpoint_count == len(made)


def test_every_event_is_proven(world: World, olga: Caller) -> None:
    """By the newest checkpoint and by each that covers it, with nothing but the public key."""
    for count in (3, 5):
        happen(world, count)
        world.audit.create(olga, request_id="")
    for number in range(1, 9):
        for checkpoint in (0, 2) if number > 3 else (0, 1, 2):
            found = prove(world, olga, number, checkpoint)
            content = {
                "schema": PROOF,
                "event": event_content(found.event),
                "size": found.size,
                "path": found.path,
                "checkpoint": found.checkpoint,
                "handovers": found.handovers,
            }
            proven = check_proof(content, world.audit_keys.public_keys, verify)
            assert proven.event == found.event


def test_what_no_checkpoint_covers_is_not_proven(world: World, olga: Caller) -> None:
    """Newer events, events and checkpoints that are not there are NOT_FOUND."""
    happen(world, 2)
    with pytest.raises(NotFoundError, match="hallmark audit checkpoint"):
        prove(world, olga, 1)
    world.audit.create(olga, request_id="")
    happen(world)
    for number, checkpoint in ((3, 1), (4, 1), (99, 0), (1, 7)):
        with pytest.raises(NotFoundError):
            prove(world, olga, number, checkpoint)


def test_a_new_key_is_introduced_by_the_old_one(world: World, olga: Caller) -> None:
    """It signs the next checkpoint but one; the old key still leads to it, and may then go."""
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    def service(*keys: Ed25519PrivateKey) -> AuditService:
        return AuditService(
            database=world.database, clock=world.clock, keys=Ed25519Keys(list(keys))
        )

    happen(world)
    service(old).create(olga, request_id="")
    happen(world)
    with pytest.raises(StorageError, match="HALLMARK_AUDIT_KEY_FILE"):
        service(new).create(olga, request_id="")
    handover = service(old, new).create(olga, request_id="")
    assert read_checkpoint(handover.note).checkpoint.next_key == Ed25519Keys([new]).public_keys[0]
    happen(world)
    last = service(new).create(olga, request_id="")
    assert [use.first for use in service(new).keys().uses] == [1, 3]
    assert last.public_key == Ed25519Keys([new]).public_keys[0]
    for trusted in ([old], [new], [old, new]):
        assert verify_evidence(world.database, Ed25519Keys(trusted)).checkpoint_count == 3
    found = prove(world, olga, 3)
    content = {
        "schema": PROOF,
        "event": event_content(found.event),
        "path": found.path,
        "checkpoint": found.checkpoint,
        "handovers": found.handovers,
    }
    assert check_proof(content, Ed25519Keys([old]).public_keys, verify).checkpoint == 3


def test_notes_come_back_as_they_are(world: World, olga: Caller) -> None:
    """Parsed and spelled they are the same, also several in one file; anything else is refused."""
    happen(world)
    notes = [world.audit.create(olga, request_id="").note]
    happen(world)
    notes.append(world.audit.create(olga, request_id="").note)
    assert [str(parse_note(note)) for note in notes] == notes
    assert split_notes("".join(notes)) == notes
    note = notes[0]
    for text in (
        "",
        "x",
        note[:-1],
        note + note,
        note.replace("hallmark-audit", "other"),
        note * 9,
    ):
        with pytest.raises(InvalidFieldError):
            parse_note(text)
    with pytest.raises(InvalidFieldError):
        read_checkpoint(note.replace('"number":1', '"number":"1"'))


def test_public_keys_are_what_other_tools_take(world: World) -> None:
    """The PEM is read back by a library, and a verifier key names hint and key."""
    (key,) = world.audit_keys.public_keys
    assert parse_public_pem(public_pem(key).encode()) == (key,)
    name, hint, encoded = verifier_key(bytes.fromhex(key)).split("+", 2)
    note = Note(text="a\n", hint=bytes.fromhex(hint), signature=b"s" * 64)
    assert (name, len(encoded), parse_note(str(note))) == ("hallmark-audit", 44, note)


@pytest.mark.slow
def test_an_export_has_every_event_once(world: World, olga: Caller) -> None:
    """By time, over all shards; behind its cursor only what came since."""
    for number in range(30):
        happen(world, 25, namespace=f"n{number % 7}")
    events, cursor = exported(world, olga)
    assert len(events) == 750
    assert events == sorted(events, key=lambda each: (each.time_us, each.shard, each.number))
    assert exported(world, olga, cursor=cursor) == ([], cursor)
    happen(world, 3, namespace="n1")
    again, _ = exported(world, olga, cursor=cursor)
    assert [event.namespace for event in again] == ["n1"] * 3


@pytest.mark.slow
def test_an_export_goes_on_at_every_cursor(world: World, olga: Caller) -> None:
    """Cut after any batch and taken up there, the whole is the same."""
    for number in range(4):
        happen(world, 400, namespace=f"n{number}")
    whole, _ = exported(world, olga)
    first = next(world.audit_export.run(olga, EVERYTHING, "", lambda: True))
    rest, _ = exported(world, olga, cursor=first.cursor)
    assert [*first.events, *rest] == whole
    assert parse_cursor(spell_cursor({3: 7, 11: 2**59})) == {3: 7, 11: 2**59}


def test_an_export_takes_what_is_asked_for(world: World, olga: Caller) -> None:
    """A namespace, an action's beginning, a half-open span of time."""
    for number in range(20):
        happen(world, namespace="fraud", action="model.update" if number % 2 else "version.fetch")
        happen(world, namespace="vision")
    everything, _ = exported(world, olga)
    for wanted in (
        ExportFilter(namespace="fraud"),
        ExportFilter(namespace=None, action="version."),
        ExportFilter(namespace="fraud", start_time_us=everything[11].time_us),
        ExportFilter(namespace=None, end_time_us=everything[11].time_us),
        ExportFilter(
            namespace=None,
            start_time_us=everything[7].time_us,
            end_time_us=everything[30].time_us,
        ),
    ):
        expected = [
            event
            for event in everything
            if wanted.namespace in (None, event.namespace)
            and event.action.startswith(wanted.action)
            and event.time_us >= (wanted.start_time_us or 0)
            and event.time_us < (wanted.end_time_us or 2**62)
        ]
        assert exported(world, olga, wanted)[0] == expected


def test_few_exports_run_at_once(world: World, olga: Caller) -> None:
    """A fifth reader waits; one who goes away makes room."""
    happen(world)
    running = [world.audit_export.run(olga, EVERYTHING, "", lambda: True) for _ in range(4)]
    for batches in running:
        next(batches)
    with pytest.raises(QuotaError):
        next(world.audit_export.run(olga, EVERYTHING, "", lambda: True))
    running[0].close()  # type: ignore[attr-defined]
    assert exported(world, olga)[0]
    with pytest.raises(CallCancelledError):
        list(world.audit_export.run(olga, EVERYTHING, "", lambda: False))


@pytest.mark.parametrize("cursor", ["x", "1", "16:1", "1:1,1:2", "2:1,1:1", "1:01", "-1:1", "1:1,"])
def test_other_cursors_are_refused(world: World, olga: Caller, cursor: str) -> None:
    """Only what an export gave out is one."""
    with pytest.raises(InvalidFieldError, match="cursor"):
        world.audit_export.run(olga, EVERYTHING, cursor, lambda: True)


def test_evidence_is_for_auditors_of_everything(world: World) -> None:
    """event.read on one namespace lets export that, and nothing else."""
    ada = world.caller("ada", grant(Role.AUDITOR, "fraud"))
    happen(world)
    assert len(exported(world, ada, ExportFilter(namespace="fraud"))[0]) == 1
    for wanted in (EVERYTHING, ExportFilter(namespace="vision")):
        with pytest.raises(PermissionDeniedError):
            world.audit_export.run(ada, wanted, "", lambda: True)
    with pytest.raises(PermissionDeniedError):
        world.audit.create(ada, request_id="")
    with pytest.raises(PermissionDeniedError):
        prove(world, ada, 1)
    assert len(world.audit.keys().current) == 64
