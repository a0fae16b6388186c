"""Vetting: judge what is in quarantine, and let out what passed and what the gate releases.

Versions in quarantine without a verdict are the queue, and those that a rerun has marked: whatever
stops a run, the next one finds them again. Files are looked at elsewhere, which takes long
(`ports/vetting.py`); here what is known of them leads to verdicts, and those to states.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from queue import SimpleQueue

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.gates import Facts
from registry.domain.inspections import Change
from registry.domain.manifests import Manifest
from registry.domain.times import rfc3339
from registry.domain.versions import Standing, Verdict, Version, VersionState, Vetting
from registry.errors import StorageError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy, PolicySets
from registry.ports.vetting import Vetter
from registry.services.facts import VersionFacts
from registry.services.gates import ask_release
from registry.services.grace import in_grace
from registry.services.lookups import manifest_missing
from registry.services.releases import released

logger = logging.getLogger(__name__)

#: A version of which nothing can be told yet is left alone for so long, or until its files are
#: known.
RETRY_US = 10 * 1_000_000
FINDINGS_MAX = 100
#: Reruns are looked for at most so often.
MARKS_EVERY_US = 1_000_000
#: Manifests are held in memory together up to so many files; one larger than that, by itself.
FILES_AT_ONCE = 20_000


class VettingService:
    """To be run by one thread: it remembers which versions it has put off."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        vetter: Vetter,
        policies: PolicySets,
        facts: VersionFacts,
        on_passed: Callable[[Transaction, Sequence[Version]], None] | None = None,
    ) -> None:
        """`on_passed` is told of versions that pass, in the transaction that stores it."""
        self._database = database
        self._clock = clock
        self._on_passed = on_passed
        self._vetter = vetter
        self._policies = policies
        self._facts = facts
        #: Key of a version of which nothing can be told yet, to its digest and when it is tried
        #: again.
        self._put_off: dict[int, tuple[str, int]] = {}
        #: When marks of reruns are looked for again.
        self._marks_from_us = 0
        #: Digests of versions whose files have been looked at since.
        self._inspected: SimpleQueue[str] = SimpleQueue()

    def inspected(self, digest: str) -> None:
        """All files of these versions have been looked at. For any thread."""
        self._inspected.put(digest)

    def run_pending(self, limit: int) -> int:
        """Judge versions in quarantine, oldest first, at most so many; how many got a verdict."""
        waiting = self._waiting(limit)
        reruns = {version.key: rerun for version, rerun in waiting if rerun}
        lots = _lots([version for version, _ in waiting])
        judged = [(*each, reruns.get(each[0].key, 0)) for lot in lots for each in self._judge(lot)]
        if judged:
            # Most versions stand then as they stand now, and only what is stored takes the turn of
            # other writers.
            moves = self._database.read(lambda tx: self._moves(tx, judged))
            for namespace, its_own in _by_namespace(moves).items():
                self._database.write(partial(self._store, moves=its_own), namespace=namespace)
        return len(judged)

    def _waiting(self, limit: int) -> list[tuple[Version, int]]:
        """With the number of the rerun that asks for a verdict, 0 for the first one."""
        now = self._clock.now_us()
        ready = {self._inspected.get() for _ in range(self._inspected.qsize())}
        self._put_off = {
            key: (digest, until)
            for key, (digest, until) in self._put_off.items()
            if until > now and digest not in ready
        }
        rules, but = self._vetter.rules_digest, self._put_off.keys()

        def fn(tx: Transaction) -> list[tuple[Version, int]]:
            found = tx.versions.unvetted(rules, limit, but=but)
            first = [(version, 0) for version in found]
            known = but | {version.key for version in found}
            return [*first, *self._marked(tx, limit - len(first), known, now)]

        return self._database.read(fn)

    def _marked(
        self, tx: Transaction, limit: int, but: Collection[int], now_us: int
    ) -> Sequence[tuple[Version, int]]:
        """What reruns have marked: looked for now and then, and often while there is something."""
        if now_us < self._marks_from_us or limit <= 0:
            return ()
        found = tx.vetting.marked(limit, but=but)
        self._marks_from_us = 0 if found else now_us + MARKS_EVERY_US
        return found

    def _judge(self, lot: list[Version]) -> Iterator[tuple[Version, Vetting]]:
        """The versions with their verdicts, but for those of which none can be told yet."""
        digests = {version.digest for version in lot}
        manifests = self._database.read(lambda tx: tx.manifests.get_many(digests))
        for version in lot:
            try:
                vetting = self._vet(version, manifests.get(version.digest))
            except StorageError as error:
                logger.warning("vetting of %s is put off: %s", version.name, error)
                vetting = None
            if vetting is None:
                self._put_off[version.key] = (version.digest, self._clock.now_us() + RETRY_US)
            else:
                yield version, vetting

    def _vet(self, version: Version, manifest: Manifest | None) -> Vetting | None:
        if manifest is None:
            raise manifest_missing(version)
        self._facts.note(version.digest, manifest.files)
        vetting = self._vetter.vet(version, manifest.files, self._clock.now_us())
        if vetting is not None and len(vetting.findings) > FINDINGS_MAX:
            return dataclasses.replace(vetting, findings=vetting.findings[:FINDINGS_MAX])
        return vetting

    def _moves(
        self, tx: Transaction, judged: Sequence[tuple[Version, Vetting, int]]
    ) -> list[_Move]:
        policy = self._policies.active(tx)
        facts = self._facts.of_many(tx, [version for version, *_ in judged])
        found = (
            self._move(tx, policy, version, vetting, facts[version.key], rerun)
            for version, vetting, rerun in judged
        )
        return [move for move in found if move is not None]

    def _store(self, tx: Transaction, moves: Sequence[_Move]) -> None:
        """Store the verdicts, and move the versions where they lead."""
        policy = self._policies.active(tx)
        standings = tx.versions.lock_many([move.version.key for move in moves])
        due = [now for move in moves if (now := self._as_it_stands(tx, policy, move, standings))]
        tx.versions.set_vetting((move.version.key, move.vetting, move.stored) for move in due)
        if reruns := {(move.version.key, move.rerun): move.change for move in due if move.rerun}:
            tx.vetting.unmark(reruns, self._clock.now_us())
        if any(move.vetting.verdict is not Verdict.PASS for move in due):
            tx.vetting.forget_unread()
        passed = [move.version for move in due if move.vetting.verdict is Verdict.PASS]
        if passed and self._on_passed is not None:
            self._on_passed(tx, passed)
        for move in due:
            _tell(tx, move)
            if move.is_yanked:
                # It was yanked meanwhile: it stays so, and comes back in the state that is due
                # to it.
                tx.versions.set_state(
                    move.version.key,
                    VersionState.YANKED,
                    yank_reason=move.version.yank_reason,
                    yanked_from=move.to,
                )

    def _as_it_stands(
        self,
        tx: Transaction,
        policy: Policy,
        move: _Move,
        standings: Mapping[int, Standing],
    ) -> _Move | None:
        """The move of a version as that stands now that it is locked, under the policy of now."""
        stands = standings.get(move.version.key) == move.version.standing
        if stands and move.judged_by == policy.digest:
            return move
        version = tx.versions.by_key(move.version.key)
        if version is None:
            return None
        rerun = move.rerun and tx.vetting.marks({version.key}).get(version.key, 0)
        if rerun != move.rerun:
            # Marked anew since, by somebody who has to have a verdict from after that.
            return None
        return self._move(tx, policy, version, move.vetting, self._facts.of(tx, version), rerun)

    def _move(
        self,
        tx: Transaction,
        policy: Policy,
        version: Version,
        vetting: Vetting,
        facts: Facts,
        rerun: int,
    ) -> _Move | None:
        """Where the verdict leads the version; None where nothing is to be stored."""
        is_known = version.vetting and version.vetting.rules_digest == vetting.rules_digest
        if is_known and not rerun:
            # Another replica was first.
            return None
        is_yanked = version.state is VersionState.YANKED
        was = version.yanked_from if is_yanked else version.state
        if was is None or (was is not VersionState.QUARANTINED and not rerun):
            return None
        vetting = _since_first(version, was, vetting)
        to = self._due(tx, policy, version, vetting, facts, was)
        if is_yanked and to is VersionState.RELEASED and was is not to:
            # Nobody runs what was never let out: as one yanked from RELEASED, its bytes could be
            # had by digest. It is judged again once the yank is undone.
            return None
        return _Move(
            version=version,
            vetting=vetting,
            was=was,
            to=to,
            judged_by=policy.digest,
            is_yanked=is_yanked,
            rerun=rerun,
        )

    def _due(
        self,
        tx: Transaction,
        policy: Policy,
        version: Version,
        vetting: Vetting,
        facts: Facts,
        was: VersionState,
    ) -> VersionState:
        """Where its verdict leads a version: from quarantine, or from where a rerun found it."""
        if was is VersionState.RECALLED:
            return was
        if vetting.verdict is not Verdict.PASS:
            if was is VersionState.RELEASED and in_grace(policy, vetting, self._clock.now_us()):
                return was
            # Who runs a released version is to hear why it is gone before it is rejected for good.
            is_rejected = vetting.verdict is Verdict.FAIL and was is not VersionState.RELEASED
            return VersionState.REJECTED if is_rejected else VersionState.QUARANTINED
        if was in (VersionState.VETTED, VersionState.RELEASED):
            return was
        passed = dataclasses.replace(version, vetting=vetting, state=VersionState.VETTED)
        answer = ask_release(tx, policy, passed, facts, now_us=self._clock.now_us())
        return VersionState.RELEASED if answer.allowed else VersionState.VETTED


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Move:
    """A version as it was found, its verdict, and where that leads."""

    version: Version
    vetting: Vetting
    was: VersionState
    to: VersionState
    judged_by: str
    is_yanked: bool
    #: The number of the rerun that has asked for this verdict; 0: it is the first one.
    rerun: int

    @property
    def stored(self) -> VersionState:
        return VersionState.YANKED if self.is_yanked else self.to

    @property
    def change(self) -> Change | None:
        """What is another one than before."""
        vetting = self.version.vetting
        was_verdict = None if vetting is None else vetting.verdict
        if self.was is self.to and was_verdict is self.vetting.verdict:
            return None
        return Change(
            version=self.version.name,
            was=self.was,
            to=self.to,
            was_verdict=was_verdict,
            verdict=self.vetting.verdict,
        )


