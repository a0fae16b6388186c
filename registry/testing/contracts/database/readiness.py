"""What the table of assessments of a Database has to do."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.readiness import (
    Assessment,
    ModelReport,
    Point,
    Readiness,
    Report,
    Run,
    Signature,
    Subject,
    TensorInfo,
    Weight,
)
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import fresh, race, sha256_of

TOOLS = "sha256:tools"
OTHER_TOOLS = "sha256:other tools"
#: Of one claim.
UNTIL = T0 + 60


def a_subject() -> Subject:
    return Subject(f"sha256:{sha256_of(fresh('files'))}", "models/fraud/größer.1")


def a_report(release: str, *points: Point) -> Report:
    tensor = TensorInfo(name="x\0\ud800", dtype="FLOAT", dims=(1, "batch", None))
    model = ModelReport(
        name="scorer",
        folder="",
        backend="onnxruntime",
        config="name: 'scorer'",
        files=(("{version}/model.onnx", "model.onnx"),),
        signature=Signature(inputs=(tensor,), outputs=(replace(tensor, dims=None),)),
        runs=(Run(name="made", provider="CPU", duration_ms=1.5, shapes={"y": (1, 2**40)}),),
        peak_bytes=2**40,
        points=points,
    )
    return Report(release=release, onnxruntime="1.23.1", models=(model,))


BLOCKING = Point(rule="GRAPH-2", weight=Weight.BLOCKS, subject="opset", found="24", expected="23")


class AssessmentsContract:
    """Cases want subjects of their own; what others left waiting is taken out of the way first."""

    def test_what_is_wanted_waits_and_is_kept(self, database: Database) -> None:
        subject = a_subject()
        drain(database)
        want(database, subject, "25.10", "26.04")
        assert waits(database)
        first, second = claim(database)
        assert not waits(database)
        assert (first.subject, first.release, second.release) == (subject, "25.10", "26.04")
        assert (first.wanted, first.attempts, first.is_pending) == (TOOLS, 1, True)
        report = a_report("25.10", BLOCKING)
        assert database.write(lambda tx: tx.assessments.keep(first, report, T0 + 5))
        assert database.write(lambda tx: tx.assessments.keep(second, a_report("26.04"), T0 + 6))
        kept = get(database, subject, "25.10")
        assert kept == Assessment(
            subject=subject,
            release="25.10",
            wanted=TOOLS,
            tools_digest=TOOLS,
            report=report,
            readiness=Readiness.NOT_READY,
            time_us=T0 + 5,
            attempts=1,
        )
        listed = database.read(lambda tx: tx.assessments.of(subject))
        assert [(each.release, each.report) for each in listed] == [
            ("26.04", None),
            ("25.10", None),
        ]
        assert ready(database, subject) == ("26.04",)
        assert claim(database) == []

    def test_wanting_again_changes_nothing(self, database: Database) -> None:
        subject = a_subject()
        drain(database)
        want(database, subject, "25.10")
        (claimed,) = claim(database)
        want(database, subject, "25.10")
        assert claim(database) == []
        assert database.write(lambda tx: tx.assessments.keep(claimed, a_report("25.10"), T0))
        want(database, subject, "25.10")
        assert claim(database) == []

    def test_other_tools_want_another_report(self, database: Database) -> None:
        """The one that is there stands until then."""
        subject = a_subject()
        drain(database)
        keep_one(database, subject)
        want(database, subject, "25.10", tools=OTHER_TOOLS)
        assert ready(database, subject) == ("25.10",)
        (claimed,) = claim(database)
        assert (claimed.wanted, claimed.attempts) == (OTHER_TOOLS, 1)
        report = a_report("25.10", BLOCKING)
        assert database.write(lambda tx: tx.assessments.keep(claimed, report, T0 + 9))
        assert ready(database, subject) == ()

    def test_what_was_wanted_otherwise_since_is_not_kept(self, database: Database) -> None:
        subject = a_subject()
        drain(database)
        want(database, subject, "25.10")
        (claimed,) = claim(database)
        want(database, subject, "25.10", tools=OTHER_TOOLS)
        assert not database.write(lambda tx: tx.assessments.keep(claimed, a_report("25.10"), T0))
        kept = get(database, subject, "25.10")
        assert kept is not None
        assert (kept.report, kept.is_pending) == (None, True)
        keep_one(database, subject, tools=OTHER_TOOLS)

    def test_a_claim_ends(self, database: Database) -> None:
        subject = a_subject()
        drain(database)
        want(database, subject, "25.10")
        (dead,) = claim(database)
        assert claim(database, now=UNTIL - 1) == []
        (again,) = claim(database, now=UNTIL, until=UNTIL + 60)
        assert again.attempts == 2
        assert not database.write(lambda tx: tx.assessments.keep(dead, a_report("25.10"), T0))
        assert database.write(lambda tx: tx.assessments.keep(again, a_report("25.10"), T0))

    def test_a_claim_is_renewed(self, database: Database) -> None:
        """But not one that somebody else has by now."""
        subject = a_subject()
        drain(database)
        want(database, subject, "25.10")
        (first,) = claim(database)
        database.write(lambda tx: tx.assessments.renew(first, UNTIL + 60))
        assert claim(database, now=UNTIL) == []
        (second,) = claim(database, now=UNTIL + 60, until=UNTIL + 90)
        database.write(lambda tx: tx.assessments.renew(first, UNTIL + 600))
        assert waits(database, now=UNTIL + 90)
        assert database.write(lambda tx: tx.assessments.keep(second, a_report("25.10"), T0))

    def test_what_is_in_the_way_is_told(self, database: Database) -> None:
        subject = a_subject()
        drain(database)
        want(database, subject, "25.10")
        (claimed,) = claim(database)
        database.write(lambda tx: tx.assessments.hinder(claimed, "no jail", T0 + 30))
        kept = get(database, subject, "25.10")
        assert kept is not None
        assert kept.problem == "no jail"
        assert claim(database, now=T0 + 29) == []
        (again,) = claim(database, now=T0 + 30)
        # It was no attempt that counts.
        assert again.attempts == 1
        assert database.write(lambda tx: tx.assessments.keep(again, a_report("25.10"), T0))

    def test_the_oldest_wish_is_first(self, database: Database) -> None:
        first, second = a_subject(), a_subject()
        drain(database)
        want(database, second, "25.10", now=T0 + 2)
        want(database, first, "25.10", now=T0 + 1)
        assert [claim(database)[0].subject for _ in range(2)] == [first, second]
        drain(database, now=UNTIL)

    def test_two_never_claim_the_same(self, database: Database) -> None:
        drain(database)
        subjects = {a_subject() for _ in range(4)}
        for subject in subjects:
            want(database, subject, "25.10")
        found = race(4, lambda _: claim(database))
        claimed = [each.subject for claims in found for each in claims]
        claimed += [each.subject for _ in range(4) for each in claim(database)]
        assert sorted(claimed) == sorted(subjects)
        drain(database, now=UNTIL)

    def test_many_are_asked_about_at_once(self, database: Database) -> None:
        drain(database)
        one, none = a_subject(), a_subject()
        keep_one(database, one)
        found = database.read(lambda tx: tx.assessments.ready([one, none]))
        assert found == {one: ("25.10",)}
        assert database.read(lambda tx: tx.assessments.ready([])) == {}


def want(
    database: Database, subject: Subject, *releases: str, tools: str = TOOLS, now: int = T0
) -> None:
    wanted = [(subject, release) for release in releases]
    database.write(lambda tx: tx.assessments.want(wanted, tools, now))


def claim(database: Database, *, now: int = T0, until: int = UNTIL) -> list[Assessment]:
    return list(database.write(lambda tx: tx.assessments.claim(now, until)))


def waits(database: Database, *, now: int = T0) -> bool:
    return database.read(lambda tx: tx.assessments.waits(now))


def get(database: Database, subject: Subject, release: str) -> Assessment | None:
    return database.read(lambda tx: tx.assessments.get(subject, release))


def ready(database: Database, subject: Subject) -> tuple[str, ...]:
    return database.read(lambda tx: tx.assessments.ready([subject])).get(subject, ())


def keep_one(database: Database, subject: Subject, *, tools: str = TOOLS) -> None:
    want(database, subject, "25.10", tools=tools)
    (claimed,) = claim(database)
    assert database.write(lambda tx: tx.assessments.keep(claimed, a_report("25.10"), T0))


def drain(database: Database, *, now: int = T0 + 1000) -> None:
    """Give a report to all that waits."""
    while found := claim(database, now=now, until=now + 60):
        for claimed in found:
            report = a_report(claimed.release)
            assert database.write(lambda tx, c=claimed, r=report: tx.assessments.keep(c, r, now))  # type: ignore[misc]
