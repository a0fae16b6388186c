"""What the tables of vetting of a Database have to do."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.inspections import Change, FileResult, Rerun, Subject, VettingRun
from registry.domain.models import Model
from registry.domain.versions import Finding, Verdict, Version, VersionState, Vetting
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    add_commit,
    add_model,
    add_version,
    fresh,
    race,
    sha256_of,
)
from registry.testing.contracts.database.versions import VETTING

RULES = "sha256:rules"
LIST = sha256_of("a list")
FINDING = Finding(
    rule="PICKLE-1",
    message="größer \0",
    fix="Mend it.",
    fails=False,
    doubts=True,
    member="a/b",
    offset=2**40,
)


def a_result(**changes: object) -> FileResult:
    sha256 = sha256_of(fresh("bytes"))
    result = FileResult(
        subject=Subject(sha256, "pickle", ""),
        found_sha256=sha256,
        rules_digest=RULES,
        verdict=Verdict.UNKNOWN,
        format="pickle",
        size_bytes=2**40,
        findings=(FINDING,),
        vouches_for=("a b", "ü/c"),
        facts={"tensors": [["a\0\ud800", "F32", [1, 2**60]]], "x": 1.5, "y": None},
        time_us=T0,
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def a_run(**changes: object) -> VettingRun:
    run = VettingRun(
        digest=f"sha256:{sha256_of(fresh('run'))}",
        rules_digest=RULES,
        file_count=3,
        size_bytes=2**40,
        path="a.onnx",
        start_time_us=T0,
        update_time_us=T0,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def keep(database: Database, *results: FileResult) -> None:
    def fn(tx: Transaction) -> None:
        for result in results:
            tx.vetting.keep(result)

    database.write(fn)


def rerun_of(database: Database, model: Model, number: int = 0) -> Rerun:
    rerun = Rerun(
        number=0,
        model=model.path,
        version_number=number,
        requester="principals/ann",
        create_time_us=T0,
    )
    return database.write(lambda tx: tx.vetting.add_rerun(rerun))


def unmark(database: Database, rerun: Rerun, *versions: Version, change: bool = False) -> None:
    changes = {
        (version.key, rerun.number): Change(
            version=version.name,
            was=VersionState.RELEASED,
            to=VersionState.QUARANTINED,
            was_verdict=None,
            verdict=Verdict.UNKNOWN,
        )
        if change
        else None
        for version in versions
    }
    database.write(lambda tx: tx.vetting.unmark(changes, T0 + 5))


def vetted_versions(database: Database, count: int) -> tuple[Model, list[Version]]:
    model = add_model(database)
    versions = [add_version(database, model) for _ in range(count)]
    vetting = Vetting(verdict=Verdict.PASS, findings=(), rules_digest=RULES, time_us=T0)
    state = VersionState.RELEASED
    database.write(
        lambda tx: tx.versions.set_vetting([(each.key, vetting, state) for each in versions])
    )
    return model, versions


def marked(database: Database, model: Model) -> list[int]:
    found = database.read(lambda tx: tx.vetting.marked(10_000))
    return [version.number for version, _ in found if version.model == model.path]


class VettingContract:
    def test_results_come_back_as_they_were(self, database: Database) -> None:
        """With facts where they are asked for."""
        result = a_result()
        keep(database, result)
        asked = [result.subject]
        read = database.read
        with_facts = read(lambda tx: tx.vetting.results(asked, RULES, facts=True))
        assert with_facts == {result.subject: result}
        without = read(lambda tx: tx.vetting.results(asked, RULES))
        assert without == {result.subject: replace(result, facts={})}

    def test_a_result_is_for_its_bytes_role_and_rules(self, database: Database) -> None:
        """Another of these is another subject."""
        result = a_result()
        keep(database, result)
        subject = result.subject
        others = [
            subject._replace(sha256=sha256_of("other")),
            subject._replace(role="onnx"),
        ]
        assert not database.read(lambda tx: tx.vetting.results(others, RULES))
        assert not database.read(lambda tx: tx.vetting.results([subject], "sha256:other"))
        assert not database.read(lambda tx: tx.vetting.results([], RULES))

    def test_a_result_of_the_bytes_alone_answers_for_any_list(self, database: Database) -> None:
        """One that depends on the list answers for that alone, and before the other."""
        alone = a_result()
        beside = a_result(subject=alone.subject._replace(files_digest=LIST), format="onnx")
        keep(database, alone)
        listed = beside.subject
        elsewhere = listed._replace(files_digest=sha256_of("another list"))

        def formats() -> list[str]:
            found = database.read(lambda tx: tx.vetting.results([listed, elsewhere], RULES))
            return [found[each].format for each in (listed, elsewhere) if each in found]

        assert formats() == ["pickle", "pickle"]
        keep(database, beside)
        assert formats() == ["onnx", "pickle"]
        database.write(lambda tx: tx.vetting.forget([listed], RULES))
        assert formats() == []

    def test_a_result_is_replaced(self, database: Database) -> None:
        """The later one stands, also where several store theirs at once."""
        result = a_result()
        race(4, lambda _: keep(database, result))
        later = replace(result, verdict=Verdict.FAIL, findings=(), facts={}, time_us=T0 + 1)
        keep(database, later)
        found = database.read(lambda tx: tx.vetting.results([result.subject], RULES, facts=True))
        assert found == {result.subject: later}

    def test_unknown_results_are_forgotten_together(self, database: Database) -> None:
        """Under whatever rules; what is known stays."""
        rules = fresh("rules")
        unknown, known = (
            a_result(rules_digest=rules, verdict=verdict)
            for verdict in (Verdict.UNKNOWN, Verdict.FAIL)
        )
        elsewhere = a_result(subject=unknown.subject)
        keep(database, unknown, known, elsewhere)
        database.write(lambda tx: tx.vetting.forget_unknown())
        asked = [unknown.subject, known.subject]
        read = database.read
        assert list(read(lambda tx: tx.vetting.results(asked, rules))) == [known.subject]
        assert not read(lambda tx: tx.vetting.results(asked, RULES))

    def test_what_could_not_be_read_is_forgotten(self, database: Database) -> None:
        """Whether its bytes were others or it was not read to the end."""
        read, unread = a_result(), a_result(found_sha256="")
        damaged = a_result(found_sha256=sha256_of("others"))
        keep(database, read, unread, damaged)
        database.write(lambda tx: tx.vetting.forget_unread())
        asked = [each.subject for each in (read, unread, damaged)]
        found = database.read(lambda tx: tx.vetting.results(asked, RULES))
        assert list(found) == [read.subject]

    def test_many_results_are_found_at_once(self, database: Database) -> None:
        """As many as a version has files."""
        results = [a_result() for _ in range(300)]
        keep(database, *results)
        unknown = Subject(sha256_of("nobody's"), "pickle", "")
        asked = [*(result.subject for result in results), unknown]
        found = database.read(lambda tx: tx.vetting.results(asked, RULES))
        assert set(found) == {result.subject for result in results}

    def test_a_run_goes_on(self, database: Database) -> None:
        """Begun again it counts its attempts, and keeps its start."""
        run = a_run()
        digest = run.digest

        def now() -> VettingRun | None:
            return database.read(lambda tx: tx.vetting.runs([digest])).get(digest)

        assert now() is None
        assert database.write(lambda tx: tx.vetting.begin(run)) == replace(run, attempts=1)
        database.write(
            lambda tx: tx.vetting.advance(
                digest, RULES, files=2, size_bytes=2**39, path="b", now_us=T0 + 1
            )
        )
        assert now() == replace(
            run, attempts=1, files_done=2, bytes_done=2**39, path="b", update_time_us=T0 + 1
        )
        database.write(lambda tx: tx.vetting.hinder(digest, RULES, "no jail", T0 + 2))
        hindered = now()
        assert hindered is not None
        assert hindered.problem == "no jail"
        again = replace(run, files_done=1, start_time_us=T0 + 9, update_time_us=T0 + 9)
        expected = replace(again, attempts=2, start_time_us=T0)
        assert database.write(lambda tx: tx.vetting.begin(again)) == expected
        assert now() == expected
        database.write(lambda tx: tx.vetting.end([digest]))
        assert now() is None

    def test_who_waits_for_a_first_verdict_is_known(self, database: Database) -> None:
        """By its files, the oldest first; not who has a verdict or was withdrawn."""
        model, versions = vetted_versions(database, 1)
        digest = versions[0].digest
        assert database.read(lambda tx: tx.vetting.waiting(digest, 9)) == []
        commit = add_commit(database, model)

        def in_quarantine(version: Version) -> Version:
            return replace(version, state=VersionState.QUARANTINED, vetting=None)

        first, second = (add_version(database, model, commit, in_quarantine) for _ in range(2))
        found = database.read(lambda tx: tx.vetting.waiting(first.digest, 9))
        assert [str(name) for name in found] == [first.name, second.name]
        found = database.read(lambda tx: tx.vetting.waiting(first.digest, 1))
        assert [str(name) for name in found] == [first.name]
        yanked = (first.key, VersionState.YANKED)
        database.write(
            lambda tx: tx.versions.set_state(*yanked, yank_reason="r", yanked_from=first.state)
        )
        found = database.read(lambda tx: tx.vetting.waiting(first.digest, 9))
        assert [str(name) for name in found] == [second.name]

    def test_a_rerun_marks_what_has_a_verdict(self, database: Database) -> None:
        """Of one model, or one version of it; but nothing that was recalled or that waits for its
        first verdict anyway."""
        model, versions = vetted_versions(database, 3)
        add_version(database, model)
        recalled = (versions[1].key, VETTING, VersionState.RECALLED)
        database.write(lambda tx: tx.versions.set_vetting([recalled]))
        rerun = rerun_of(database, model)
        assert (rerun.version_count, rerun.done_count, rerun.end_time_us) == (2, 0, None)
        assert database.read(lambda tx: tx.vetting.rerun(rerun.number)) == rerun
        assert marked(database, model) == [1, 3]
        keys = [version.key for version in versions]
        number = rerun.number
        marks = database.read(lambda tx: tx.vetting.marks(keys))
        assert marks == {keys[0]: number, keys[2]: number}
        rest = database.read(lambda tx: tx.vetting.marked(10_000, but=[keys[0]]))
        found = [(each.number, of) for each, of in rest if each.model == model.path]
        assert found == [(3, number)]
        one = rerun_of(database, model, 3)
        assert one.version_count == 1
        assert rerun_of(database, model, 99).end_time_us == T0

    def test_a_rerun_ends_with_its_last_version(self, database: Database) -> None:
        """And has what it changed."""
        model, versions = vetted_versions(database, 2)
        rerun = rerun_of(database, model)
        unmark(database, rerun, versions[0])
        found = database.read(lambda tx: tx.vetting.rerun(rerun.number))
        assert found == replace(rerun, done_count=1)
        unmark(database, rerun, *versions, change=True)
        found = database.read(lambda tx: tx.vetting.rerun(rerun.number))
        assert found == replace(rerun, done_count=2, end_time_us=T0 + 5)
        assert marked(database, model) == []
        changes = database.read(lambda tx: tx.vetting.changes(rerun.number, 0, 10))
        assert [(key, change.version) for key, change in changes] == [
            (versions[1].key, versions[1].name)
        ]
        assert not database.read(lambda tx: tx.vetting.changes(rerun.number, versions[1].key, 10))

    def test_a_later_rerun_takes_over(self, database: Database) -> None:
        """The earlier one then has one fewer to wait for."""
        model, versions = vetted_versions(database, 2)
        earlier = rerun_of(database, model)
        later = rerun_of(database, model, 1)
        read = database.read
        assert read(lambda tx: tx.vetting.rerun(earlier.number)) == replace(earlier, done_count=1)
        unmark(database, earlier, *versions)
        assert marked(database, model) == [1]
        unmark(database, later, *versions)
        for rerun in (earlier, later):
            found = read(lambda tx, of=rerun: tx.vetting.rerun(of.number))  # type: ignore[misc]
            assert found is not None
            assert found.done_count == found.version_count
            assert found.end_time_us == T0 + 5

    def test_reruns_are_listed(self, database: Database) -> None:
        """Newest first."""
        model, _ = vetted_versions(database, 1)
        numbers = [rerun_of(database, model).number for _ in range(3)]
        found = database.read(lambda tx: tx.vetting.reruns(2**62, 2))
        assert [rerun.number for rerun in found] == numbers[:0:-1]
        found = database.read(lambda tx: tx.vetting.reruns(numbers[1], 1))
        assert [rerun.number for rerun in found] == numbers[:1]

    def test_a_deleted_model_takes_its_marks_along(self, database: Database) -> None:
        """A rerun does not wait for what is gone."""
        model, _ = vetted_versions(database, 2)
        rerun_of(database, model)
        database.write(lambda tx: tx.models.delete(model.key))
        assert marked(database, model) == []
