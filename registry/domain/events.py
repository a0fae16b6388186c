"""Audit events: a hash chain per shard, so no record can be changed, dropped or moved unseen."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from registry.domain.canonical import canonical_json, quoted, utf8

SHARDS = 16
#: Hash before the first event of a shard.
GENESIS = "0" * 64
#: Actor of what the registry does by itself.
SYSTEM = "system"


@lru_cache(maxsize=4096)
def shard_of(namespace: str) -> int:
    """The shard that keeps a namespace's events; registry-wide ones ("") have theirs too."""
    return zlib.crc32(namespace.encode()) % SHARDS


@dataclass(frozen=True, kw_only=True)
class EventDraft:
    """What happened, before it has its place in the chain."""

    action: str
    #: Resource name.
    resource: str
    #: Empty for registry-wide ones.
    namespace: str
    #: "principals/{id}" or "system".
    actor: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Event:
    shard: int
    number: int
    time_us: int
    actor: str
    action: str
    resource: str
    namespace: str
    detail_json: str
    previous_hash: str
    hash: str

    @property
    def name(self) -> str:
        return f"shards/{self.shard}/events/{self.number}"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last event of a shard."""

    shard: int
    number: int
    hash: str


@dataclass(frozen=True, kw_only=True)
class NewBeginning:
    """A checkpoint that another key signed than the one that had to, since that was lost."""

    checkpoint: int
    time_us: int
    lost_key: str
    public_key: str


@dataclass(frozen=True, kw_only=True)
class ChainSummary:
    """An intact log. To be compared with that of an earlier day: what was cut off is not there."""

    event_count: int
    #: Of each shard that holds any event, by shard.
    heads: tuple[Head, ...]
    #: How many checkpoints it was compared with.
    checkpoint_count: int = 0
    #: Where a key was lost and another began anew, oldest first. That the log is still the same
    #: there, none but the operator can vouch for.
    beginnings: tuple[NewBeginning, ...] = ()


def event_hash(
    *,
    shard: int,
    number: int,
    time_us: int,
    actor: str,
    action: str,
    resource: str,
    namespace: str,
    detail_json: str,
    previous_hash: str,
) -> str:
    """sha256, as 64 hex, of the event's canonical JSON.

    An object of exactly these members: action, actor, detail (the JSON text as a string),
    namespace, number, previous_hash, resource, schema ("hallmark.event.v1"), shard, time_us.
    """
    content = (
        f'{{"action":{quoted(action)},"actor":{quoted(actor)},"detail":{quoted(detail_json)},'
        f'"namespace":{quoted(namespace)},"number":{number},'
        f'"previous_hash":{quoted(previous_hash)},"resource":{quoted(resource)},'
        f'"schema":"hallmark.event.v1","shard":{shard},"time_us":{time_us}}}'
    )
    return hashlib.sha256(utf8(content, field="event")).hexdigest()


def chain(draft: EventDraft, *, number: int, previous_hash: str, time_us: int) -> Event:
    """The event in its place behind `previous_hash`."""
    shard = shard_of(draft.namespace)
    detail_json = canonical_json(draft.detail).decode()
    return Event(
        shard=shard,
        number=number,
        time_us=time_us,
        actor=draft.actor,
        action=draft.action,
        resource=draft.resource,
        namespace=draft.namespace,
        detail_json=detail_json,
        previous_hash=previous_hash,
        hash=event_hash(
            shard=shard,
            number=number,
            time_us=time_us,
            actor=draft.actor,
            action=draft.action,
            resource=draft.resource,
            namespace=draft.namespace,
            detail_json=detail_json,
            previous_hash=previous_hash,
        ),
    )


def problem_of(event: Event, *, number: int, previous_hash: str) -> str | None:
    """What is wrong with an event that should stand at `number` behind `previous_hash`, or None."""
    if event.number != number:
        return f"number {event.number} stands where {number} belongs: records are missing or moved"
    texts = (event.actor, event.action, event.resource, event.namespace, event.detail_json)
    if not all(isinstance(text, str) for text in (*texts, event.previous_hash, event.hash)):
        # SQLite keeps bytes, or nothing, in any column.
        return "it holds bytes or nothing where text belongs"
    if event.shard != shard_of(event.namespace):
        return f"its namespace {event.namespace!r} belongs to shard {shard_of(event.namespace)}"
    if event.previous_hash != previous_hash:
        return "it does not continue the record before it"
    found = event_hash(
        shard=event.shard,
        number=event.number,
        time_us=event.time_us,
        actor=event.actor,
        action=event.action,
        resource=event.resource,
        namespace=event.namespace,
        detail_json=event.detail_json,
        previous_hash=event.previous_hash,
    )
    if found != event.hash:
        return f"its content hashes to {found[:16]}..., recorded was {event.hash[:16]}..."
    return None
