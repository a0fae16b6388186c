"""The audit log verified against its checkpoints, and against those that were kept elsewhere.

The chain of hashes alone shows a record that was changed by itself. Who recomputes all that follows
is found by the checkpoints: he cannot sign new ones. Who can, since he has the key too, is found by
a checkpoint that was exported before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from registry.domain.checkpoints import (
    ACTION,
    SignedCheckpoint,
    StoredCheckpoint,
    leaf_of,
    read_checkpoint,
)
from registry.domain.events import (
    GENESIS,
    SHARDS,
    ChainSummary,
    Event,
    Head,
    problem_of,
)
from registry.domain.merkle import EMPTY, Frontier
from registry.errors import (
    AuditBrokenError,
    CallCancelledError,
    CheckpointBrokenError,
    HallmarkError,
    InvalidFieldError,
)
from registry.ports.database import Database, Transaction
from registry.ports.signing import SigningKeys, Verify

#: How many events are held at once while the log is verified.
VERIFY_ROWS = 500
CHECKPOINT_ROWS = 200
#: Below every number that a table can hold.
NUMBER_MIN = -(2**63)
_NEVER_ENDS: Callable[[], bool] = lambda: True  # noqa: E731 - a default that reads as one


@dataclass(frozen=True, kw_only=True)
class Ends:
    """A shard as its head tells of it, and what stands where nothing should, all at one moment."""

    head: Head
    #: Numbers of an event before the first, and of one behind the last; None where there is none.
    before: int | None
    behind: int | None


class _Anchors:
    """What checkpoints say of the log, and the first thing that is wrong with them.

    A year has 50,000 checkpoints: kept of each is what they are compared by, once.
    """

    def __init__(self) -> None:
        #: By shard: (size, root, number of the first checkpoint that names them).
        self.marks: list[list[tuple[int, str, int]]] = [[] for _ in range(SHARDS)]
        #: Of the database's own, by number.
        self.hashes: dict[int, str] = {}
        self.keys: set[str] = set()
        self.problem: HallmarkError | None = None

    def add(self, signed: SignedCheckpoint) -> None:
        said = signed.checkpoint
        self.keys |= {said.public_key, said.successor_key}
        for tree in said.shards:
            marks = self.marks[tree.shard]
            if not marks or (tree.size, tree.root) != marks[-1][:2]:
                marks.append((tree.size, tree.root, said.number))

    def blame(self, number: int, problem: str) -> None:
        if self.problem is None:
            self.problem = CheckpointBrokenError(number=number, problem=problem)


def verify_chain(database: Database, is_active: Callable[[], bool] = _NEVER_ENDS) -> ChainSummary:
    """Recompute every hash up to where the log ends now, without a look at checkpoints.

    Raises AuditBrokenError for the first bad record of the lowest shard that has one, and
    CallCancelledError soon after `is_active` turns false.
    """
    ends = database.snapshot(all_ends)
    for shard in ends:
        _verify_shard(database, shard, [], is_active)
    return _summary(ends, 0)


def verify_evidence(
    database: Database,
    keys: SigningKeys,
    *,
    given: Sequence[str] = (),
    trusted: Collection[str] = (),
    is_active: Callable[[], bool] = _NEVER_ENDS,
) -> ChainSummary:
    """Recompute every hash, and every root that a checkpoint names: stored ones and `given` notes.

    `trusted` are public keys (64 hex) to believe in place of the registry's own. Raises
    AuditBrokenError as verify_chain, CheckpointBrokenError where the log is intact and its
    checkpoints are not, and InvalidFieldError for a given text that is no checkpoint.
    """
    brought = [read_checkpoint(text) for text in given]
    ends, last = database.snapshot(lambda tx: (all_ends(tx), tx.checkpoints.last()))
    believed = set(trusted or keys.public_keys)
    anchors = _stored(database, keys.verify, believed, last.number if last else 0)
    _add_brought(anchors, brought, keys.verify, believed)
    own: dict[str, Event] = {}

    def see(event: Event) -> None:
        if event.action == ACTION:
            own[event.resource] = event

    for shard in ends:
        _verify_shard(database, shard, anchors.marks[shard.head.shard], is_active, see)
    if anchors.problem is None:
        _compare_with_events(anchors, own)
    if anchors.problem is not None:
        raise anchors.problem
    return _summary(ends, len(anchors.hashes))


def verify_signature(signed: SignedCheckpoint, verify: Verify) -> bool:
    """Whether the key that a checkpoint names signed it."""
    data = signed.note.text.encode()
    return verify(signed.checkpoint.public_key, data, signed.note.signature)


def all_ends(tx: Transaction) -> list[Ends]:
    """Of all shards; to be asked in a snapshot."""
    return [_ends(tx, head) for head in heads_of(tx)]


def heads_of(tx: Transaction) -> list[Head]:
    """Of all shards; one that is empty says so."""
    found = {shard: (number, hash) for shard, number, hash in tx.events.heads()}
    empty = (0, GENESIS)
    return [
        Head(shard=shard, number=number, hash=hash)
        for shard in range(SHARDS)
        for number, hash in [found.get(shard, empty)]
    ]


def _summary(ends: Iterable[Ends], checkpoint_count: int) -> ChainSummary:
    heads = [shard.head for shard in ends if shard.head.number]
    return ChainSummary(
        event_count=sum(head.number for head in heads),
        heads=tuple(heads),
        checkpoint_count=checkpoint_count,
    )


def _ends(tx: Transaction, head: Head) -> Ends:
    first = tx.events.shard(head.shard, NUMBER_MIN, 1)
    behind = tx.events.shard(head.shard, head.number, 1)
    return Ends(
        head=head,
        before=first[0].number if first and first[0].number < 1 else None,
        behind=behind[0].number if behind else None,
    )


def _stored(database: Database, verify: Verify, believed: Collection[str], last: int) -> _Anchors:
    """The database's own checkpoints up to the last, or to the first that is wrong."""
    anchors = _Anchors()
    number, previous, key = 0, GENESIS, ""
    while number < last and anchors.problem is None:
        rows = _notes(database, number, min(CHECKPOINT_ROWS, last - number))
        if not rows:
            anchors.blame(number + 1, f"it is missing; the last one is {last}")
        for row in rows:
            number += 1
            try:
                signed = read_checkpoint(row.note)
            except InvalidFieldError as error:
                anchors.blame(number, f"it holds {error.found}")
                break
            problem = _problem_behind(signed, number=number, previous=previous, key=key)
            if problem is None and not verify_signature(signed, verify):
                problem = "its signature does not fit"
            if problem is None and _columns(row) != _columns_of(signed):
                problem = "its columns are not what its note says"
            if problem is not None:
                anchors.blame(number, problem)
                break
            previous, key = signed.hash, signed.checkpoint.successor_key
            anchors.add(signed)
            anchors.hashes[number] = signed.hash
    if anchors.hashes and not anchors.keys & set(believed):
        # Whoever owns the database alone can sign with a key of his own. One by a key that we
        # believe vouches for all before it by its hash, and for those behind by handing over.
        anchors = _Anchors()
        anchors.blame(1, "none is signed by a key of this registry")
    return anchors


