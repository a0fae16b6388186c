"""What names point to, after any sequence of moves: a Database beside a plain model of it.

The law that matters most: nothing but a move of a stage changes what that stage resolves to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from registry.domain.commits import Commit
from registry.domain.models import Model
from registry.domain.promotions import StagePeriod
from registry.domain.references import Reference, ReferenceKind
from registry.domain.versions import Version, VersionState
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    a_branch,
    a_period,
    a_reference,
    add_commit,
    add_model,
    add_version,
)

STAGES = ("production", "staging")
NAMES = ("best", "main", "Main-2", "v1", "v1.0")
KINDS = (ReferenceKind.ALIAS, ReferenceKind.TAG)
PEOPLE = ("ada", "grace")


@dataclass(kw_only=True)
class Period:
    number: int
    start_us: int
    end_us: int | None


class Oracle:
    """What a model's names mean, as one would explain it on paper."""

    def __init__(self) -> None:
        self.cut_from: dict[int, str] = {}
        self.pointing: dict[str, int] = {}
        self.branches: dict[str, str] = {}
        self.periods: dict[str, list[Period]] = {stage: [] for stage in STAGES}

    def in_stage(self, stage: str) -> int | None:
        periods = self.periods[stage]
        return periods[-1].number if periods and periods[-1].end_us is None else None

    def end(self, stage: str, time_us: int) -> int:
        """End what is in the stage; the earliest time at which something else may begin."""
        if not self.periods[stage]:
            return time_us
        last = self.periods[stage][-1]
        if last.end_us is None:
            last.end_us = max(time_us, last.start_us + 1)
        return max(time_us, last.end_us)

    def move(self, stage: str, number: int, time_us: int) -> None:
        start_us = self.end(stage, time_us)
        self.periods[stage].append(Period(number=number, start_us=start_us, end_us=None))

    def resolve(self, name: str) -> int | None:
        if name in self.periods:
            return self.in_stage(name)
        if name in self.branches:
            cut = [n for n, commit in self.cut_from.items() if commit == self.branches[name]]
            return max(cut, default=None)
        return self.pointing.get(name)

    def at(self, stage: str, time_us: int) -> int | None:
        for period in self.periods[stage]:
            if period.start_us <= time_us and (period.end_us is None or time_us < period.end_us):
                return period.number
        return None

    def names_of(self, number: int) -> tuple[str, ...]:
        return tuple(sorted(name for name, target in self.pointing.items() if target == number))

    def stages_of(self, number: int) -> tuple[str, ...]:
        return tuple(sorted(stage for stage in STAGES if self.in_stage(stage) == number))


