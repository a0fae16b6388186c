"""Vetting: judge what is in quarantine, and let out what passed and what the gate releases.

Versions in quarantine without a verdict are the queue: whatever stops a run, the next one finds
them again. Judging reads bytes and takes long, hence happens outside the unit of work that stores
it.
"""

from __future__ import annotations

import dataclasses
import logging

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.gates import GateInput
from registry.domain.policies import Gate
from registry.domain.versions import Verdict, Version, VersionState, Vetting
from registry.errors import StorageError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy
from registry.ports.vetting import Vetter
from registry.services.lookups import whole_manifest

logger = logging.getLogger(__name__)

#: A version whose bytes could not be read is left alone for so long.
RETRY_US = 30 * 1_000_000
FINDINGS_MAX = 100


class VettingService:
    """To be run by one thread: it remembers which versions it has put off."""

    def __init__(self, *, database: Database, clock: Clock, vetter: Vetter, policy: Policy) -> None:
        self._database = database
        self._clock = clock
        self._vetter = vetter
        self._policy = policy
        #: Key of a version whose bytes could not be read, to when it is tried again.
        self._put_off: dict[int, int] = {}

    def run_pending(self, limit: int) -> int:
        """Judge versions in quarantine, oldest first, at most so many; how many got a verdict."""
        judged = [
            (version, vetting)
            for version in self._waiting(limit)
            if (vetting := self._vet(version)) is not None
        ]
        if judged:
            self._database.write(lambda tx: self._store(tx, judged))
        return len(judged)

    def _waiting(self, limit: int) -> list[Version]:
        now = self._clock.now_us()
        self._put_off = {key: until for key, until in self._put_off.items() if until > now}
        wanted = limit + len(self._put_off)
        found = self._database.read(
            lambda tx: tx.versions.unvetted(self._vetter.rules_digest, wanted)
        )
        return [version for version in found if version.key not in self._put_off][:limit]

    def _vet(self, version: Version) -> Vetting | None:
        """The verdict; None where the bytes cannot be read now."""
        manifest = self._database.read(lambda tx: whole_manifest(tx, version))
        try:
            vetting = self._vetter.vet(version, manifest.files, self._clock.now_us())
        except StorageError as error:
            logger.warning("vetting of %s is put off: %s", version.name, error)
            self._put_off[version.key] = self._clock.now_us() + RETRY_US
            return None
        return dataclasses.replace(vetting, findings=vetting.findings[:FINDINGS_MAX])

    def _store(self, tx: Transaction, judged: list[tuple[Version, Vetting]]) -> None:
        # In one order on every replica, so that two of them never wait for each other.
        for seen, vetting in sorted(judged, key=lambda pair: pair[0].key):
            version = tx.versions.lock(seen.model, seen.number)
            if version is not None and version.key == seen.key:
                self._apply(tx, version, vetting)

    def _apply(self, tx: Transaction, version: Version, vetting: Vetting) -> None:
        """Store the verdict, and move the version where it leads."""
        if version.vetting and version.vetting.rules_digest == vetting.rules_digest:
            # Another replica was first.
            return
        is_yanked = version.state is VersionState.YANKED
        was = version.yanked_from if is_yanked else version.state
        if was is not VersionState.QUARANTINED:
            return
        state, released_by = self._due(dataclasses.replace(version, vetting=vetting))
        if is_yanked and state is VersionState.RELEASED:
            # Nobody runs what was never let out: as one yanked from RELEASED, its bytes could be
            # had by digest. It is judged again once the yank is undone.
            return
        stays = VersionState.YANKED if is_yanked else state
        tx.versions.set_vetting(version.key, vetting, stays)
        detail: dict[str, object] = {
            "verdict": vetting.verdict.value,
            "rules_digest": vetting.rules_digest,
            "digest": version.digest,
            "to": state.value,
        }
        tx.events.append(_event("version.vet", version, detail))
        if state is VersionState.RELEASED:
            detail = {"digest": version.digest, "policy_digest": released_by}
            tx.events.append(_event("version.release", version, detail))
        if is_yanked:
            # It was yanked meanwhile: it stays so, and comes back in the state that is due to it.
            tx.versions.set_state(
                version.key,
                VersionState.YANKED,
                yank_reason=version.yank_reason,
                yanked_from=state,
            )

    def _due(self, version: Version) -> tuple[VersionState, str]:
        """Where its verdict leads a version from quarantine, and the policy that released it."""
        verdict = version.vetting.verdict if version.vetting else Verdict.UNKNOWN
        if verdict is Verdict.FAIL:
            return VersionState.REJECTED, ""
        if verdict is not Verdict.PASS:
            return VersionState.QUARANTINED, ""
        answer = self._policy.evaluate(
            GateInput(
                gate=Gate.RELEASE,
                version=dataclasses.replace(version, state=VersionState.VETTED),
                now_us=self._clock.now_us(),
                actor=SYSTEM,
            )
        )
        if not answer.allowed:
            return VersionState.VETTED, ""
        return VersionState.RELEASED, answer.policy_digest


def _event(action: str, version: Version, detail: dict[str, object]) -> EventDraft:
    return EventDraft(
        action=action,
        resource=version.name,
        namespace=version.namespace,
        actor=SYSTEM,
        detail=detail,
    )