def _columns(row: StoredCheckpoint) -> tuple[int, int, str, int]:
    return row.number, row.time_us, row.public_key, row.event_count


def _columns_of(signed: SignedCheckpoint) -> tuple[int, int, str, int]:
    said = signed.checkpoint
    return said.number, said.time_us, said.public_key, said.event_count


def _problem_behind(
    signed: SignedCheckpoint, *, number: int, previous: str, key: str
) -> str | None:
    """What is wrong with the checkpoint that stands behind those before it; None if nothing."""
    said = signed.checkpoint
    if said.number != number:
        return f"number {said.number} stands where {number} belongs: some are missing or moved"
    if said.previous_hash != previous:
        return "it does not continue the checkpoint before it"
    if key and said.public_key != key:
        return "it was signed by a key that no earlier checkpoint introduced"
    return None


def _add_brought(
    anchors: _Anchors,
    brought: Sequence[SignedCheckpoint],
    verify: Verify,
    believed: Collection[str],
) -> None:
    """Checkpoints that were kept elsewhere count as much as stored ones."""
    known = anchors.keys | set(believed)
    for signed in sorted(brought, key=lambda each: each.checkpoint.number):
        said = signed.checkpoint
        if said.public_key not in known or not verify_signature(signed, verify):
            raise CheckpointBrokenError(
                number=said.number, problem="the file that was given is not signed by this registry"
            )
        known.add(said.successor_key)
        stored = anchors.hashes.get(said.number)
        if stored is None:
            anchors.blame(said.number, "it was exported, and is missing here: some were cut off")
        elif stored != signed.hash:
            anchors.blame(said.number, "it is not the one that was exported under this number")
        anchors.add(signed)


