"""Which policy set is active: asked within each transaction, compiled once by digest."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from registry.domain.events import SYSTEM, EventDraft
from registry.errors import StorageError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy, PolicyReader

#: Compiled sets that are kept: the active one, and some that are explained.
KEPT_MAX = 16


class ActivePolicies:
    """Implements `PolicySets`. Threads share one; other processes' changes are seen at once, since
    every transaction reads the active digest."""

    def __init__(self, *, database: Database, reader: PolicyReader) -> None:
        self._reader = reader
        self._compiled: dict[str, Policy] = {}
        self._lock = threading.Lock()
        self._recent: Policy = database.read(self.active)

    def active(self, tx: Transaction) -> Policy:
        digest = tx.policies.active(lock=True)
        found = self.of(tx, digest)
        if found is None:
            raise StorageError(
                what=f"Policy set {digest or 'of the first start'}",
                store="database",
                cause="it is not there",
            )
        self._recent = found
        return found

    def recent(self) -> Policy:
        return self._recent

    def of(self, tx: Transaction, digest: str) -> Policy | None:
        found = self._compiled.get(digest)
        if found is not None:
            return found
        content = tx.policies.content(digest)
        if content is None:
            return None
        compiled = self._reader.compile(content)
        with self._lock:
            while len(self._compiled) >= KEPT_MAX:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[digest] = compiled
        return compiled


def bootstrap_policy(
    database: Database, clock: Clock, reader: PolicyReader, files: Mapping[str, bytes]
) -> None:
    """Make the set in these files the active one, where none is yet: on the very first start."""
    if database.read(lambda tx: tx.policies.active()):
        return
    content, policy = reader.read(files)

    def fn(tx: Transaction) -> None:
        now = clock.now_us()
        tx.policies.put(policy.digest, content, now)
        if tx.policies.activate_first(policy.digest, now):
            tx.events.append(
                EventDraft(
                    action="policy.activate",
                    resource=f"policySets/{policy.digest}",
                    namespace="",
                    actor=SYSTEM,
                    detail={"digest": policy.digest, "from": ""},
                )
            )

    database.write(fn)
