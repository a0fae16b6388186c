"""Checkpoints of the audit log: made and listed; proofs against them are in `audit_proofs.py`.

A checkpoint names what one snapshot sees. A shard's numbers are given under its head's lock, which
is held until COMMIT; so whoever sees the head sees every event up to it, and none behind it that
may still be rolled back. On PostgreSQL too, then, no checkpoint runs ahead of what is committed,
and none skips a number that becomes visible late.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.domain.access import Action, Caller
from registry.domain.checkpoints import (
    ACTION,
    EMPTY_TREES,
    Checkpoint,
    ShardTree,
    SignedCheckpoint,
    StoredCheckpoint,
    fits,
    leaf_of,
    read_checkpoint,
    trees_of,
)
from registry.domain.events import GENESIS, SYSTEM, Event, EventDraft, Head, problem_of, shard_of
from registry.domain.merkle import EMPTY, Frontier
from registry.domain.notes import Note, key_hint
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.errors import (
    AuditBrokenError,
    ConflictError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    StorageError,
)
from registry.names.text import show
from registry.ports.audit_tables import KeyUse
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.signing import SigningKeys
from registry.ports.tables import DoneRequest
from registry.services.fields import check_text
from registry.services.requests import fingerprint as content_of
from registry.services.requests import repeat_of
from registry.services.verification import heads_of, signed_by

READ_ROWS = 500
#: Two replicas that make one at the same time: the later one looks again.
ATTEMPTS_MAX = 10
_PAUSE_S = 0.01
METHOD = "CreateCheckpoint"
REPLACE_KEY = "audit.replace_key"
NOTE_LENGTH_MAX = 2000
#: As `checkpoint` of a proof: the newest.
NEWEST = 0


@dataclass(frozen=True, kw_only=True)
class KeyHistory:
    uses: tuple[KeyUse, ...]
    #: The server's own, which signs the next checkpoint or is handed over to by it; unless the key
    #: that has to sign is lost.
    current: str
    #: The key that has to sign the next checkpoint; empty where there is none yet.
    due: str
    #: Whether the server has not that key.
    is_lost: bool


@dataclass(frozen=True, kw_only=True)
class _Loss:
    """The key that somebody says is lost, and what he says of that."""

    key: str
    note: str


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What the next checkpoint stands on, all of one moment."""

    heads: list[Head]
    last: StoredCheckpoint | None
    signed: SignedCheckpoint | None

    @property
    def trees(self) -> Sequence[ShardTree]:
        return self.signed.checkpoint.shards if self.signed else EMPTY_TREES


