"""An audit log with checkpoints, and somebody who forges it."""

from __future__ import annotations

from registry.auth.signing import Ed25519Keys
from registry.db.database import SqlDatabase
from registry.domain.access import Caller, Principal, PrincipalKind, Role, Token
from registry.domain.checkpoints import StoredCheckpoint
from registry.domain.events import EventDraft, shard_of
from registry.errors import AuditBrokenError, CheckpointBrokenError, HallmarkError
from registry.services.audit import AuditService
from registry.services.verification import verify_evidence
from registry.testing.clock import FixedClock
from registry.testing.forger import Forger
from registry.testing.world import grant

FRAUD = shard_of("fraud")
NAMESPACES = ("fraud", "vision", "")


def auditor() -> Caller:
    principal = Principal(
        key=1,
        id="olga",
        uid="u",
        kind=PrincipalKind.PERSON,
        display_name="",
        grants=(grant(Role.AUDITOR),),
        disabled=False,
        etag="1",
        create_time_us=0,
        update_time_us=0,
    )
    token = Token(
        key=1,
        id="t",
        principal="olga",
        label="",
        create_time_us=0,
        expire_time_us=2**60,
        revoke_time_us=None,
        last_use_time_us=None,
        creator="system",
    )
    return Caller(principal=principal, token=token)


class Log:
    """Six events of each of three namespaces, a checkpoint, six more of each, another, two more."""

    def __init__(self, database: SqlDatabase, clock: FixedClock, url: str) -> None:
        self.database = database
        self.clock = clock
        self.keys = Ed25519Keys.fresh()
        self.audit = AuditService(database=database, clock=clock, keys=self.keys)
        self.forger = Forger(url)
        self.happen(6)
        self.first = self.checkpoint()
        self.happen(6)
        self.second = self.checkpoint()
        self.happen(2)

    def happen(self, count: int) -> None:
        for number in range(count):
            for namespace in NAMESPACES:
                draft = EventDraft(
                    action="model.update",
                    resource=f"models/{namespace}/m{number}",
                    namespace=namespace,
                    actor="principals/ada",
                    detail={"n": number},
                )
                self.clock.advance(1_000)
                self.database.write(lambda tx, d=draft: tx.events.append(d))  # type: ignore[misc]

    def checkpoint(self) -> StoredCheckpoint:
        return self.audit.create(auditor(), request_id="")

    def broken(self, *given: str, trusted: tuple[str, ...] = ()) -> HallmarkError:
        """The error that verifying ends with."""
        try:
            verify_evidence(self.database, self.keys, given=given, trusted=trusted)
        except (AuditBrokenError, CheckpointBrokenError) as error:
            return error
        raise AssertionError("the log was found intact")
