"""What the stages of a Database have to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from registry.domain.promotions import StagePeriod
from registry.domain.versions import Version
from registry.errors import ConflictError
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_period,
    a_promotion,
    add_model,
    add_version,
    all_pages,
    race,
)


def move(database: Database, period: StagePeriod, version: Version) -> StagePeriod:
    return database.write(lambda tx: tx.stages.move(version.model_key, period))


def history(database: Database, model: str, stage: str = "production") -> list[StagePeriod]:
    """All of it, newest first."""
    return list(database.read(lambda tx: tx.stages.history(model, stage, None, 1_000)))


def at(database: Database, model: str, time_us: int) -> StagePeriod | None:
    return database.read(lambda tx: tx.stages.at(model, "production", time_us))


class StagesContract:
    def test_a_move_is_kept_whole(self, database: Database) -> None:
        """A period comes back as it was put in, with its key."""
        version = add_version(database, add_model(database))
        number = database.write(lambda tx: tx.promotions.insert(a_promotion(version))).number
        period = replace(
            a_period(version, "production"),
            promotion=number,
            note="größer",
            rollback=True,
            previous_number=3,
        )
        moved = move(database, period, version)
        assert moved == replace(period, key=moved.key)
        assert database.read(lambda tx: tx.stages.current(version.model, "production")) == moved
        assert database.read(lambda tx: tx.stages.current(version.model, "staging")) is None

    def test_a_version_is_undecided_until_its_files_were_in_a_stage(
        self, database: Database
    ) -> None:
        """Any version of the same files will do, and one that has left the stage again too."""
        model = add_model(database)
        first = add_version(database, model)

        def undecided(commit: str = first.commit) -> Sequence[tuple[str, tuple[str, ...]]] | None:
            return database.read(lambda tx: tx.versions.undecided(model.key, commit))

        assert undecided("0" * 40) is None
        assert undecided() == [(first.digest, first.contributors)]
        move(database, a_period(first, "staging"), first)
        database.write(lambda tx: tx.stages.clear(model.key, "staging", T0 + 1))
        assert undecided() == []

    def test_a_move_ends_what_was_there(self, database: Database) -> None:
        """The new version's period starts when the old one's ends, and the stage holds only it."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        move(database, a_period(first, "production", T0), first)
        move(database, a_period(first, "staging", T0 + 1), first)
        now = move(database, a_period(second, "production", T0 + 10), second)
        newest, oldest = history(database, model.path)
        assert (newest, oldest.end_time_us) == (now, T0 + 10)
        assert oldest.version_key == first.key
        held = database.read(lambda tx: tx.stages.of_model(model.path))
        assert [(p.stage, p.version_number) for p in held] == [("production", 2), ("staging", 1)]
        assert database.read(lambda tx: tx.stages.holds(first.key)) == ["staging"]
        assert database.read(lambda tx: tx.stages.holds(second.key)) == ["production"]

    def test_stages_of_models_are_apart(self, database: Database) -> None:
        """Moving a stage of one model leaves the same stage of another alone."""
        first, second = (add_version(database, add_model(database)) for _ in range(2))
        one = move(database, a_period(first, "production"), first)
        two = move(database, a_period(second, "production"), second)
        assert database.read(lambda tx: tx.stages.current(first.model, "production")) == one
        assert database.read(lambda tx: tx.stages.current(second.model, "production")) == two

    def test_moves_at_one_time_follow_each_other(self, database: Database) -> None:
        """Moves that state the same moment, or an earlier one, start a microsecond apart."""
        model = add_model(database)
        versions = [add_version(database, model) for _ in range(4)]
        for version, time_us in zip(versions, (T0, T0, T0, T0 - 99), strict=True):
            move(database, a_period(version, "production", time_us), version)
        periods = history(database, model.path)[::-1]
        assert [(p.start_time_us - T0, p.version_number) for p in periods] == [
            (0, 1),
            (1, 2),
            (2, 3),
            (3, 4),
        ]
        assert [p.end_time_us for p in periods] == [T0 + 1, T0 + 2, T0 + 3, None]

    def test_tells_what_was_there_at_a_time(self, database: Database) -> None:
        """A period holds the moment of its start and not that of its end."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        move(database, a_period(first, "production", T0), first)
        move(database, a_period(second, "production", T0 + 10), second)
        database.write(lambda tx: tx.stages.clear(model.key, "production", T0 + 20))
        move(database, a_period(first, "production", T0 + 30), first)
        expected = {-1: None, 0: 1, 9: 1, 10: 2, 19: 2, 20: None, 29: None, 30: 1, 10**12: 1}
        for offset_us, number in expected.items():
            found = at(database, model.path, T0 + offset_us)
            assert (found and found.version_number) == number, offset_us

    def test_clearing_ends_the_period(self, database: Database) -> None:
        """A cleared stage holds nothing, and the period that ended is told; twice is harmless."""
        model = add_model(database)
        version = add_version(database, model)
        moved = move(database, a_period(version, "production", T0), version)
        ended = database.write(lambda tx: tx.stages.clear(model.key, "production", T0 + 5))
        assert ended == replace(moved, end_time_us=T0 + 5)
        assert database.write(lambda tx: tx.stages.clear(model.key, "production", T0 + 9)) is None
        assert database.write(lambda tx: tx.stages.clear(model.key, "staging", T0 + 9)) is None
        assert database.read(lambda tx: tx.stages.current(model.path, "production")) is None
        assert history(database, model.path) == [ended]

    def test_clearing_at_the_start_leaves_a_period(self, database: Database) -> None:
        """A stage cleared in the moment it was set has held its version for a microsecond."""
        model = add_model(database)
        version = add_version(database, model)
        move(database, a_period(version, "production", T0), version)
        database.write(lambda tx: tx.stages.clear(model.key, "production", T0))
        again = move(database, a_period(version, "production", T0), version)
        assert again.start_time_us == T0 + 1
        at_start = database.read(lambda tx: tx.stages.at(model.path, "production", T0))
        assert at_start is not None
        assert at_start.end_time_us == T0 + 1

    def test_history_comes_in_pages(self, database: Database) -> None:
        """Pages follow each other from the newest period to the oldest."""
        model = add_model(database)
        version = add_version(database, model)
        for offset_us in range(7):
            move(database, a_period(version, "production", T0 + offset_us), version)
        move(database, a_period(version, "staging", T0), version)
        whole = history(database, model.path)
        found = all_pages(
            lambda after: database.read(
                lambda tx: tx.stages.history(model.path, "production", after, 3)
            ),
            lambda period: (period.key,),
            size=3,
        )
        assert found == whole
        assert [p.start_time_us - T0 for p in found] == list(range(7))[::-1]

    def test_racing_moves_leave_one_version(self, database: Database) -> None:
        """However many move a stage at once, history is one chain without gap or overlap, all of
        them are in it, and the stage holds the last."""
        model = add_model(database)
        versions = [add_version(database, model) for _ in range(4)]

        def move_often(writer: int) -> list[StagePeriod]:
            version = versions[writer % len(versions)]
            return [
                move(database, a_period(version, "production", T0 + writer), version)
                for _ in range(5)
            ]

        moves = [period for periods in race(WRITERS, move_often) for period in periods]
        periods = history(database, model.path)[::-1]
        assert {p.key for p in periods} == {p.key for p in moves}
        assert len(periods) == WRITERS * 5
        for before, behind in pairwise(periods):
            assert before.end_time_us == behind.start_time_us
            assert before.start_time_us < behind.start_time_us
        assert periods[-1].end_time_us is None
        assert database.read(lambda tx: tx.stages.of_model(model.path)) == [periods[-1]]

    def test_racing_moves_and_clears_leave_no_overlap(self, database: Database) -> None:
        """Moves that race with clears leave periods that never overlap."""
        model = add_model(database)
        version = add_version(database, model)

        def change(writer: int) -> None:
            if writer % 2:
                database.write(lambda tx: tx.stages.clear(model.key, "production", T0))
            else:
                move(database, a_period(version, "production", T0), version)

        race(WRITERS, change)
        periods = history(database, model.path)[::-1]
        assert len(periods) == WRITERS / 2
        for before, behind in pairwise(periods):
            assert before.end_time_us is not None
            assert before.start_time_us < before.end_time_us <= behind.start_time_us

    def test_a_move_of_a_deleted_version_fails(self, database: Database) -> None:
        """A version that is gone enters no stage."""
        model = add_model(database)
        version = add_version(database, model)
        database.write(lambda tx: tx.models.delete(model.key))
        with pytest.raises(ConflictError):
            move(database, a_period(version, "production"), version)
