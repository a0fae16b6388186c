"""Policy sets, their changes, and what gates were shown."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.policy_sets import PROPOSAL_TTL_US, ChangeState, GateRecord, PolicyChange
from registry.ports.database import Database
from registry.testing.contracts.database.promotions import add
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_promotion,
    add_model,
    add_version,
    race,
)

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def change(digest: str = NEW) -> PolicyChange:
    return PolicyChange(
        number=0,
        digest=digest,
        base_digest=OLD,
        state=ChangeState.PENDING,
        proposer="sam",
        proposer_uid="u-sam",
        token_creator="principals/root",
        note="why",
        decider="",
        comment="",
        create_time_us=T0,
        end_time_us=None,
    )


class PoliciesContract:
    def test_a_set_is_stored_once(self, database: Database) -> None:
        """A set comes back as its bytes; what is under its digest already stays."""
        assert database.read(lambda tx: tx.policies.content(NEW)) is None
        database.write(lambda tx: tx.policies.put(NEW, b"\x00{}", T0))
        database.write(lambda tx: tx.policies.put(NEW, b"other", T0 + 1))
        assert database.read(lambda tx: tx.policies.content(NEW)) == b"\x00{}"

    def test_the_first_set_is_activated_once(self, database: Database) -> None:
        """Of replicas that start together one activates, and all see that one's set."""
        assert database.read(lambda tx: tx.policies.active()) == ""
        told = race(
            WRITERS,
            lambda n: database.write(lambda tx: tx.policies.activate_first(f"sha256:{n}", T0)),
        )
        assert told.count(True) == 1
        active = database.read(lambda tx: tx.policies.active())
        assert active == f"sha256:{told.index(True)}"

    def test_activation_compares(self, database: Database) -> None:
        """A set takes the place of the one that it was compared with; of racing ones, one does."""
        assert not database.write(lambda tx: tx.policies.activate(NEW, OLD, T0))
        database.write(lambda tx: tx.policies.activate_first(OLD, T0))
        assert not database.write(lambda tx: tx.policies.activate(NEW, "sha256:x", T0))
        told = race(
            WRITERS,
            lambda n: database.write(lambda tx: tx.policies.activate(f"sha256:{n}", OLD, T0)),
        )
        assert told.count(True) == 1
        active = database.write(lambda tx: tx.policies.active(lock=True))
        assert active == f"sha256:{told.index(True)}"

    def test_readers_may_ask_for_a_lock(self, database: Database) -> None:
        """Where nothing is written a lock is nothing."""
        database.write(lambda tx: tx.policies.activate_first(OLD, T0))
        assert database.read(lambda tx: tx.policies.active(lock=True)) == OLD
        assert database.snapshot(lambda tx: tx.policies.active(lock=True)) == OLD

    def test_changes(self, database: Database) -> None:
        """Changes are numbered, listed newest first and by state, and end."""
        first = database.write(lambda tx: tx.policies.insert_change(change()))
        second = database.write(lambda tx: tx.policies.insert_change(change(OLD)))
        assert second.number > first.number > 0
        database.write(
            lambda tx: tx.policies.end_change(
                first.number, ChangeState.REJECTED, decider="eve", comment="no", time_us=T0 + 5
            )
        )
        ended = database.read(lambda tx: tx.policies.change(first.number))
        assert ended is not None
        assert (ended.state, ended.decider, ended.comment, ended.end_time_us) == (
            ChangeState.REJECTED,
            "eve",
            "no",
            T0 + 5,
        )
        assert ended.proposer_uid == "u-sam"
        assert ended.token_creator == "principals/root"
        everything = database.read(lambda tx: tx.policies.changes(None, T0, None, 10))
        assert [each.number for each in everything] == [second.number, first.number]
        after = database.read(lambda tx: tx.policies.changes(None, T0, (second.number,), 10))
        assert after == [ended]
        pending = database.read(lambda tx: tx.policies.changes(ChangeState.PENDING, T0, None, 10))
        assert pending == [second]
        assert database.write(lambda tx: tx.policies.change(second.number, lock=True)) == second
        assert database.read(lambda tx: tx.policies.change(99)) is None

    def test_time_ends_changes(self, database: Database) -> None:
        """A pending change whose time has run out is listed as expired and no more as pending, and
        is overdue until that is written down."""
        made = [
            database.write(
                lambda tx, n=n: tx.policies.insert_change(  # type: ignore[misc]
                    replace(change(), create_time_us=T0 + n)
                )
            )
            for n in range(3)
        ]
        now = T0 + PROPOSAL_TTL_US + 1

        def listed(state: ChangeState) -> list[int]:
            found = database.read(lambda tx: tx.policies.changes(state, now, None, 10))
            return [each.number for each in found]

        assert listed(ChangeState.PENDING) == [made[2].number]
        assert listed(ChangeState.EXPIRED) == [made[1].number, made[0].number]
        assert database.read(lambda tx: tx.policies.overdue(now, 10)) == made[:2]
        assert database.read(lambda tx: tx.policies.overdue(now, 1)) == made[:1]
        database.write(
            lambda tx: tx.policies.end_change(
                made[0].number, ChangeState.EXPIRED, decider="", comment="", time_us=now
            )
        )
        assert listed(ChangeState.EXPIRED) == [made[1].number, made[0].number]
        assert database.read(lambda tx: tx.policies.overdue(now, 10)) == made[1:2]

    def test_records(self, database: Database) -> None:
        """The newest record of a promotion is found, or of one decider; equal documents are kept
        once, and records go with their promotion."""
        model = add_model(database)
        version = add_version(database, model)
        stored = add(database, a_promotion(version))

        def record(decider: str, document: bytes) -> GateRecord:
            made = GateRecord(
                promotion=stored.number,
                decider=decider,
                input_sha256=f"{len(document):064x}",
                policy_digest=OLD,
                results_json="[]",
                create_time_us=T0,
            )
            database.write(lambda tx: tx.policies.record(made, document))
            return made

        first, last = record("", b"one"), record("bob", b"one")
        found = database.read(lambda tx: tx.policies.recorded(stored.number))
        assert found == (last, b"one")
        assert database.read(lambda tx: tx.policies.recorded(stored.number, "")) == (first, b"one")
        assert database.read(lambda tx: tx.policies.recorded(stored.number, "eve")) is None
        database.write(lambda tx: tx.models.delete(model.key))
        assert database.read(lambda tx: tx.policies.recorded(stored.number)) is None