class Pointers(RuleBasedStateMachine):
    """Random writes on both sides; after each, every name means the same on both."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.versions: list[Version] = []
        self.commits: list[Commit] = []
        self.now_us = T0

    @initialize()
    def start(self) -> None:
        self.model: Model = add_model(self.database)
        self.other = add_version(self.database, add_model(self.database))

    @rule(steps_us=st.sampled_from([0, 0, 1, 2, 50]))
    def wait(self, steps_us: int) -> None:
        self.now_us += steps_us

    @rule(data=st.data(), new_commit=st.booleans())
    def cut(self, data: st.DataObject, new_commit: bool) -> None:
        if new_commit or not self.commits:
            self.commits.append(add_commit(self.database, self.model))
        commit = data.draw(st.sampled_from(self.commits))
        version = add_version(self.database, self.model, commit)
        self.versions.append(version)
        self.oracle.cut_from[version.number] = commit.id

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), name=st.sampled_from(NAMES), kind=st.sampled_from(KINDS))
    def point(self, data: st.DataObject, name: str, kind: ReferenceKind) -> None:
        version = data.draw(st.sampled_from(self.versions))
        self._put(a_reference(version, name, kind), version_key=version.key, commit_id=None)
        self.oracle.branches.pop(name, None)
        self.oracle.pointing[name] = version.number

    @precondition(lambda self: self.commits)
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def branch(self, data: st.DataObject, name: str) -> None:
        commit = data.draw(st.sampled_from(self.commits))
        self._put(a_branch(commit, name), version_key=None, commit_id=commit.id)
        self.oracle.pointing.pop(name, None)
        self.oracle.branches[name] = commit.id

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), stage=st.sampled_from(STAGES))
    def shadow_a_stage(self, data: st.DataObject, stage: str) -> None:
        """A reference by a stage's name, as one that is older than the stage, hides nothing."""
        version = data.draw(st.sampled_from(self.versions))
        before = self._resolved(stage)
        self._put(a_reference(version, stage), version_key=version.key, commit_id=None)
        assert before is None or self._resolved(stage) == before
        self._delete(stage)

    @rule(name=st.sampled_from([*NAMES, *STAGES]))
    def delete(self, name: str) -> None:
        self._delete(name)
        self.oracle.pointing.pop(name, None)
        self.oracle.branches.pop(name, None)

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), stage=st.sampled_from(STAGES))
    def move(self, data: st.DataObject, stage: str) -> None:
        version = data.draw(st.sampled_from(self.versions))
        period = a_period(version, stage, self.now_us)
        self.database.write(lambda tx: tx.stages.move(self.model.key, period))
        self.oracle.move(stage, version.number, self.now_us)

    @rule(stage=st.sampled_from(STAGES))
    def clear(self, stage: str) -> None:
        self.database.write(lambda tx: tx.stages.clear(self.model.key, stage, self.now_us))
        self.oracle.end(stage, self.now_us)

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), state=st.sampled_from(VersionState))
    def set_state(self, data: st.DataObject, state: VersionState) -> None:
        """Where a version stands changes nothing about who points to it."""
        version = data.draw(st.sampled_from(self.versions))
        self.database.write(lambda tx: tx.versions.set_state(version.key, state))

    @rule(stage=st.sampled_from(STAGES), name=st.sampled_from(NAMES))
    def write_to_another_model(self, stage: str, name: str) -> None:
        other = self.other
        reference, period = a_reference(other, name), a_period(other, stage, self.now_us)

        def write(tx: Transaction) -> None:
            tx.stages.move(other.model_key, period)
            tx.references.put(other.model_key, reference, version_key=other.key, commit_id=None)

        self.database.write(write)

    @invariant()
    def every_name_resolves_alike(self) -> None:
        for name in (*NAMES, *STAGES):
            assert self._resolved(name) == self.oracle.resolve(name), name

    @invariant()
    def every_version_tells_its_names(self) -> None:
        found = self.database.read(
            lambda tx: tx.versions.list(
                self.model.path, state=None, digest="", oldest_first=True, after=None, limit=1_000
            )
        )
        assert [(v.number, v.references, v.stages) for v in found] == [
            (n, self.oracle.names_of(n), self.oracle.stages_of(n)) for n in self.oracle.cut_from
        ]

    @invariant()
    def history_is_a_chain(self) -> None:
        for stage in STAGES:
            found = self._history(stage)
            assert [
                Period(number=p.version_number, start_us=p.start_time_us, end_us=p.end_time_us)
                for p in reversed(found)
            ] == self.oracle.periods[stage]

    @invariant()
    def the_past_is_known(self) -> None:
        for stage in STAGES:
            for period in self.oracle.periods[stage][-3:]:
                for time_us in (period.start_us - 1, period.start_us, period.end_us or T0 * 2):
                    assert self._at(stage, time_us) == self.oracle.at(stage, time_us)

    def _resolved(self, name: str) -> int | None:
        found = self.database.read(lambda tx: tx.versions.resolve(self.model.path, name))
        return None if found is None else found[0].number

    def _at(self, stage: str, time_us: int) -> int | None:
        found = self.database.read(lambda tx: tx.stages.at(self.model.path, stage, time_us))
        return None if found is None else found.version_number

    def _history(self, stage: str) -> Sequence[StagePeriod]:
        return self.database.read(lambda tx: tx.stages.history(self.model.path, stage, None, 1_000))

    def _put(self, reference: Reference, *, version_key: int | None, commit_id: str | None) -> None:
        self.database.write(
            lambda tx: tx.references.put(
                self.model.key, reference, version_key=version_key, commit_id=commit_id
            )
        )

    def _delete(self, name: str) -> None:
        self.database.write(lambda tx: tx.references.delete(self.model.key, name))


class PointersContract:
    @pytest.mark.slow
    def test_names_mean_what_was_said_last(self, database: Database) -> None:
        """After any writes every name, stage and moment means what it means on paper."""

        class Machine(Pointers):
            pass

        Machine.database = database
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=15,
                stateful_step_count=30,
                suppress_health_check=list(HealthCheck),
            ),
        )
