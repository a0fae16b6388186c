"""What evidence costs: hashing, a checkpoint of 100,000 events, one of a few, a proof."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from registry.auth.signing import Ed25519Keys
from registry.db.engine import open_database
from registry.domain.access import (
    Caller,
    Grant,
    Principal,
    PrincipalKind,
    Role,
    Token,
)
from registry.domain.checkpoints import leaf_of
from registry.domain.events import GENESIS, Event, EventDraft, chain, problem_of, shard_of
from registry.domain.merkle import EMPTY
from registry.names import EventName
from registry.ports.database import Database, Transaction
from registry.services.audit import AuditService
from registry.services.audit_proofs import AuditProofs
from registry.services.verification import verify_evidence
from registry.testing.clock import FixedClock

EVENTS = 100_000
BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One thing measured, in processor time."""

    what: str
    value: float
    unit: str

    def line(self) -> str:
        digits = 0 if self.value >= 1000 else 1
        return f"{self.what:40} {self.value:12,.{digits}f} {self.unit} of processor time"


def main() -> None:
    """python -m benchmarks.audit [--events 100000]"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    for figure in measure(parser.parse_args().events):
        print(figure.line(), flush=True)


def measure(count: int) -> Iterator[Figure]:
    """With so many events, at least 32."""
    yield from _hashing(count)
    with tempfile.TemporaryDirectory() as folder:
        yield from _log(Path(folder), count)


def _hashing(count: int) -> Iterator[Figure]:
    events: list[Event] = []
    previous = GENESIS

    def make() -> None:
        nonlocal previous
        for number in range(1, count + 1):
            made = chain(_draft(number), number=number, previous_hash=previous, time_us=number)
            previous = made.hash
            events.append(made)

    def check() -> None:
        before = GENESIS
        for number, event in enumerate(events, start=1):
            assert problem_of(event, number=number, previous_hash=before) is None
            before = event.hash

    yield _rate("events chained", count, make)
    yield _rate("events checked", count, check)
    yield _rate(
        "leaves added to a tree", count, lambda: EMPTY.grown(leaf_of(e.hash) for e in events).root
    )


def _log(folder: Path, count: int) -> Iterator[Figure]:
    clock = FixedClock()
    database = open_database(f"sqlite:///{folder}/hallmark.db", clock=clock)
    keys = Ed25519Keys.fresh()
    audit = AuditService(database=database, clock=clock, keys=keys)
    proofs = AuditProofs(database=database, keys=keys)
    caller = _auditor()
    for start in range(0, count, BATCH):
        _append(database, start, min(BATCH, count - start))
    yield _took(f"first checkpoint, {count:,} events", lambda: audit.create(caller, request_id=""))
    _append(database, count, 100)
    yield _took("next checkpoint, 100 events", lambda: audit.create(caller, request_id=""))
    yield _took("checkpoint where nothing is new", lambda: audit.create(caller, request_id=""))
    name = EventName(shard=shard_of("n1"), number=7)
    yield _took(
        f"proof of an event among {count // 4:,}",
        lambda: proofs.prove_event(caller, name, checkpoint=0, is_active=lambda: True),
    )
    yield _rate(
        "events verified against checkpoints", count, lambda: verify_evidence(database, keys)
    )
    database.close()


def _append(database: Database, start: int, count: int) -> None:
    def fn(tx: Transaction) -> None:
        for number in range(start, start + count):
            tx.events.append(_draft(number))

    database.write(fn)


def _draft(number: int) -> EventDraft:
    namespace = f"n{number % 4}"
    return EventDraft(
        action="version.create",
        resource=f"models/{namespace}/scorer/versions/{number}",
        namespace=namespace,
        actor="principals/alice",
        detail={"digest": "sha256:" + "0" * 64, "files": 3},
    )


def _auditor() -> Caller:
    principal = Principal(
        key=1,
        id="olga",
        uid="u",
        kind=PrincipalKind.PERSON,
        display_name="",
        grants=(Grant(role=Role.AUDITOR, namespace_pattern="*"),),
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


def _rate(what: str, count: int, run: Callable[[], object]) -> Figure:
    return Figure(what=what, value=count / _cpu_s(run), unit="a second")


def _took(what: str, run: Callable[[], object]) -> Figure:
    return Figure(what=what, value=_cpu_s(run) * 1e3, unit="ms")


def _cpu_s(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()
