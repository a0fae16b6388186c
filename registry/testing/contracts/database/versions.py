"""What the versions of a Database have to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.domain.references import Reference, ReferenceKind
from registry.domain.versions import (
    Base,
    Card,
    CodeRevision,
    Dataset,
    Evaluation,
    Finding,
    LineageKind,
    Verdict,
    Version,
    VersionSpec,
    VersionState,
    Vetting,
)
from registry.errors import ConflictError, InvalidFieldError
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_branch,
    a_period,
    a_promotion,
    a_reference,
    a_version,
    add_commit,
    add_model,
    add_version,
    all_pages,
    cut,
    fresh,
    in_state,
    point,
    race,
    sha256_of,
)

SPEC = VersionSpec(
    description="größer,\n'besser' \N{PILE OF POO} \0",
    parameters=(("epochs", "3"), ("lr", "1e-3"), ("", "")),
    metrics=(("accuracy", 0.97), ("loss", 1e-300), ("negative", -0.0), ("whole", 1.0)),
    datasets=(
        Dataset(name="digits", digest="sha256:" + "0" * 64, uri="s3://a/b", role="train"),
        Dataset(name="more"),
    ),
    code=CodeRevision(repository="https://example.org/r", revision="abc", dirty=True),
    run_url="https://example.org/run/1",
    bases=(
        Base(version="models/fraud/base/versions/1", kind=LineageKind.FINETUNE),
        Base(version="models/fraud/other/versions/2", kind=LineageKind.MERGE),
    ),
)
CARD = Card(
    metadata_json='{"license":"mit"}',
    text="# Ein Modell\n\nMit viel Text.\n",
    license="mit",
    base_models=("fraud/base",),
    missing=("datasets", "metrics"),
)
VETTING = Vetting(
    verdict=Verdict.FAIL,
    findings=(
        Finding(rule="STRUCT-1", message="found a, expected b", path="a/ß", fix="mend it"),
        Finding(rule="STRUCT-2", message="careful", fails=False),
    ),
    rules_digest="sha256:" + "1" * 64,
    time_us=T0 + 7,
)


def get(database: Database, version: Version) -> Version:
    found = database.read(lambda tx: tx.versions.get(version.model, version.number))
    assert found is not None
    return found


def resolve(
    database: Database, model: str, name: str
) -> tuple[Version, Reference, int | None] | None:
    return database.read(lambda tx: tx.versions.resolve(model, name))


def numbers(versions: Sequence[Version]) -> list[int]:
    return [version.number for version in versions]


class VersionsContract:
    def test_a_version_is_kept_whole(self, database: Database) -> None:
        """A version comes back as it was put in, with its key; only its card's text is apart."""
        put = add_version(
            database,
            add_model(database),
            change=lambda version: replace(
                version,
                spec=SPEC,
                card=CARD,
                vetting=VETTING,
                state=VersionState.YANKED,
                yanked_from=VersionState.VETTED,
                yank_reason="it drifts",
                contributors=("ada", "grace"),
                size_bytes=2**52,
            ),
        )
        assert put.key > 0
        assert (put.spec, put.vetting) == (SPEC, VETTING)
        assert put.card == replace(CARD, text="")
        assert get(database, put) == put
        assert database.read(lambda tx: tx.versions.by_key(put.key)) == put
        assert database.write(lambda tx: tx.versions.lock(put.model, put.number)) == put
        assert database.read(lambda tx: tx.versions.text_of_card(put.key)) == CARD

    def test_a_bare_version_is_kept(self, database: Database) -> None:
        """A version without spec, card or verdict comes back so."""
        put = add_version(database, add_model(database))
        assert get(database, put) == put
        assert put.vetting is None
        assert database.read(lambda tx: tx.versions.text_of_card(put.key)) == Card()

    def test_what_is_not_there_is_none(self, database: Database) -> None:
        """Unknown models, numbers, keys and names are None."""
        model = add_model(database)
        assert database.read(lambda tx: tx.versions.get(model.path, 1)) is None
        assert database.read(lambda tx: tx.versions.get("fraud/none", 1)) is None
        assert database.read(lambda tx: tx.versions.by_key(10**9)) is None
        assert database.write(lambda tx: tx.versions.lock(model.path, 1)) is None
        assert resolve(database, model.path, "best") is None
        assert resolve(database, "fraud/none", "best") is None

    @given(
        parameters=st.lists(
            st.tuples(
                st.text(st.characters(exclude_categories=["Cs"])),
                st.text(st.characters(exclude_categories=["Cs"])),
            )
        ),
        metrics=st.lists(
            st.tuples(st.text("abc"), st.floats(allow_nan=False, allow_infinity=False))
        ),
    )
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_parameters_and_metrics_are_kept(
        self,
        database: Database,
        parameters: list[tuple[str, str]],
        metrics: list[tuple[str, float]],
    ) -> None:
        """Whatever text and finite numbers a registrant states come back to the bit."""
        spec = VersionSpec(parameters=tuple(parameters), metrics=tuple(metrics))
        put = add_version(database, add_model(database), change=lambda v: replace(v, spec=spec))
        found = get(database, put).spec
        assert found == spec
        assert repr(found.metrics) == repr(spec.metrics)

    def test_a_metric_without_value_is_refused(self, database: Database) -> None:
        """A metric that is no number is refused, and nothing is stored."""
        model = add_model(database)
        spec = VersionSpec(metrics=(("loss", float("nan")),))
        with pytest.raises(InvalidFieldError):
            add_version(database, model, change=lambda version: replace(version, spec=spec))
        assert database.read(lambda tx: tx.versions.get(model.path, 1)) is None

    def test_a_number_is_given_once(self, database: Database) -> None:
        """A second version of one number is a conflict."""
        model = add_model(database)
        commit = add_commit(database, model)
        add_version(database, model, commit)
        with pytest.raises(ConflictError):
            database.write(lambda tx: tx.versions.insert(a_version(model, 1, commit)))

    def test_is_what_its_commit_is(self, database: Database) -> None:
        """A version with other files than its commit, or without a commit, is not stored."""
        model = add_model(database)
        commit = add_commit(database, model)
        for wrong in (replace(commit, tree=f"sha256:{'0' * 64}"), replace(commit, id="0" * 64)):
            version = a_version(model, 1, wrong)
            with pytest.raises(Exception, match="commit_key"):
                database.write(lambda tx, version=version: tx.versions.insert(version))  # type: ignore[misc]
        assert database.read(lambda tx: tx.versions.get(model.path, 1)) is None

    def test_racing_writers_take_numbers_without_gaps(self, database: Database) -> None:
        """Versions that are made at once all get a number of their own, from 1 without gaps."""
        model = add_model(database)
        commit = add_commit(database, model)

        def write(_: int) -> list[Version]:
            return [database.write(lambda tx: cut(tx, model, commit)) for _ in range(5)]

        made = [version for versions in race(WRITERS, write) for version in versions]
        assert sorted(numbers(made)) == list(range(1, WRITERS * 5 + 1))
        by_number = sorted(made, key=lambda version: version.number)
        assert [v.key for v in by_number] == sorted(v.key for v in made)
        stored = database.read(lambda tx: tx.models.get(model.path))
        assert stored is not None
        assert stored.latest_version == WRITERS * 5

    def test_shows_what_points_to_it(self, database: Database) -> None:
        """Every read of a version tells its stages, aliases and tags, sorted; branches are none."""
        model = add_model(database)
        commit = add_commit(database, model)
        version = add_version(database, model, commit)
        other = add_version(database, model, commit)

        def write(tx: Transaction) -> None:
            for id in ("b", "C", "a"):
                point(tx, version, id)
            tag = a_reference(version, "v1", ReferenceKind.TAG)
            tx.references.put(model.key, tag, version_key=version.key, commit_id=None)
            branch = a_branch(commit, "main")
            tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)
            for stage in ("staging", "production"):
                tx.stages.move(model.key, a_period(version, stage))

        database.write(write)
        shown = replace(version, stages=("production", "staging"), references=("C", "a", "b", "v1"))
        assert get(database, version) == shown
        assert database.write(lambda tx: tx.versions.lock(model.path, 1)) == shown
        listed = database.read(
            lambda tx: tx.versions.list(
                model.path, state=None, digest="", oldest_first=True, after=None, limit=10
            )
        )
        assert listed == [shown, other]
        newest = database.read(lambda tx: tx.versions.newest(model.path, digest=version.digest))
        assert newest == [other, shown]
        for name in ("production", "a"):
            found = resolve(database, model.path, name)
            assert found is not None
            assert found[0] == shown

    def test_shows_a_hundred_references(self, database: Database) -> None:
        """Of more than 100 names that point to a version, the first 100 are shown."""
        version = add_version(database, add_model(database))
        ids = [f"alias-{n:03}" for n in range(150)]

        def write(tx: Transaction) -> None:
            for id in reversed(ids):
                point(tx, version, id)

        database.write(write)
        assert list(get(database, version).references) == ids[:100]

    def test_lists_in_pages(self, database: Database) -> None:
        """Versions come by number, either way round, all or those of a state or digest."""
        model = add_model(database)
        commits = [add_commit(database, model) for _ in range(2)]
        states = [VersionState.RELEASED, VersionState.REJECTED]
        for n in range(12):
            add_version(database, model, commits[n % 2], in_state(states[n // 2 % 2]))
        add_version(database, add_model(database))

        def pages(
            *, state: VersionState | None = None, digest: str = "", oldest_first: bool = False
        ) -> list[int]:
            return numbers(
                all_pages(
                    lambda after: database.read(
                        lambda tx: tx.versions.list(
                            model.path,
                            state=state,
                            digest=digest,
                            oldest_first=oldest_first,
                            after=after,
                            limit=3,
                        )
                    ),
                    lambda version: (version.number,),
                    size=3,
                )
            )

        assert pages() == list(range(12, 0, -1))
        assert pages(oldest_first=True) == list(range(1, 13))
        assert pages(state=VersionState.REJECTED) == [12, 11, 8, 7, 4, 3]
        assert pages(state=VersionState.VETTED) == []
        assert pages(digest=commits[0].tree, oldest_first=True) == [1, 3, 5, 7, 9, 11]
        assert pages(state=VersionState.RELEASED, digest=commits[1].tree) == [10, 6, 2]

    def test_newest_puts_released_ones_first(self, database: Database) -> None:
        """Of one digest or commit released versions stand first, then newer before older."""
        model = add_model(database)
        commit = add_commit(database, model)
        for state in (
            VersionState.RELEASED,
            VersionState.YANKED,
            VersionState.RELEASED,
            VersionState.QUARANTINED,
        ):
            add_version(database, model, commit, in_state(state))
        add_version(database, model)

        def newest(*, digest: str = "", commit_prefix: str = "") -> list[int]:
            return numbers(
                database.read(
                    lambda tx: tx.versions.newest(
                        model.path, digest=digest, commit_prefix=commit_prefix
                    )
                )
            )

        assert newest(digest=commit.tree) == [3, 1, 4, 2]
        assert newest(commit_prefix=commit.id) == [3, 1, 4, 2]
        assert newest(commit_prefix=commit.id[:12]) == [3, 1, 4, 2]
        assert newest(digest="sha256:" + sha256_of(fresh("x"))) == []
        assert newest(commit_prefix=sha256_of(fresh("x"))[:40]) == []

    def test_newest_ends_at_a_hundred(self, database: Database) -> None:
        """However many versions one digest has, a hundred are told."""
        model = add_model(database)
        commit = add_commit(database, model)

        def write(tx: Transaction) -> None:
            for _ in range(105):
                cut(tx, model, commit)

        database.write(write)
        found = database.read(lambda tx: tx.versions.newest(model.path, digest=commit.tree))
        assert numbers(found) == list(range(105, 5, -1))

    def test_resolves_aliases_and_tags(self, database: Database) -> None:
        """An alias or tag resolves to its version, with the reference as it was put."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        tag = a_reference(second, "v2", ReferenceKind.TAG)

        def write(tx: Transaction) -> None:
            point(tx, first, "best")
            tx.references.put(model.key, tag, version_key=second.key, commit_id=None)

        database.write(write)
        expected = replace(first, references=("best",))
        assert resolve(database, model.path, "best") == (
            expected,
            a_reference(first, "best"),
            None,
        )
        expected = replace(second, references=("v2",))
        assert resolve(database, model.path, "v2") == (expected, tag, None)
        assert resolve(database, model.path, "BEST") is None
        assert resolve(database, add_model(database).path, "best") is None

    def test_resolves_stages_with_their_promotion(self, database: Database) -> None:
        """A stage resolves to its version, with the promotion that put it there and since when."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        number = database.write(lambda tx: tx.promotions.insert(a_promotion(second))).number

        def write(tx: Transaction) -> None:
            tx.stages.move(model.key, a_period(first, "production"))
            period = replace(a_period(second, "production", T0 + 5), promotion=number)
            tx.stages.move(model.key, replace(period, mover="grace"))
            tx.stages.move(model.key, a_period(first, "staging"))

        database.write(write)
        stage = Reference(
            model=model.path,
            id="production",
            kind=ReferenceKind.STAGE,
            target=second.name,
            digest=second.digest,
            update_time_us=T0 + 5,
            updater="grace",
        )
        expected = replace(second, stages=("production",))
        assert resolve(database, model.path, "production") == (expected, stage, number)
        found = resolve(database, model.path, "staging")
        assert found is not None
        assert (found[0].number, found[2]) == (1, None)
        database.write(lambda tx: tx.stages.clear(model.key, "production", T0 + 9))
        assert resolve(database, model.path, "production") is None

    def test_resolves_a_branch_to_the_newest_cut_from_its_head(self, database: Database) -> None:
        """A branch resolves to the newest version of its head commit, to none before one is cut."""
        model = add_model(database)
        old, head = add_commit(database, model), add_commit(database, model)
        branch = a_branch(head, "main")
        add_version(database, model, old)
        database.write(
            lambda tx: tx.references.put(model.key, branch, version_key=None, commit_id=head.id)
        )
        assert resolve(database, model.path, "main") is None
        add_version(database, model, head)
        newest = add_version(database, model, head)
        add_version(database, model, old)
        assert resolve(database, model.path, "main") == (newest, branch, None)

    def test_a_stage_is_stronger_than_a_reference_of_its_name(self, database: Database) -> None:
        """Where an alias is older than the stage of its name, the name means the stage."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)

        def write(tx: Transaction) -> None:
            point(tx, first, "canary")
            tx.stages.move(model.key, a_period(second, "canary"))

        database.write(write)
        found = resolve(database, model.path, "canary")
        assert found is not None
        assert (found[0].number, found[1].kind) == (2, ReferenceKind.STAGE)

    def test_state_moves_with_what_belongs_to_it(self, database: Database) -> None:
        """A state is stored with the reason of a yank and the state before it, or without."""
        version = add_version(database, add_model(database))
        database.write(
            lambda tx: tx.versions.set_state(
                version.key,
                VersionState.YANKED,
                yank_reason="it drifts",
                yanked_from=VersionState.RELEASED,
            )
        )
        assert get(database, version) == replace(
            version,
            state=VersionState.YANKED,
            yank_reason="it drifts",
            yanked_from=VersionState.RELEASED,
        )
        database.write(lambda tx: tx.versions.set_state(version.key, VersionState.RELEASED))
        assert get(database, version) == version

    def test_a_lock_sees_what_the_one_before_it_did(self, database: Database) -> None:
        """Of writers that lock one version, each sees the references that those before it made."""
        version = add_version(database, add_model(database))

        def point_after_looking(writer: int) -> int:
            def write(tx: Transaction) -> int:
                locked = tx.versions.lock(version.model, version.number)
                assert locked is not None
                point(tx, locked, f"alias-{writer}")
                return len(locked.references)

            return database.write(write)

        assert sorted(race(WRITERS, point_after_looking)) == list(range(WRITERS))

    def test_evaluations_are_kept_and_counted(self, database: Database) -> None:
        """Evaluations come back as put in, newest first, in pages, and are counted."""
        model = add_model(database)
        version, other = add_version(database, model), add_version(database, model)
        put = [add_evaluation(database, version, f"run {n}") for n in range(5)]
        add_evaluation(database, other, "else")
        found = all_pages(
            lambda after: database.read(lambda tx: tx.versions.evaluations(version.key, after, 2)),
            lambda evaluation: (evaluation.key,),
            size=2,
        )
        assert found == put[::-1]
        assert database.read(lambda tx: tx.versions.evaluation_count(version.key)) == 5

    def test_tells_which_commits_were_cut(self, database: Database) -> None:
        """Of commits of a model, those that a version was cut from are told."""
        model, other = add_model(database), add_model(database)
        commits = [add_commit(database, model) for _ in range(3)]
        for _ in range(2):
            add_version(database, model, commits[1])
        foreign = add_version(database, other)
        ids = [*(commit.id for commit in commits), foreign.commit]
        assert database.read(lambda tx: tx.versions.cut_from(model.key, ids)) == {commits[1].id}
        assert database.read(lambda tx: tx.versions.cut_from(model.key, [])) == set()


def add_evaluation(database: Database, version: Version, tool: str) -> Evaluation:
    evaluation = Evaluation(
        key=0,
        uid=fresh("uid"),
        version=version.name,
        digest=version.digest,
        evaluation="holdout",
        metrics=(("accuracy", 0.5), ("f1", 1.0)),
        dataset=Dataset(name="digits", digest="sha256:" + "2" * 64, role="holdout"),
        tool=tool,
        reporter="grace",
        create_time_us=T0,
    )
    stored = database.write(lambda tx: tx.versions.add_evaluation(version.key, evaluation))
    assert stored == replace(evaluation, key=stored.key)
    return stored