def _compare_with_events(anchors: _Anchors, own: dict[str, Event]) -> None:
    """Each checkpoint has its event and each event its checkpoint: they are stored together."""
    for number, hash in anchors.hashes.items():
        event = own.pop(f"checkpoints/{number}", None)
        if event is None:
            anchors.blame(number, "the log has no event of it")
        elif f'"hash":"{hash}"' not in event.detail_json:
            anchors.blame(number, f"{event.name} tells of another one")
    for event in own.values():
        # Behind the last checkpoint anything can have been written.
        digits = event.resource.rpartition("/")[2]
        anchors.blame(
            int(digits) if digits.isascii() and digits.isdecimal() else 0,
            f"{event.name} tells of it, and it is missing",
        )


def _verify_shard(
    database: Database,
    ends: Ends,
    marks: Iterable[tuple[int, str, int]],
    is_active: Callable[[], bool],
    see: Callable[[Event], object] = lambda event: None,
) -> None:
    head = ends.head
    if ends.before is not None:
        before = "it stands before the first"
        raise AuditBrokenError(shard=head.shard, number=ends.before, problem=before)
    watch = _Watch(head.shard, marks)
    number, previous_hash = 0, GENESIS
    watch.see_up_to(0)
    while number < head.number:
        if not is_active():
            raise CallCancelledError(what="Verifying the audit log")
        rows = _read(database, head.shard, number, min(VERIFY_ROWS, head.number - number))
        for event in rows:
            problem = problem_of(event, number=number + 1, previous_hash=previous_hash)
            if problem is not None:
                raise AuditBrokenError(shard=head.shard, number=number + 1, problem=problem)
            number, previous_hash = event.number, event.hash
            watch.grow(event)
            see(event)
        if not rows:
            problem = f"it is missing; the shard's head says that there are {head.number}"
            raise AuditBrokenError(shard=head.shard, number=number + 1, problem=problem)
    if previous_hash != head.hash:
        problem = "it is not the one that the shard's head names as the last"
        raise AuditBrokenError(shard=head.shard, number=number, problem=problem)
    if ends.behind is not None:
        # A list would show it, though it continues nothing.
        problem = f"it stands behind the last, which is {head.number} by the shard's head"
        raise AuditBrokenError(shard=head.shard, number=ends.behind, problem=problem)
    watch.end(number)


class _Watch:
    """Compares a shard, as it is gone through, with what checkpoints say of it."""

    def __init__(self, shard: int, marks: Iterable[tuple[int, str, int]]) -> None:
        self._shard = shard
        #: The nearest one comes last.
        self._ahead = sorted(marks, key=lambda mark: (mark[0], mark[2]), reverse=True)
        self._tree: Frontier = EMPTY
        self._leaves: list[bytes] = []
        #: The last checkpoint that fits, and its size.
        self._fits = (0, 0)

    def grow(self, event: Event) -> None:
        if self._ahead:
            self._leaves.append(leaf_of(event.hash))
            self.see_up_to(event.number)

    def see_up_to(self, size: int) -> None:
        while self._ahead and self._ahead[-1][0] == size:
            _, root, number = self._ahead.pop()
            self._tree, self._leaves = self._tree.grown(self._leaves), []
            if self._tree.root.hex() != root:
                last, at = self._fits
                since = f"checkpoint {last}" if last else "the beginning"
                raise AuditBrokenError(
                    shard=self._shard,
                    number=at + 1,
                    problem=f"checkpoint {number} no longer fits the log, which was rewritten: "
                    f"this is the first event since {since}, up to where it still fits",
                )
            self._fits = (number, size)

    def end(self, size: int) -> None:
        """Raise unless the log reaches as far as every checkpoint."""
        if self._ahead:
            seen, _, number = self._ahead[0]
            raise AuditBrokenError(
                shard=self._shard,
                number=size + 1,
                problem=f"it is missing, with all up to {seen}, which checkpoint {number} "
                "has seen: the log was cut off or put back to an earlier day",
            )


def _notes(database: Database, after: int, limit: int) -> Sequence[StoredCheckpoint]:
    return database.read(lambda tx: tx.checkpoints.list(after, limit))


def _read(database: Database, shard: int, after_number: int, limit: int) -> list[Event]:
    return list(database.read(lambda tx: tx.events.shard(shard, after_number, limit)))
