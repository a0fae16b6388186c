"""The audit log verified against its checkpoints, and against those that were kept elsewhere.

The chain of hashes alone shows a record that was changed by itself. Who recomputes all that follows
is found by the checkpoints: he cannot sign new ones. Who can, since he has the key too, is found by
a checkpoint that was exported before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from registry.domain.checkpoints import (
    ACTION,
    Checkpoint,
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
    NewBeginning,
    problem_of,
    shard_of,
)
from registry.domain.merkle import EMPTY, Frontier
from registry.errors import (
    AuditBrokenError,
    CallCancelledError,
    CheckpointBrokenError,
    DamagedTextError,
    HallmarkError,
    InvalidFieldError,
)
from registry.ports.database import Database, Transaction
from registry.ports.signing import SigningKeys, Verify

#: How many events are held at once while the log is verified.
VERIFY_ROWS = 500
CHECKPOINT_ROWS = 200
#: Below every number that a table can hold, and the last of them: SQLite sorts behind it what is
#: no number.
NUMBER_MIN, NUMBER_MAX = -(2**63), 2**63 - 1
_NEVER_ENDS: Callable[[], bool] = lambda: True  # noqa: E731 - a default that reads as one


@dataclass(frozen=True, kw_only=True)
class _View:
    """What there is to verify, all at one moment."""

    #: Of all shards.
    heads: list[Head]
    #: Shard and number of an event to which no head leads; None where there is none.
    astray: tuple[int, int] | None
    #: A policy set is active and somebody is known, both of which the first start writes down.
    has_begun: bool
    #: The number of the last checkpoint; 0 where there is none.
    last: int
    #: The number of one that stands before the first, or has none; None where there is none.
    stray: int | None


class _Anchors:
    """What checkpoints say of the log, and the first thing that is wrong with them.

    A year has 50,000 checkpoints: kept of each is what they are compared by, once.
    """

    def __init__(self) -> None:
        #: By shard: (size, root, number of the first checkpoint that names them).
        self.marks: list[list[tuple[int, str, int]]] = [[] for _ in range(SHARDS)]
        #: Of the database's own, by number.
        self.hashes: dict[int, str] = {}
        #: All that signed, or were introduced, and those of them since the last new beginning.
        self.keys: set[str] = set()
        self.own_keys: set[str] = set()
        self.beginnings: list[NewBeginning] = []
        self.problem: HallmarkError | None = None

    def add(self, signed: SignedCheckpoint) -> None:
        said = signed.checkpoint
        introduced = {said.public_key, said.successor_key}
        self.keys |= introduced
        self.own_keys |= introduced
        for tree in said.shards:
            marks = self.marks[tree.shard]
            if not marks or (tree.size, tree.root) != marks[-1][:2]:
                marks.append((tree.size, tree.root, said.number))

    def blame(self, number: int, problem: str) -> None:
        if self.problem is None:
            self.problem = CheckpointBrokenError(number=number, problem=problem)

    def begin_anew(self, said: Checkpoint) -> _Anchors:
        """What there was up to here, to fall back to; from here on another key counts."""
        before = _Anchors()
        before.marks = [list(marks) for marks in self.marks]
        before.hashes = dict(self.hashes)
        before.keys, before.own_keys = set(self.keys), self.own_keys
        before.beginnings = list(self.beginnings)
        self.own_keys = set()
        self.beginnings.append(
            NewBeginning(
                checkpoint=said.number,
                time_us=said.time_us,
                lost_key=said.lost_key,
                public_key=said.public_key,
            )
        )
        return before


def verify_chain(database: Database, is_active: Callable[[], bool] = _NEVER_ENDS) -> ChainSummary:
    """Recompute every hash up to where the log ends now, without a look at checkpoints.

    Raises AuditBrokenError for the first bad record of the lowest shard that has one, and
    CallCancelledError soon after `is_active` turns false.
    """
    view = database.snapshot(_view)
    for head in view.heads:
        _verify_shard(database, head, [], is_active)
    _require_whole(view)
    return _summary(view, _Anchors())


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
    view = database.snapshot(_view)
    believed = set(trusted or keys.public_keys)
    anchors = _stored(database, keys.verify, believed, view)
    _add_brought(anchors, brought, keys.verify, believed)
    own: dict[str, Event] = {}

    def see(event: Event) -> None:
        if event.action == ACTION:
            own[event.resource] = event

    for head in view.heads:
        _verify_shard(database, head, anchors.marks[head.shard], is_active, see)
    _require_whole(view)
    if anchors.problem is None:
        _compare_with_events(anchors, own)
    if anchors.problem is not None:
        raise anchors.problem
    return _summary(view, anchors)


def verify_signature(signed: SignedCheckpoint, verify: Verify) -> bool:
    """Whether the key that a checkpoint names signed it."""
    data = signed.note.text.encode()
    return verify(signed.checkpoint.public_key, data, signed.note.signature)


def signed_by(stored: StoredCheckpoint, verify: Verify) -> SignedCheckpoint:
    """What a row says. Nothing is signed or proven on top of one that somebody changed."""
    try:
        signed = read_checkpoint(stored.note)
    except InvalidFieldError as error:
        problem = f"it holds {error.found}"
        raise CheckpointBrokenError(number=stored.number, problem=problem) from error
    if signed.checkpoint.number != stored.number:
        problem = f"its note is that of number {signed.checkpoint.number}"
        raise CheckpointBrokenError(number=stored.number, problem=problem)
    if not verify_signature(signed, verify):
        raise CheckpointBrokenError(number=stored.number, problem="its signature does not fit")
    return signed


def heads_of(tx: Transaction) -> list[Head]:
    """Of all shards; one that is empty says so."""
    found = {shard: (number, hash) for shard, number, hash in tx.events.heads()}
    empty = (0, GENESIS)
    return [
        Head(shard=shard, number=number, hash=hash)
        for shard in range(SHARDS)
        for number, hash in [found.get(shard, empty)]
    ]


def _view(tx: Transaction) -> _View:
    last = tx.checkpoints.list(NUMBER_MAX, 1, newest_first=True)
    first, behind = tx.checkpoints.list(NUMBER_MIN, 1), tx.checkpoints.list(NUMBER_MAX, 1)
    strays = [*behind, *(row for row in first if row.number < 1)]
    return _View(
        heads=heads_of(tx),
        astray=tx.events.astray(),
        has_begun=bool(tx.policies.active() and tx.principals.list(None, 1)),
        last=last[0].number if last else 0,
        stray=strays[0].number if strays else None,
    )


def _require_whole(view: _View) -> None:
    """What no chain shows: events outside of all, and a log that was emptied."""
    if view.astray is not None:
        # A list would show it, though it continues nothing.
        shard, number = view.astray
        problem = "it stands before the first or behind the last of its shard, or in no shard"
        raise AuditBrokenError(shard=shard, number=number, problem=problem)
    if view.has_begun and not any(head.number for head in view.heads):
        problem = "it is missing, as are all others; the first start wrote one"
        raise AuditBrokenError(shard=shard_of(""), number=1, problem=problem)


def _summary(view: _View, anchors: _Anchors) -> ChainSummary:
    heads = [head for head in view.heads if head.number]
    return ChainSummary(
        event_count=sum(head.number for head in heads),
        heads=tuple(heads),
        checkpoint_count=len(anchors.hashes),
        beginnings=tuple(anchors.beginnings),
    )


def _stored(database: Database, verify: Verify, believed: Collection[str], view: _View) -> _Anchors:
    """The database's own checkpoints up to the last, or to the first that is wrong."""
    anchors, earlier = _Anchors(), list[_Anchors]()
    previous, key = GENESIS, ""
    for number, row in _rows(database, view.last):
        if row is None:
            anchors.blame(number, f"it is missing; the last one is {view.last}")
            break
        try:
            signed = read_checkpoint(row.note)
        except InvalidFieldError as error:
            anchors.blame(number, f"it holds {error.found}")
            break
        problem = _problem_behind(
            signed, number=number, previous=previous, key=key
        ) or _problem_within(row, signed, verify)
        if problem is not None:
            anchors.blame(number, problem)
            break
        previous, key = signed.hash, signed.checkpoint.successor_key
        if signed.checkpoint.lost_key:
            earlier.append(anchors.begin_anew(signed.checkpoint))
        anchors.add(signed)
        anchors.hashes[number] = signed.hash
    if anchors.hashes:
        anchors = _vouched_for([*earlier, anchors], believed)
    if view.stray is not None:
        anchors.problem = None
        anchors.blame(view.stray, "it stands before the first, or has no number")
    return anchors