def _since_first(version: Version, was: VersionState, vetting: Vetting) -> Vetting:
    """The verdict; while it is the same against a version that is RELEASED, with the time at which
    it was first so: looking again and again does not make a period of grace longer."""
    before = version.vetting
    if (
        was is VersionState.RELEASED
        and before is not None
        and before.verdict is vetting.verdict is not Verdict.PASS
    ):
        return dataclasses.replace(vetting, time_us=before.time_us)
    return vetting


def _lots(versions: Sequence[Version]) -> Iterator[list[Version]]:
    """Neighbours whose manifests are to be held together."""
    lot: list[Version] = []
    file_count = 0
    for version in versions:
        file_count += version.file_count
        if lot and file_count > FILES_AT_ONCE:
            yield lot
            lot, file_count = [], version.file_count
        lot.append(version)
    if lot:
        yield lot


def _by_namespace(moves: Iterable[_Move]) -> Mapping[str, list[_Move]]:
    """Each namespace's own: together they would hold up writers of all of them."""
    found: defaultdict[str, list[_Move]] = defaultdict(list)
    for move in moves:
        found[move.version.namespace].append(move)
    return found


def _tell(tx: Transaction, move: _Move) -> None:
    version = move.version
    detail: dict[str, object] = {
        "verdict": move.vetting.verdict.value,
        "rules_digest": move.vetting.rules_digest,
        "digest": version.digest,
        "was": move.was.value,
        "to": move.to.value,
    }
    if move.to is VersionState.RELEASED and move.vetting.verdict is not Verdict.PASS:
        # In its period of grace; the end of that is an event of its own.
        detail["since"] = rfc3339(move.vetting.time_us)
    tx.events.append(
        EventDraft(
            action="version.vet",
            resource=version.name,
            namespace=version.namespace,
            actor=SYSTEM,
            detail=detail,
        )
    )
    if move.to is VersionState.RELEASED and move.was is not move.to:
        tx.events.append(released(version, move.judged_by))
