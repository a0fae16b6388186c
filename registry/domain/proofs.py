"""Proofs as files: all that a verifier needs but the public key, and how they are checked.

Two kinds of JSON objects. `hallmark.proof.v1` shows that an event is in a checkpoint: members
event, size, path, checkpoint (its note), handovers (notes by which one key introduced the next).
`hallmark.consistency.v1` shows that the log of one checkpoint is the beginning of another's:
members old, new (their notes), shards (each with shard, old_size, new_size, path), handovers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from registry.domain.checkpoints import SignedCheckpoint, leaf_of, read_checkpoint
from registry.domain.events import Event, event_hash
from registry.domain.merkle import verify_consistency, verify_inclusion
from registry.errors import InvalidFieldError

PROOF = "hallmark.proof.v1"
CONSISTENCY = "hallmark.consistency.v1"
PATH_MAX = 64

Verify = Callable[[str, bytes, bytes], bool]


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What a proof shows; `event` is None where it is about two checkpoints."""

    event: Event | None
    old: int
    checkpoint: int


class NotProvenError(Exception):
    """The proof shows nothing; the text says why."""


def event_content(event: Event) -> dict[str, object]:
    """An event as JSON, from which its hash can be made again."""
    return {
        "schema": "hallmark.event.v1",
        "shard": event.shard,
        "number": event.number,
        "time_us": event.time_us,
        "actor": event.actor,
        "action": event.action,
        "resource": event.resource,
        "namespace": event.namespace,
        "detail": event.detail_json,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


def event_of(content: object) -> Event:
    """The event of such JSON; InvalidFieldError for another shape, ours or not."""
    try:
        assert isinstance(content, Mapping)
        event = Event(
            shard=content["shard"],
            number=content["number"],
            time_us=content["time_us"],
            actor=content["actor"],
            action=content["action"],
            resource=content["resource"],
            namespace=content["namespace"],
            detail_json=content["detail"],
            previous_hash=content["previous_hash"],
            hash=content["hash"],
        )
    except (AssertionError, KeyError) as cause:
        raise _refusal("event") from cause
    numbers = (event.shard, event.number, event.time_us)
    texts = (event.actor, event.action, event.resource, event.namespace, event.detail_json)
    hashes = (event.previous_hash, event.hash)
    if not all(type(number) is int for number in numbers):
        raise _refusal("event")
    if not all(isinstance(text, str) for text in (*texts, *hashes)):
        raise _refusal("event")
    return event


def check_proof(content: Mapping[str, object], believed: Collection[str], verify: Verify) -> Proven:
    """What a proof's file shows, by keys (64 hex) that are believed.

    Raises NotProvenError where it shows nothing, and InvalidFieldError where it is no such file.
    """
    schema = content.get("schema")
    if schema == PROOF:
        return _check_event(content, believed, verify)
    if schema == CONSISTENCY:
        return _check_consistency(content, believed, verify)
    raise _refusal("schema")


def _check_event(
    content: Mapping[str, object], believed: Collection[str], verify: Verify
) -> Proven:
    signed = _trusted(content, "checkpoint", believed, verify)
    event = event_of(content.get("event"))
    parts = {name: value for name, value in vars(event).items() if name != "hash"}
    if event_hash(**parts) != event.hash:
        raise NotProvenError(f"{event.name} was changed: its content does not have its hash")
    shards = signed.checkpoint.shards
    if not 0 <= event.shard < len(shards):
        raise NotProvenError(f"{event.name} is in no shard of the checkpoint")
    tree = shards[event.shard]
    found = verify_inclusion(
        leaf_of(event.hash),
        index=event.number - 1,
        size=tree.size,
        path=_path(content.get("path")),
        root=bytes.fromhex(tree.root),
    )
    if not found:
        raise NotProvenError(f"{event.name} is not in {signed.checkpoint.name} by this path")
    return Proven(event=event, old=0, checkpoint=signed.checkpoint.number)


def _check_consistency(
    content: Mapping[str, object], believed: Collection[str], verify: Verify
) -> Proven:
    old = _trusted(content, "old", believed, verify).checkpoint
    new = _trusted(content, "new", believed, verify).checkpoint
    parts = content.get("shards")
    if not isinstance(parts, Sequence) or len(parts) != len(old.shards):
        raise _refusal("shards")
    for was, now, part in zip(old.shards, new.shards, parts, strict=True):
        fits = isinstance(part, Mapping) and verify_consistency(
            old=was.size,
            new=now.size,
            path=_path(part.get("path")),
            old_root=bytes.fromhex(was.root),
            new_root=bytes.fromhex(now.root),
        )
        if not fits:
            raise NotProvenError(
                f"shard {was.shard} of {old.name} is not the beginning of that of {new.name}"
            )
    return Proven(event=None, old=old.number, checkpoint=new.number)


def _trusted(
    content: Mapping[str, object], member: str, believed: Collection[str], verify: Verify
) -> SignedCheckpoint:
    """The checkpoint in a member, signed by a key that is believed or was introduced by one."""
    keys = set(believed)
    handovers = content.get("handovers", [])
    if not isinstance(handovers, Sequence):
        raise _refusal("handovers")
    for text in handovers:
        note = _read(text, "handovers")
        if note.checkpoint.public_key in keys and _is_signed(note, verify):
            keys.add(note.checkpoint.successor_key)
    signed = _read(content.get(member), member)
    if signed.checkpoint.public_key not in keys:
        key = signed.checkpoint.public_key
        raise NotProvenError(
            f"{signed.checkpoint.name} is signed by {key[:16]}..., not by a key that is believed"
        )
    if not _is_signed(signed, verify):
        raise NotProvenError(f"the signature of {signed.checkpoint.name} does not fit")
    return signed


def _is_signed(signed: SignedCheckpoint, verify: Verify) -> bool:
    data = signed.note.text.encode()
    return verify(signed.checkpoint.public_key, data, signed.note.signature)


def _read(text: object, member: str) -> SignedCheckpoint:
    if not isinstance(text, str):
        raise _refusal(member)
    return read_checkpoint(text)


def _path(value: object) -> list[bytes]:
    if not isinstance(value, Sequence) or len(value) > PATH_MAX:
        raise _refusal("path")
    try:
        return [bytes.fromhex(node) for node in value]
    except (TypeError, ValueError) as cause:
        raise _refusal("path") from cause


def _refusal(member: str) -> InvalidFieldError:
    return InvalidFieldError(
        field=member,
        found="nothing, or something of another kind",
        expected="what hallmark audit prove writes",
        fix="Give the file as it was written, unchanged.",
    )