def _rows(database: Database, last: int) -> Iterator[tuple[int, StoredCheckpoint | None]]:
    """By number up to the last, each with what stands in its place; None where nothing does."""
    number = 0
    while number < last:
        found = _notes(database, number, min(CHECKPOINT_ROWS, last - number))
        for row in found or (None,):
            number += 1
            yield number, row


def _problem_within(row: StoredCheckpoint, signed: SignedCheckpoint, verify: Verify) -> str | None:
    """What is wrong with a checkpoint by itself; None if nothing."""
    if not verify_signature(signed, verify):
        return "its signature does not fit"
    if _columns(row) != _columns_of(signed):
        return "its columns are not what its note says"
    return None


def _vouched_for(parts: Sequence[_Anchors], believed: Collection[str]) -> _Anchors:
    """The longest of these, each of which goes on from the one before by a new beginning, whose
    last key leads to one that is believed.

    Whoever owns the database alone can sign with a key of his own. A checkpoint by a key that we
    believe vouches for all before it by its hash, and for those behind by handing over.
    """
    for place, part in reversed(list(enumerate(parts))):
        if not part.own_keys & set(believed):
            continue
        if part is not parts[-1]:
            new = parts[place + 1].beginnings[place]
            part.blame(
                new.checkpoint,
                f"it begins anew by key {new.public_key[:16]}..., which is not believed: if the "
                "operator tells you that the key before it was lost, believe both",
            )
        return part
    none = _Anchors()
    none.blame(1, "none is signed by a key of this registry")
    return none


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
    if said.lost_key:
        return None if said.lost_key == key else "it begins anew for a key that was not its turn"
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
    head: Head,
    marks: Iterable[tuple[int, str, int]],
    is_active: Callable[[], bool],
    see: Callable[[Event], object] = lambda event: None,
) -> None:
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
    try:
        return list(database.read(lambda tx: tx.events.shard(shard, after_number, limit)))
    except DamagedTextError as error:
        if limit == 1:
            problem = f"it holds bytes that are no text ({error.cause})"
            raise AuditBrokenError(shard=shard, number=after_number + 1, problem=problem) from error
    # One of them cannot be read: those before it can.
    return _read(database, shard, after_number, 1)
