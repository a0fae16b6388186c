"""Checkpoints: what a signed note says of the whole audit log at one moment.

A leaf of a shard's tree is the event's hash as 32 bytes. That hash covers all of the event and, by
its previous hash, all events before; so a leaf is checked with nothing but the event's JSON, and
whoever holds a checkpoint need not be shown other events. The trees of all shards have one root
more over them, whose leaves are the members of `shards` as canonical JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.domain.canonical import canonical_json, load_canonical
from registry.domain.events import GENESIS, SHARDS, Head
from registry.domain.merkle import EMPTY, Frontier, leaf_hash, root_of
from registry.domain.notes import Note, parse_note
from registry.errors import InvalidFieldError

SCHEMA = "hallmark.checkpoint.v1"
#: What a checkpoint's own event is called; its resource is the checkpoint.
ACTION = "audit.checkpoint"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ShardTree:
    """A shard's first `size` events: root of their tree, and the hash of the last of them."""

    shard: int
    size: int
    root: str
    hash: str

    @property
    def content(self) -> dict[str, object]:
        return {"hash": self.hash, "root": self.root, "shard": self.shard, "size": self.size}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    number: int
    time_us: int
    #: All of them, by shard, those without an event too.
    shards: tuple[ShardTree, ...]
    #: 64 hex: sha256 of the text of the checkpoint before; zeros for the first.
    previous_hash: str
    #: The Ed25519 key that signs it, as 64 hex.
    public_key: str
    #: The key that signs the next one, where that is another.
    next_key: str = ""
    #: The key that had to sign it, where that was lost: a new beginning, by a key which no earlier
    #: checkpoint vouches for.
    lost_key: str = ""

    @property
    def name(self) -> str:
        return f"checkpoints/{self.number}"

    @property
    def event_count(self) -> int:
        return sum(tree.size for tree in self.shards)

    @property
    def root(self) -> str:
        return root_of(leaf_hash(canonical_json(tree.content)) for tree in self.shards).hex()

    @property
    def successor_key(self) -> str:
        """The key that has to sign the next one."""
        return self.next_key or self.public_key

    @property
    def text(self) -> str:
        """What is signed: the schema, then one line of canonical JSON."""
        content = {
            "key": self.public_key,
            "next_key": self.next_key,
            "number": self.number,
            "previous": self.previous_hash,
            "root": self.root,
            "schema": SCHEMA,
            "shards": [tree.content for tree in self.shards],
            "time_us": self.time_us,
            **({"lost_key": self.lost_key} if self.lost_key else {}),
        }
        return f"{SCHEMA}\n{canonical_json(content).decode()}\n"


@dataclass(frozen=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint as it lies in the database: its note, and what the next one grows from."""

    number: int
    time_us: int
    note: str
    public_key: str
    event_count: int
    #: By shard; None where it was lost, and has to be made from the events again.
    frontiers: tuple[Frontier, ...] | None


@dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """A note that was read, and what it says. Nothing of it is proven yet."""

    checkpoint: Checkpoint
    note: Note

    @property
    def hash(self) -> str:
        return self.note.hash


def read_checkpoint(text: str) -> SignedCheckpoint:
    """What a note says; InvalidFieldError where it is none of a checkpoint."""
    note = parse_note(text)
    schema, _, line = note.text.partition("\n")
    if schema != SCHEMA:
        raise _refusal(f"a note of {schema[:60]!r}")
    try:
        checkpoint = _of(load_canonical(line.removesuffix("\n").encode(), field="checkpoint"))
    except (KeyError, TypeError, ValueError) as cause:
        raise _refusal("members that are missing or of another kind") from cause
    if checkpoint.text != note.text:
        raise _refusal("a root or members that do not fit each other")
    return SignedCheckpoint(checkpoint=checkpoint, note=note)


def trees_of(heads: Sequence[Head], frontiers: Sequence[Frontier]) -> tuple[ShardTree, ...]:
    """What a checkpoint says of shards that end at these heads."""
    return tuple(
        ShardTree(shard=head.shard, size=tree.size, root=tree.root.hex(), hash=head.hash)
        for head, tree in zip(heads, frontiers, strict=True)
    )


def leaf_of(event_hash: str) -> bytes:
    """The leaf of an event, hashed."""
    return leaf_hash(bytes.fromhex(event_hash))


def fits(trees: Iterable[ShardTree], frontiers: Sequence[Frontier] | None) -> bool:
    """Whether frontiers that were kept are those of these trees."""
    listed = list(trees)
    return (
        frontiers is not None
        and len(frontiers) == len(listed)
        and all(
            kept.is_sound and kept.size == tree.size and kept.root.hex() == tree.root
            for tree, kept in zip(listed, frontiers, strict=True)
        )
    )


#: Of a log without any event.
EMPTY_TREES = tuple(
    ShardTree(shard=shard, size=0, root=EMPTY.root.hex(), hash=GENESIS) for shard in range(SHARDS)
)


def _of(content: object) -> Checkpoint:
    if not isinstance(content, dict):
        raise TypeError("no object")
    shards = tuple(
        ShardTree(
            shard=_number(each["shard"]),
            size=_number(each["size"]),
            root=_hash(each["root"]),
            hash=_hash(each["hash"]),
        )
        for each in content["shards"]
    )
    if [tree.shard for tree in shards] != list(range(SHARDS)):
        raise ValueError("other shards")
    return Checkpoint(
        number=_number(content["number"]),
        time_us=_number(content["time_us"]),
        shards=shards,
        previous_hash=_hash(content["previous"]),
        public_key=_hash(content["key"]),
        next_key=_hash(content["next_key"]) if content["next_key"] else "",
        lost_key=_hash(content["lost_key"]) if "lost_key" in content else "",
    )


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(value)
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise TypeError(value)
    return value


def _refusal(found: str) -> InvalidFieldError:
    return InvalidFieldError(
        field="checkpoint",
        found=found,
        expected="a checkpoint of an audit log, as hallmark audit checkpoint prints it",
        fix="Give the file as it was exported, unchanged.",
    )
