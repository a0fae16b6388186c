"""AuditService as a client sees it, who checks with the standard library and a signature alone."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.domain.access import Role
from registry.testing.api import Api, code_of, reason_of, refusal
from registry.testing.world import World, grant
from registry.v1 import audit_pb2 as pb
from registry.v1 import models_pb2
from registry.v1.audit_pb2_grpc import AuditServiceStub
from registry.v1.models_pb2_grpc import ModelServiceStub


@pytest.fixture
def stub(world: World, api: Api) -> AuditServiceStub:
    """An auditor's, after ada made nine models."""
    world.claim("fraud")
    ada = ModelServiceStub(api.channel(world.login("ada", grant(Role.REGISTRANT)).secret))
    for number in range(9):
        world.clock.advance(1_000_001)
        ada.CreateModel(
            models_pb2.CreateModelRequest(parent="namespaces/fraud", model_id=f"m{number}")
        )
    return AuditServiceStub(api.channel(world.login("olga", grant(Role.AUDITOR)).secret))


def root_by(path: list[str], leaf: bytes, index: int, size: int) -> str:
    """RFC 9162, 2.1.3.2, with nothing of ours."""
    place, last, node = index, size - 1, leaf
    for text in path:
        sibling = bytes.fromhex(text)
        if place % 2 or place == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        place, last = place // 2, last // 2
    assert last == 0
    return node.hex()


def test_a_proof_is_checked_by_hand(stub: AuditServiceStub) -> None:
    """From the event's hash to the shard's root, and from the key to the note."""
    made = stub.CreateCheckpoint(pb.CreateCheckpointRequest(request_id="r1"))
    batches = list(stub.ExportEvents(pb.ExportEventsRequest(parent="namespaces/fraud")))
    events = [event for batch in batches for event in batch.events]
    assert [event.action for event in events] == ["model.create"] * 9
    (key,) = stub.GetAuditKeys(pb.GetAuditKeysRequest()).keys
    text, _, line = made.note.rpartition("\n\n")
    signature = base64.b64decode(line.split(" ")[2])[4:]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key))
    public.verify(signature, f"{text}\n".encode())
    said = json.loads(text.partition("\n")[2])
    for event in events:
        proof = stub.ProveEvent(pb.ProveEventRequest(name=event.name))
        assert proof.event == event
        _, shard, _, number = event.name.split("/")
        leaf = hashlib.sha256(b"\x00" + bytes.fromhex(event.hash)).digest()
        root = root_by(list(proof.path), leaf, int(number) - 1, proof.size)
        assert root == said["shards"][int(shard)]["root"]
    assert made.hash == hashlib.sha256(f"{text}\n".encode()).hexdigest()


def test_checkpoints_are_found_and_listed(stub: AuditServiceStub) -> None:
    """By name, the newest by a dash, and in pages."""
    made = stub.CreateCheckpoint(pb.CreateCheckpointRequest())
    assert made.name == "checkpoints/1"
    for name in ("checkpoints/1", "checkpoints/-"):
        assert stub.GetCheckpoint(pb.GetCheckpointRequest(name=name)) == made
    assert list(stub.ListCheckpoints(pb.ListCheckpointsRequest()).checkpoints) == [made]
    proof = stub.ProveConsistency(pb.ProveConsistencyRequest(old="checkpoints/1"))
    assert (proof.old, proof.new, len(proof.shards)) == (made.note, made.note, 16)


def test_a_stream_ends_with_an_error_of_ours(stub: AuditServiceStub) -> None:
    """With its reason and fields, as any other call."""
    request = pb.ExportEventsRequest(parent="namespaces/fraud", cursor="x")
    error = refusal(lambda: list(stub.ExportEvents(request)))
    assert (code_of(error), reason_of(error)) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    for bad in ("checkpoints/0", "checkpoints/x", "x", ""):
        error = refusal(lambda name=bad: stub.GetCheckpoint(pb.GetCheckpointRequest(name=name)))  # type: ignore[misc]
        assert code_of(error) == "INVALID_ARGUMENT"
