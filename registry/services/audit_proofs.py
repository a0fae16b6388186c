"""Proofs against checkpoints: that an event is in one, and that one log goes on from another.

Each is checked before it is handed out: on a log that somebody changed it would prove nothing, and
whoever asked had better hear of that here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from registry.domain.access import REGISTRY_WIDE, Action, Caller
from registry.domain.checkpoints import ShardTree, StoredCheckpoint, leaf_of
from registry.domain.events import Event, problem_of
from registry.domain.merkle import (
    EMPTY,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from registry.errors import (
    AuditBrokenError,
    CallCancelledError,
    InvalidFieldError,
    NotFoundError,
    QuotaError,
)
from registry.names import EventName
from registry.ports.database import Database, Transaction
from registry.ports.signing import SigningKeys
from registry.services.audit import checkpoint_of, require_all
from registry.services.events import shown_to
from registry.services.verification import heads_of, signed_by

HASH_ROWS = 20_000
PROOFS_MAX = 2
_REWRITTEN = (
    "its shard no longer leads to the checkpoint's root, so it or another event was rewritten; the "
    "first bad one is named by hallmark audit verify"
)


@dataclass(frozen=True, kw_only=True)
class EventProof:
    """An event, its place in its shard's tree, and the checkpoint that names that tree's root."""

    event: Event
    size: int
    #: 64 hex each, leaf upwards.
    path: tuple[str, ...]
    checkpoint: str
    #: Checkpoints by which one key introduced the next, up to that one, oldest first.
    handovers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShardConsistency:
    shard: int
    old_size: int
    new_size: int
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConsistencyProof:
    old: str
    new: str
    shards: tuple[ShardConsistency, ...]


class AuditProofs:
    def __init__(self, *, database: Database, keys: SigningKeys) -> None:
        self._database = database
        self._keys = keys
        self._proofs = threading.BoundedSemaphore(PROOFS_MAX)

    def prove_event(
        self, caller: Caller, name: EventName, *, checkpoint: int, is_active: Callable[[], bool]
    ) -> EventProof:
        """That an event is in a checkpoint. Reads the hashes of its shard."""
        require_all(caller)
        shard, number = name.shard, name.number

        def fn(tx: Transaction) -> tuple[Event | None, StoredCheckpoint, list[str]]:
            found = [
                each for each in tx.events.shard(shard, number - 1, 1) if each.number == number
            ]
            if not found and number > heads_of(tx)[shard].number:
                raise NotFoundError(kind="event", name=str(name), fix="List them: hallmark events")
            stored = checkpoint_of(tx, checkpoint)
            return next(iter(found), None), stored, list(_handovers(tx, stored.number))

        event, stored, handovers = self._database.snapshot(fn)
        said = signed_by(stored, self._keys.verify).checkpoint
        tree = said.shards[shard]
        if event is None:
            raise AuditBrokenError(shard=shard, number=number, problem="it is missing")
        if number > tree.size:
            raise NotFoundError(
                kind="proof",
                name=f"{name} in {said.name}, which ends at event {tree.size} of that shard",
                fix="Make a checkpoint first: hallmark audit checkpoint",
            )
        if shown_to(caller, event) != event:
            # It names what the caller may not read, and without that it proves nothing.
            raise caller.refusal(Action.VERSION_READ, REGISTRY_WIDE, str(name))
        with self._proving():
            path = inclusion_proof(
                number - 1, tree.size, lambda start, end: self._root(shard, start, end, is_active)
            )
        _check_inclusion(event, tree, path)
        return EventProof(
            event=event,
            size=tree.size,
            path=tuple(node.hex() for node in path),
            checkpoint=stored.note,
            handovers=tuple(handovers),
        )

    def prove_consistency(
        self, caller: Caller, old: int, new: int, *, is_active: Callable[[], bool]
    ) -> ConsistencyProof:
        """That a checkpoint's log is the beginning of a later one's."""
        require_all(caller)
        pair = self._database.read(lambda tx: (checkpoint_of(tx, old), checkpoint_of(tx, new)))
        before, after = (signed_by(stored, self._keys.verify).checkpoint for stored in pair)
        if before.number > after.number:
            raise InvalidFieldError(
                field="old",
                found=str(before.number),
                expected=f"at most {after.number}, the new one's",
                fix="Name the older one first.",
            )
        with self._proving():
            shards = tuple(
                ShardConsistency(
                    shard=was.shard,
                    old_size=was.size,
                    new_size=now.size,
                    path=tuple(
                        node.hex()
                        for node in consistency_proof(
                            was.size,
                            now.size,
                            lambda start, end, s=was.shard: self._root(s, start, end, is_active),  # type: ignore[misc]
                        )
                    ),
                )
                for was, now in zip(before.shards, after.shards, strict=True)
            )
        for was, now, shard in zip(before.shards, after.shards, shards, strict=True):
            _check_consistency(was, now, shard)
        return ConsistencyProof(old=pair[0].note, new=pair[1].note, shards=shards)

    def _root(self, shard: int, start: int, end: int, is_active: Callable[[], bool]) -> bytes:
        """Of a part of a shard's leaves."""
        frontier, at = EMPTY, start
        while at < end:
            if not is_active():
                raise CallCancelledError(what="Proving")
            hashes = self._hashes(shard, at, min(HASH_ROWS, end - at))
            if not hashes:
                raise AuditBrokenError(shard=shard, number=at + 1, problem="it is missing")
            frontier = frontier.grown(map(leaf_of, hashes))
            at += len(hashes)
        return frontier.root

    def _hashes(self, shard: int, after: int, limit: int) -> Sequence[str]:
        return self._database.read(lambda tx: tx.events.hashes(shard, after, limit))

    @contextmanager
    def _proving(self) -> Iterator[None]:
        if not self._proofs.acquire(blocking=False):
            raise QuotaError(
                what="Proofs that are made at once",
                found=PROOFS_MAX + 1,
                limit=PROOFS_MAX,
                fix="Wait until one has ended.",
            )
        try:
            yield
        finally:
            self._proofs.release()


def _check_inclusion(event: Event, tree: ShardTree, path: Sequence[bytes]) -> None:
    problem = problem_of(event, number=event.number, previous_hash=event.previous_hash)
    if problem is None and not verify_inclusion(
        leaf_of(event.hash),
        index=event.number - 1,
        size=tree.size,
        path=path,
        root=bytes.fromhex(tree.root),
    ):
        problem = _REWRITTEN
    if problem is not None:
        raise AuditBrokenError(shard=event.shard, number=event.number, problem=problem)


def _check_consistency(was: ShardTree, now: ShardTree, proof: ShardConsistency) -> None:
    if not verify_consistency(
        old=was.size,
        new=now.size,
        path=[bytes.fromhex(node) for node in proof.path],
        old_root=bytes.fromhex(was.root),
        new_root=bytes.fromhex(now.root),
    ):
        raise AuditBrokenError(shard=was.shard, number=1, problem=_REWRITTEN)


def _handovers(tx: Transaction, number: int) -> Iterator[str]:
    """Notes of the checkpoints before this one that introduced another key."""
    for use in tx.checkpoints.key_uses():
        if use.last < number and (stored := tx.checkpoints.get(use.last)) is not None:
            yield stored.note