class AuditService:
    def __init__(self, *, database: Database, clock: Clock, keys: SigningKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._making = threading.Lock()

    def create(self, caller: Caller, *, request_id: str) -> StoredCheckpoint:
        """A checkpoint of all that is committed now; the newest one where nothing is new."""
        require_all(caller)
        return self._once(caller, METHOD, request_id, content_of(METHOD), None)

    def replace_lost_key(
        self, caller: Caller, *, lost_key: str, note: str, request_id: str
    ) -> StoredCheckpoint:
        """A checkpoint by this server's key in place of the one that has to sign and is lost: a new
        beginning, which verifying tells of from then on."""
        caller.require_everywhere(Action.AUDIT_REPLACE_KEY, "the audit log")
        check_text("note", note, NOTE_LENGTH_MAX, required=True)
        loss = _Loss(key=lost_key, note=note)
        content = content_of("ReplaceLostKey", lost_key, note)
        return self._once(caller, "ReplaceLostKey", request_id, content, loss)

    def _once(
        self, caller: Caller, method: str, request_id: str, content: str, loss: _Loss | None
    ) -> StoredCheckpoint:
        def earlier(tx: Transaction) -> str | None:
            return repeat_of(tx, caller, method, request_id, content)

        def remember(tx: Transaction, name: str) -> None:
            done = DoneRequest(fingerprint=content, result=name)
            if request_id and not tx.requests.save(
                caller.id, method, request_id, done, self._clock.now_us()
            ):
                raise ConflictError(what=f"request {request_id}")

        name = self._database.read(earlier)
        if name is not None:
            number = int(name.rpartition("/")[2])
            return self._database.read(lambda tx: checkpoint_of(tx, number))
        return self._make(caller.principal.name, remember, loss)

    def make_if_due(self, every_us: int) -> bool:
        """A checkpoint of the registry's own, where the last is as old as that and something
        happened since. For a periodic task; of several servers that ask, one makes it."""

        def oldest_us(tx: Transaction) -> int | None:
            last = tx.checkpoints.last()
            if last is not None:
                return last.time_us
            firsts = [tx.events.shard(head.shard, 0, 1) for head in heads_of(tx) if head.number]
            return min((events[0].time_us for events in firsts if events), default=None)

        since_us = self._database.read(oldest_us)
        if since_us is None or self._clock.now_us() - since_us < every_us:
            return False
        before = self._database.read(lambda tx: tx.checkpoints.last())
        return self._make(SYSTEM, lambda tx, name: None).number != (before.number if before else 0)

    def get(self, caller: Caller, number: int) -> StoredCheckpoint:
        """By its number; the newest for 0."""
        require_all(caller)
        return self._database.read(lambda tx: checkpoint_of(tx, number))

    def list(
        self, caller: Caller, page: PageRequest, *, oldest_first: bool
    ) -> Page[StoredCheckpoint]:
        """By number."""
        require_all(caller)
        of = fingerprint("checkpoints", oldest_first)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        start = int(after[0]) if after else 0 if oldest_first else 2**62
        found = self._database.read(
            lambda tx: tx.checkpoints.list(start, limit + 1, newest_first=not oldest_first)
        )
        return page_of(found, limit, lambda each: (each.number,), of)

    def since(self, number: int, limit: int) -> Sequence[StoredCheckpoint]:
        """Those behind a number, oldest first: for the registry itself, which keeps copies."""
        return self._database.read(lambda tx: tx.checkpoints.list(number, limit))

    def keys(self) -> KeyHistory:
        """Public keys are everybody's."""
        uses, last = self._database.snapshot(
            lambda tx: (tx.checkpoints.key_uses(), tx.checkpoints.last())
        )
        try:
            due = read_checkpoint(last.note).checkpoint.successor_key if last else ""
        except InvalidFieldError:
            # Somebody changed it, and verifying says so.
            due = ""
        own = self._keys.public_keys
        is_lost = bool(due) and due not in own
        return KeyHistory(uses=tuple(uses), current=own[-1], due=due, is_lost=is_lost)

    def _make(
        self,
        actor: str,
        remember: Callable[[Transaction, str], None],
        loss: _Loss | None = None,
    ) -> StoredCheckpoint:
        with self._making:
            for attempt in range(ATTEMPTS_MAX):
                # Servers that came at once had better not come at once again.
                time.sleep(random.uniform(0, _PAUSE_S * attempt))
                base = self._base()
                if loss is not None:
                    self._check_lost(base, loss.key)
                elif base.last is not None and not self._is_due(base):
                    return base.last
                stored = self._next(base, loss)
                if self._store(stored, actor, remember, loss):
                    return stored
        raise ConflictError(what="the next checkpoint")

    def _base(self) -> _Base:
        heads, last = self._database.snapshot(lambda tx: (heads_of(tx), tx.checkpoints.last()))
        return _Base(
            heads=heads, last=last, signed=signed_by(last, self._keys.verify) if last else None
        )

    def _is_due(self, base: _Base) -> bool:
        """Whether there is anything new but the event of the last checkpoint itself."""
        assert base.signed is not None
        if base.signed.checkpoint.successor_key != self._keys.public_keys[-1]:
            return True
        new = [
            (tree, head)
            for tree, head in zip(base.trees, base.heads, strict=True)
            if head.number != tree.size
        ]
        if len(new) != 1:
            return bool(new)
        tree, head = new[0]
        if tree.shard != shard_of("") or head.number != tree.size + 1:
            return True
        found = self._database.read(lambda tx: tx.events.shard(tree.shard, tree.size, 1))
        return not found or found[0].action != ACTION

    def _check_lost(self, base: _Base, lost_key: str) -> None:
        """That it is the one key without which no checkpoint is made any more."""
        due = base.signed.checkpoint.successor_key if base.signed else self._keys.public_keys[-1]
        if lost_key != due:
            raise InvalidFieldError(
                field="lost_key",
                found=show(lost_key),
                expected=f"{due}, the key that has to sign next",
                fix="See the keys: hallmark audit keys --full",
            )
        if due in self._keys.public_keys:
            raise InvalidStateError(
                name=f"Key {due[:16]}...",
                action="be replaced as lost",
                found="in the server's key file",
                allowed="lost",
                fix="To change it, run hallmark audit rotate-key on the server's machine: then it "
                "hands over, and evidence has no gap.",
            )

    def _next(self, base: _Base, loss: _Loss | None) -> StoredCheckpoint:
        said = base.signed.checkpoint if base.signed else None
        own = self._keys.public_keys
        key = said.successor_key if said and loss is None else own[-1]
        if key not in own:
            raise StorageError(
                what="A checkpoint of the audit log",
                store="file of the audit keys",
                cause=f"the last one is to be followed by one of key {key[:16]}..., not there",
                fix="Put that key's PEM block before the new one's in HALLMARK_AUDIT_KEY_FILE. If "
                f"it is lost: hallmark audit replace-lost-key {key[:16]} --note WHY",
            )
        frontiers = self._frontiers(base)
        checkpoint = Checkpoint(
            number=said.number + 1 if said else 1,
            time_us=max(self._clock.now_us(), said.time_us if said else 0),
            shards=trees_of(base.heads, frontiers),
            previous_hash=base.signed.hash if base.signed else GENESIS,
            public_key=key,
            next_key=own[-1] if key != own[-1] else "",
            lost_key="" if loss is None else loss.key,
        )
        signature = self._keys.sign(key, checkpoint.text.encode())
        hint = key_hint(bytes.fromhex(key))
        return StoredCheckpoint(
            number=checkpoint.number,
            time_us=checkpoint.time_us,
            note=str(Note(text=checkpoint.text, hint=hint, signature=signature)),
            public_key=key,
            event_count=checkpoint.event_count,
            frontiers=frontiers,
        )

    def _frontiers(self, base: _Base) -> tuple[Frontier, ...]:
        """Those of the last checkpoint with the new events; from the first event on where they
        were lost. Each event is checked, so that nothing broken is ever signed."""
        kept = base.last.frontiers if base.last else None
        if kept is None or not fits(base.trees, kept):
            kept = tuple(self._grown(EMPTY, GENESIS, tree.shard, tree.size) for tree in base.trees)
        for tree, frontier in zip(base.trees, kept, strict=True):
            if frontier.root.hex() != tree.root:
                assert base.last is not None
                raise AuditBrokenError(
                    shard=tree.shard,
                    number=1,
                    problem=f"checkpoint {base.last.number} no longer fits the log up to "
                    f"{tree.size}, which was rewritten",
                )
        return tuple(
            self._grown(frontier, tree.hash, head.shard, head.number)
            for frontier, tree, head in zip(kept, base.trees, base.heads, strict=True)
        )

    def _grown(self, frontier: Frontier, previous_hash: str, shard: int, size: int) -> Frontier:
        while frontier.size < size:
            at = frontier.size
            rows = self._events(shard, at, min(READ_ROWS, size - at))
            if not rows:
                raise AuditBrokenError(shard=shard, number=at + 1, problem="it is missing")
            for number, event in enumerate(rows, start=at + 1):
                problem = problem_of(event, number=number, previous_hash=previous_hash)
                if problem is not None:
                    raise AuditBrokenError(shard=shard, number=number, problem=problem)
                previous_hash = event.hash
            frontier = frontier.grown(leaf_of(event.hash) for event in rows)
        if frontier.size > size:
            problem = f"it is missing, with all up to {frontier.size}: the log was cut off"
            raise AuditBrokenError(shard=shard, number=size + 1, problem=problem)
        return frontier

    def _events(self, shard: int, after: int, limit: int) -> Sequence[Event]:
        return self._database.read(lambda tx: tx.events.shard(shard, after, limit))

    def _store(
        self,
        stored: StoredCheckpoint,
        actor: str,
        remember: Callable[[Transaction, str], None],
        loss: _Loss | None,
    ) -> bool:
        signed = read_checkpoint(stored.note)
        said = signed.checkpoint

        def fn(tx: Transaction) -> bool:
            if not tx.checkpoints.insert(stored):
                return False
            tx.events.append(
                EventDraft(
                    action=ACTION,
                    resource=said.name,
                    namespace="",
                    actor=actor,
                    detail={
                        "hash": signed.hash,
                        "root": said.root,
                        "key": said.public_key,
                        "next_key": said.next_key,
                        "events": said.event_count,
                    },
                )
            )
            if loss is not None:
                tx.events.append(
                    EventDraft(
                        action=REPLACE_KEY,
                        resource=said.name,
                        namespace="",
                        actor=actor,
                        detail={"lost_key": loss.key, "key": said.public_key, "note": loss.note},
                    )
                )
            remember(tx, said.name)
            return True

        return self._database.write(fn)


def require_all(caller: Caller) -> None:
    """Evidence is about the whole log."""
    caller.require_everywhere(Action.EVENT_READ, "the audit log")


def checkpoint_of(tx: Transaction, number: int) -> StoredCheckpoint:
    """By its number; the newest for 0."""
    found = None
    if 0 <= number < 2**63:
        found = tx.checkpoints.get(number) if number else tx.checkpoints.last()
    if found is None:
        raise NotFoundError(
            kind="checkpoint",
            name=f"checkpoints/{number}" if number else "any",
            fix="Make one: hallmark audit checkpoint",
        )
    return found
