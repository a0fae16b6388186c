"""Releases: what vetting passed and the gate held back is asked for again.

The gate's answer changes with the policy, with waivers and with time, and nobody is told of it all.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.versions import Version, VersionState
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.facts import VersionFacts
from registry.services.gates import ask_release

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


def released(version: Version, policy_digest: str) -> EventDraft:
    """What the audit log keeps of a release."""
    return EventDraft(
        action="version.release",
        resource=version.name,
        namespace=version.namespace,
        actor=SYSTEM,
        detail={"digest": version.digest, "policy_digest": policy_digest},
    )
