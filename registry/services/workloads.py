"""Workloads: a platform's token becomes a short-lived one of the robot that a trust rule names."""

from __future__ import annotations

import threading
import uuid

from registry.domain.access import PrincipalKind, Token
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.workloads import Cause, Workload
from registry.errors import WorkloadRefusedError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.workloads import WorkloadVerifier
from registry.services.authentication import hash_of, new_secret
from registry.services.rates import Rates, party_of

_S = 1_000_000
DEFAULT_TTL_US = 600 * _S
#: Ended tokens are kept so long, for whoever asks why one is refused, and then forgotten.
KEPT_US = 24 * 3600 * _S
FORGOTTEN_AT_ONCE = 1000
LABEL_LENGTH_MAX = 200
#: Refusals are events of this resource: whom they are about is not proven.
RESOURCE = "workloads"


class NobodyTrusted:
    """The verifier of a registry without trust rules."""

    def verify(self, jwt: str, now_us: int) -> Workload:
        raise WorkloadRefusedError(
            cause=Cause.ISSUER.value,
            problem="no issuer is trusted here",
            fix="An administrator names them in the file of HALLMARK_WORKLOADS_FILE.",
        )


class WorkloadService:
    """An endpoint that needs no credential, so what anybody can cause is bounded: refusals by the
    address, and how many of them are recorded at all; exchanges by the subject, wherever from,
    since a cluster's pods share an address."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        verifier: WorkloadVerifier,
        ttl_us: int = DEFAULT_TTL_US,
    ) -> None:
        self._database = database
        self._clock = clock
        self._verifier = verifier
        self._ttl_us = ttl_us
        # A check takes a tenth of a millisecond. Less would let one job with a wrong token keep out
        # the others of its cluster.
        self._refusals = Rates(per_minute=600, burst=100)
        self._exchanges = Rates(per_minute=120, burst=300)
        self._records = Rates(per_minute=60, burst=60)
        #: Refusals since the last one that was recorded.
        self._unrecorded = 0
        self._lock = threading.Lock()

    def exchange(self, jwt: str, *, peer: str) -> tuple[Token, str]:
        """A token of the robot, and its secret. `peer` is the address that asks.

        Raises WorkloadRefusedError, IssuerUnavailableError or RateLimitedError.
        """
        now = self._clock.now_us()
        party = party_of(peer)
        if wait_us := self._refusals.wait_us(party, now):
            what = f"Refused workload tokens from {party}"
            raise self._refusals.refusal(what, "refusals", wait_us)
        try:
            workload = self._verifier.verify(jwt, now)
            if wait_us := self._exchanges.take(f"{workload.issuer} {workload.subject}", now):
                what = f"Exchanges of {workload.subject}, whose tokens live for minutes"
                raise self._exchanges.refusal(what, "exchanges", wait_us)
            return self._issue(workload, now)
        except WorkloadRefusedError as refused:
            self._refusals.take(party, now)
            self._record(refused, party, now)
            raise

    def forget_ended(self) -> int:
        """Forget exchanged tokens that ended a while ago; how many. To be called every hour or so.

        They come by the thousand, unlike those that people make, and their events stay.
        """
        before_us = self._clock.now_us() - KEPT_US
        total = 0
        while True:
            count = self._database.write(
                lambda tx: tx.tokens.forget_exchanged(before_us, FORGOTTEN_AT_ONCE)
            )
            total += count
            if count < FORGOTTEN_AT_ONCE:
                return total

    def _issue(self, workload: Workload, now_us: int) -> tuple[Token, str]:
        secret = new_secret()
        id = uuid.uuid4().hex[:16]

        def fn(tx: Transaction) -> tuple[Token, str]:
            _check_robot(tx, workload)
            token = tx.tokens.insert(
                Token(
                    key=0,
                    id=id,
                    principal=workload.principal,
                    label=f"{workload.subject} at {workload.issuer}"[:LABEL_LENGTH_MAX],
                    create_time_us=now_us,
                    expire_time_us=min(workload.expire_time_us, now_us + self._ttl_us),
                    revoke_time_us=None,
                    last_use_time_us=None,
                    creator=workload.creator,
                ),
                hash_of(secret),
            )
            tx.events.append(_exchanged(workload, token))
            return token, secret

        return self._database.write(fn)

    def _record(self, refused: WorkloadRefusedError, party: str, now_us: int) -> None:
        """An event, unless there were so many just now that it would be one of a flood; the next
        that is recorded says how many were not."""
        with self._lock:
            if self._records.take("", now_us):
                self._unrecorded += 1
                return
            unrecorded, self._unrecorded = self._unrecorded, 0
        event = EventDraft(
            action="workload.refuse",
            resource=RESOURCE,
            namespace="",
            actor=SYSTEM,
            detail={
                "cause": refused.cause,
                "issuer": refused.issuer,
                "subject": refused.subject,
                "peer": party,
                "unrecorded": unrecorded,
            },
        )
        self._database.write(lambda tx: tx.events.append(event))


def _check_robot(tx: Transaction, workload: Workload) -> None:
    found = tx.principals.get(workload.principal)
    name = f"principals/{workload.principal}"
    if found is None:
        problem, fix = "is missing", f"hallmark principal create {workload.principal} --kind robot"
    elif found.kind is not PrincipalKind.ROBOT:
        problem, fix = "is a person", "name a robot in the rule, since nobody else is a workload"
    elif found.disabled:
        problem, fix = "is disabled", f"hallmark principal disable {workload.principal} --undo"
    else:
        return
    raise WorkloadRefusedError(
        cause=Cause.PRINCIPAL.value,
        problem=f"{name}, which rule {workload.rule} of its issuer names, {problem}",
        fix=f"An administrator mends it: {fix}",
        issuer=workload.issuer,
        subject=workload.subject,
    )


def _exchanged(workload: Workload, token: Token) -> EventDraft:
    return EventDraft(
        action="workload.exchange",
        resource=token.name,
        namespace="",
        actor=f"principals/{token.principal}",
        detail={
            "issuer": workload.issuer,
            "subject": workload.subject,
            "rule": workload.rule,
            "expire_time_us": token.expire_time_us,
        },
    )
