"""What a Database has to pass for versions that are vetted, many at a time."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.versions import Finding, Verdict, VersionState, Vetting
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    add_model,
    add_version,
    in_state,
    point,
    race,
)
from registry.testing.contracts.database.versions import VETTING, get, numbers


class VersionVettingContract:
    def test_unvetted_ones_are_found(self, database: Database) -> None:
        """Quarantined versions without a verdict under the given rules are found, oldest first."""
        model = add_model(database)
        quarantined = in_state(VersionState.QUARANTINED)
        versions = [add_version(database, model, change=quarantined) for _ in range(4)]
        add_version(database, model)
        unknown = replace(VETTING, verdict=Verdict.UNKNOWN)

        def write(tx: Transaction) -> None:
            state = VersionState.QUARANTINED
            stale = replace(unknown, rules_digest="old")
            tx.versions.set_vetting(
                [(versions[1].key, unknown, state), (versions[2].key, stale, state)]
            )

        database.write(write)
        assert get(database, versions[1]) == replace(versions[1], vetting=unknown)

        def unvetted(limit: int) -> list[int]:
            return numbers(
                database.read(lambda tx: tx.versions.unvetted(VETTING.rules_digest, limit))
            )

        assert unvetted(10) == [1, 3, 4]
        assert unvetted(2) == [1, 3]
        but = {versions[0].key, versions[3].key}
        rest = database.read(lambda tx: tx.versions.unvetted(VETTING.rules_digest, 10, but=but))
        assert numbers(rest) == [3]

    def test_those_that_wait_for_their_release_are_found(self, database: Database) -> None:
        """Versions that vetting passed and that were not let out are found by key, behind one."""
        model = add_model(database)
        waiting = in_state(VersionState.VETTED)
        versions = [add_version(database, model, change=waiting) for _ in range(3)]
        add_version(database, model)
        add_version(database, model, change=in_state(VersionState.QUARANTINED))

        def vetted(after: int, limit: int) -> list[int]:
            return numbers(database.read(lambda tx: tx.versions.vetted(after, limit)))

        assert vetted(0, 10) == [1, 2, 3]
        assert vetted(0, 2) == [1, 2]
        assert vetted(versions[1].key, 2) == [3]

    def test_verdicts_are_recorded_together(self, database: Database) -> None:
        """Each version of a batch gets its own verdict and state, and no other version does."""
        model = add_model(database)
        quarantined = in_state(VersionState.QUARANTINED)
        versions = [add_version(database, model, change=quarantined) for _ in range(4)]
        passed = Vetting(verdict=Verdict.PASS, findings=(), rules_digest="sha256:2", time_us=T0)
        finding = Finding(rule="R", message="größer \0 \"'\\ \N{PILE OF POO}")
        failed = replace(VETTING, findings=(finding,), time_us=2**60)
        judged = [
            (versions[2].key, failed, VersionState.REJECTED),
            (versions[0].key, passed, VersionState.RELEASED),
            (versions[1].key, passed, VersionState.VETTED),
        ]
        database.write(lambda tx: tx.versions.set_vetting(judged))
        assert [get(database, version) for version in versions] == [
            replace(versions[0], vetting=passed, state=VersionState.RELEASED),
            replace(versions[1], vetting=passed, state=VersionState.VETTED),
            replace(versions[2], vetting=failed, state=VersionState.REJECTED),
            versions[3],
        ]
        database.write(lambda tx: tx.versions.set_vetting([]))
        assert get(database, versions[3]) == versions[3]

    def test_several_are_locked_at_once(self, database: Database) -> None:
        """Of the versions asked for, those that are there come with how each stands."""
        model = add_model(database)
        versions = [add_version(database, model) for _ in range(4)]
        yanked, vetted = versions[2].key, versions[3].key

        def change(tx: Transaction) -> None:
            was = versions[2].state
            tx.versions.set_state(yanked, VersionState.YANKED, yank_reason="bad", yanked_from=was)
            tx.versions.set_vetting([(vetted, VETTING, VersionState.RELEASED)])

        database.write(change)
        keys = [10**9, *(version.key for version in versions[:0:-1])]
        locked = database.write(lambda tx: tx.versions.lock_many(keys))
        assert locked == {version.key: get(database, version).standing for version in versions[1:]}
        assert locked[yanked] == (VersionState.YANKED, versions[2].state, None)
        assert locked[vetted] == (VersionState.RELEASED, None, VETTING.rules_digest)
        assert database.write(lambda tx: tx.versions.lock_many([])) == {}

    def test_locks_of_several_exclude_each_other(self, database: Database) -> None:
        """Of writers that lock the same versions, each named in an order of its own, none fails,
        and each sees what those before it did."""
        model = add_model(database)
        versions = [add_version(database, model) for _ in range(3)]
        keys = [version.key for version in versions]

        def point_after_looking(writer: int) -> int:
            def write(tx: Transaction) -> int:
                tx.versions.lock_many(keys if writer % 2 else keys[::-1])
                seen = 0
                for key in keys:
                    version = tx.versions.by_key(key)
                    assert version is not None
                    seen += len(version.references)
                    point(tx, version, f"alias-{writer}-{version.number}")
                return seen

            return database.write(write)

        seen = sorted(race(WRITERS, point_after_looking))
        assert seen == [3 * before for before in range(WRITERS)]
