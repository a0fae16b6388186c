"""Releases: what vetting passed and the gate held back is asked for again; and what vetting has
turned against since goes back into quarantine once its period of grace is over.

The gate's answer changes with the policy, with waivers and with time, and nobody is told of it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.times import rfc3339
from registry.domain.versions import Version, VersionState, Vetting
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.facts import VersionFacts
from registry.services.gates import ask_release
from registry.services.grace import in_grace

ASKED_AT_ONCE = 200


class ReleaseService:
    """To be run by one thread: it remembers how far it has come."""

    def __init__(
        self, *, database: Database, clock: Clock, policies: PolicySets, facts: VersionFacts
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._facts = facts
        self._after = 0

    def release_due(self, limit: int = ASKED_AT_ONCE) -> int:
        """Ask the gate for the next so many of those that wait for it; how many it let out."""
        waiting = self._database.read(lambda tx: tx.versions.vetted(self._after, limit))
        self._after = waiting[-1].key if len(waiting) == limit else 0
        if not waiting:
            return 0
        due = self._database.read(lambda tx: self._due(tx, waiting))
        return sum(self._release(version) for version in due)

    def quarantine_due(self) -> int:
        """Put those back into quarantine whose period of grace is over; how many."""
        return sum(map(self._quarantine, self._doubted()))

    def _doubted(self) -> Iterator[Version]:
        after = 0
        while True:
            found = self._database.read(partial(_doubted, after=after))
            yield from found
            if len(found) < ASKED_AT_ONCE:
                return
            after = found[-1].key

    def _quarantine(self, found: Version) -> bool:
        def fn(tx: Transaction) -> bool:
            tx.versions.lock_many([found.key])
            version = tx.versions.by_key(found.key)
            if version is None or version.vetting is None or not version.is_doubted:
                return False
            vetting, policy = version.vetting, self._policies.active(tx)
            if in_grace(policy, vetting, self._clock.now_us()):
                return False
            if version.state is VersionState.YANKED:
                # Else whoever names its digest would go on to get its bytes.
                tx.versions.set_state(
                    version.key,
                    VersionState.YANKED,
                    yank_reason=version.yank_reason,
                    yanked_from=VersionState.QUARANTINED,
                )
            else:
                tx.versions.set_state(version.key, VersionState.QUARANTINED)
            tx.events.append(_quarantined(version, vetting, policy.digest))
            return True

        return self._database.write(fn, namespace=found.namespace)

    def _due(self, tx: Transaction, versions: Sequence[Version]) -> list[Version]:
        policy = self._policies.active(tx)
        facts = self._facts.of_many(tx, versions)
        now = self._clock.now_us()
        return [
            version
            for version in versions
            if ask_release(tx, policy, version, facts[version.key], now_us=now).allowed
        ]

    def _release(self, found: Version) -> bool:
        """Let it out, if that is what the gate says to the version as it stands once locked."""

        def fn(tx: Transaction) -> bool:
            tx.versions.lock_many([found.key])
            version = tx.versions.by_key(found.key)
            if version is None or version.state is not VersionState.VETTED:
                return False
            policy = self._policies.active(tx)
            facts = self._facts.of(tx, version)
            if not ask_release(tx, policy, version, facts, now_us=self._clock.now_us()).allowed:
                return False
            tx.versions.set_state(version.key, VersionState.RELEASED)
            tx.events.append(released(version, policy.digest))
            return True

        return self._database.write(fn, namespace=found.namespace)


def _doubted(tx: Transaction, *, after: int) -> Sequence[Version]:
    return tx.vetting.doubted(after, ASKED_AT_ONCE)


def _quarantined(version: Version, vetting: Vetting, policy_digest: str) -> EventDraft:
    return EventDraft(
        action="version.quarantine",
        resource=version.name,
        namespace=version.namespace,
        actor=SYSTEM,
        detail={
            "digest": version.digest,
            "verdict": vetting.verdict.value,
            "since": rfc3339(vetting.time_us),
            "policy_digest": policy_digest,
        },
    )


def released(version: Version, policy_digest: str) -> EventDraft:
    """What the audit log keeps of a release."""
    return EventDraft(
        action="version.release",
        resource=version.name,
        namespace=version.namespace,
        actor=SYSTEM,
        detail={"digest": version.digest, "policy_digest": policy_digest},
    )
