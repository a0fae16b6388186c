"""The key that signs checkpoints is lost: a new beginning, told of and never silent."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.auth.signing import Ed25519Keys
from registry.domain.access import Caller, Role
from registry.domain.checkpoints import read_checkpoint
from registry.domain.events import EventDraft
from registry.errors import (
    CheckpointBrokenError,
    InvalidFieldError,
    InvalidStateError,
    PermissionDeniedError,
    StorageError,
)
from registry.ports.tables import EventQuery
from registry.services.audit import AuditService
from registry.services.verification import verify_evidence
from registry.testing.world import World, grant


class Log:
    """Two checkpoints by a key, and then only another is there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old, self.new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.ann = world.caller("ann", grant(Role.ADMIN))
        for _ in range(2):
            self.happen()
            self.by(self.old).create(self.ann, request_id="")
        self.happen()

    def by(self, *keys: Ed25519PrivateKey) -> AuditService:
        return AuditService(
            database=self.world.database, clock=self.world.clock, keys=Ed25519Keys(list(keys))
        )

    def happen(self) -> None:
        draft = EventDraft(action="a.b", resource="x", namespace="fraud", actor="principals/ada")
        self.world.clock.advance(1_000)
        self.world.database.write(lambda tx: tx.events.append(draft))

    def begin_anew(self, *keys: Ed25519PrivateKey, lost: Ed25519PrivateKey) -> None:
        self.by(*keys).replace_lost_key(
            self.ann, lost_key=public(lost), note="a fire", request_id=""
        )


def public(key: Ed25519PrivateKey) -> str:
    return Ed25519Keys([key]).public_keys[0]


@pytest.fixture
def log(world: World) -> Log:
    return Log(world)


def test_a_new_beginning_is_told_of(log: Log) -> None:
    """Checkpoints go on by the new key, and verifying names the place from then on."""
    with pytest.raises(StorageError, match="replace-lost-key"):
        log.by(log.new).create(log.ann, request_id="")
    log.begin_anew(log.new, lost=log.old)
    log.happen()
    log.by(log.new).create(log.ann, request_id="")
    for believed in ([log.new], [log.old, log.new]):
        found = verify_evidence(log.world.database, Ed25519Keys(believed))
        (beginning,) = found.beginnings
        assert found.checkpoint_count == 4
        assert (beginning.checkpoint, beginning.lost_key) == (3, public(log.old))
        assert beginning.public_key == public(log.new)
    said = read_checkpoint(log.by(log.new).since(2, 1)[0].note).checkpoint
    before = read_checkpoint(log.by(log.new).since(1, 1)[0].note)
    assert (said.previous_hash, said.lost_key) == (before.hash, public(log.old))


def test_who_believes_the_lost_key_alone_is_not_content(log: Log) -> None:
    """Whoever owns the database could begin anew with a key of his own."""
    log.begin_anew(log.new, lost=log.old)
    with pytest.raises(CheckpointBrokenError, match="begins anew by key") as caught:
        verify_evidence(log.world.database, Ed25519Keys([log.old]))
    assert caught.value.number == 3
    kept = [stored.note for stored in log.by(log.old).since(0, 2)]
    with pytest.raises(CheckpointBrokenError, match="begins anew by key"):
        verify_evidence(log.world.database, Ed25519Keys([log.old]), given=kept)
    found = verify_evidence(log.world.database, Ed25519Keys([log.new]), given=kept)
    assert found.checkpoint_count == 3


def test_keys_may_be_lost_twice(log: Log) -> None:
    """The last key leads back to all before it, and handing over works between."""
    third = Ed25519PrivateKey.generate()
    fourth = Ed25519PrivateKey.generate()
    log.begin_anew(log.new, lost=log.old)
    log.happen()
    log.by(log.new, third).create(log.ann, request_id="")
    log.happen()
    log.begin_anew(fourth, lost=third)
    found = verify_evidence(log.world.database, Ed25519Keys([fourth]))
    assert [each.checkpoint for each in found.beginnings] == [3, 5]
    for believed, number in ((log.old, 3), (log.new, 5), (third, 5)):
        with pytest.raises(CheckpointBrokenError) as caught:
            verify_evidence(log.world.database, Ed25519Keys([believed]))
        assert caught.value.number == number


def test_only_a_key_that_is_lost_is_replaced(log: Log) -> None:
    """One that is there hands over; another than the due one was a mistake; two callers, once."""
    with pytest.raises(InvalidStateError, match="hallmark audit rotate-key"):
        log.begin_anew(log.old, log.new, lost=log.old)
    with pytest.raises(InvalidFieldError, match="has to sign next"):
        log.begin_anew(log.new, lost=log.new)
    log.begin_anew(log.new, lost=log.old)
    with pytest.raises(InvalidFieldError, match="has to sign next"):
        log.begin_anew(log.new, lost=log.old)


def test_a_repeat_gets_the_same_beginning(log: Log) -> None:
    """By its request_id, whatever came after."""
    service, given = log.by(log.new), {"lost_key": public(log.old), "note": "a fire"}
    first = service.replace_lost_key(log.ann, **given, request_id="r1")
    assert service.replace_lost_key(log.ann, **given, request_id="r1").number == first.number


def test_a_new_beginning_is_in_the_log(log: Log) -> None:
    """Who said so, and why."""
    log.begin_anew(log.new, lost=log.old)
    query = EventQuery(namespace=None, action="audit.replace_key")
    (event,) = log.world.database.read(lambda tx: tx.events.list(query, None, 10))
    assert (event.actor, event.resource) == ("principals/ann", "checkpoints/3")
    assert json.loads(event.detail_json) == {
        "lost_key": public(log.old),
        "key": public(log.new),
        "note": "a fire",
    }


def test_it_takes_an_admin_of_everything(log: Log) -> None:
    """Auditors, and admins of a namespace, may not."""
    others: list[Caller] = [
        log.world.caller("olga", grant(Role.AUDITOR)),
        log.world.caller("bob", grant(Role.ADMIN, "fraud")),
    ]
    for caller in others:
        with pytest.raises(PermissionDeniedError):
            log.by(log.new).replace_lost_key(
                caller, lost_key=public(log.old), note="n", request_id=""
            )
    with pytest.raises(InvalidFieldError, match="note"):
        log.by(log.new).replace_lost_key(log.ann, lost_key=public(log.old), note="", request_id="")
