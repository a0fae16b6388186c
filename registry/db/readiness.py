"""Assessments: rows that are a queue as long as a report is wanted. Who wants one leases it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Text, and_, bindparam, literal, literal_column, select, update
from sqlalchemy.dialects import postgresql

from registry.db.arrays import columns_of
from registry.db.arrays import rows as rows_array
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow
from registry.db.tables import assessments, commits, manifests, versions
from registry.db.version_rows import select_versions, version_of
from registry.domain.readiness import (
    Assessment,
    Readiness,
    Report,
    Subject,
    report_from_document,
    report_to_document,
)
from registry.domain.versions import Verdict, Version, VersionState

_a, _v = assessments.c, versions.c
_of = and_(_a.digest == bindparam("of_digest"), _a.model == bindparam("of_model"))
_BRIEF = tuple(column for column in _a if column.name != "report")
_GET = select(assessments).where(_of, _a.release == bindparam("of_release"))
_LIST = select(*_BRIEF).where(_of).order_by(_a.release.desc())
_insert = postgresql.insert(assessments)
_WANT = _insert.on_conflict_do_update(
    index_elements=["digest", "model", "release"],
    set_={
        **{name: _insert.excluded[name] for name in ("wanted", "wanted_us")},
        "attempts": 0,
        "lease_until_us": 0,
        "problem": "",
    },
    where=_a.wanted != _insert.excluded.wanted,
)
# As text, since a partial index answers only to its own condition.
_pending: ColumnElement[bool] = literal_column("assessments.wanted <> assessments.tools_digest")
_free = and_(_pending, _a.lease_until_us <= bindparam("now_us"))
_NEXT = select(_a.digest, _a.model).where(_free).order_by(_a.wanted_us, _a.key).limit(literal(1))
_CLAIM = (
    update(assessments)
    .where(_of, _free)
    .values(lease_until_us=bindparam("until_us"), attempts=_a.attempts + 1)
    .returning(*_BRIEF)
)
_held = and_(
    _of,
    _a.release == bindparam("of_release"),
    _a.wanted == bindparam("of_wanted"),
    # Each claim is another attempt, so this tells it from those before and after; and from none
    # that whoever held it has given back.
    _a.attempts == bindparam("of_attempt"),
    _pending,
)
_KEEP = (
    update(assessments)
    .where(_held)
    .values(
        tools_digest=_a.wanted,
        readiness=bindparam("new_readiness"),
        report=bindparam("new_report"),
        time_us=bindparam("now_us"),
        lease_until_us=0,
        problem="",
    )
)
_RENEW = update(assessments).where(_held).values(lease_until_us=bindparam("until_us"))
_HINDER = (
    update(assessments)
    .where(_held)
    # No attempt that counts: what is in the way is not the model.
    .values(
        problem=bindparam("what"),
        lease_until_us=bindparam("retry_us"),
        attempts=_a.attempts - 1,
    )
)
_asked = columns_of("subjects", Text, Text)
_READY = (
    select(_a.digest, _a.model, _a.release)
    .where(
        _a.digest == _asked[0],
        _a.model == _asked[1],
        _a.readiness == literal(Readiness.READY.value),
    )
    .order_by(_a.release)
)
_PASSED = (
    select_versions()
    .where(
        _v.key > bindparam("after"),
        _v.verdict == literal(Verdict.PASS.value),
        _v.state.in_([literal(VersionState.VETTED.value), literal(VersionState.RELEASED.value)]),
    )
    .order_by(_v.key)
    .limit(bindparam("limit"))
)
_VERSIONS = (
    select_versions()
    .join(commits, commits.c.key == _v.commit_key)
    .join(manifests, manifests.c.key == commits.c.manifest_key)
    .where(manifests.c.digest == bindparam("of_digest"), _v.model == bindparam("of_model"))
    .order_by(_v.key)
    .limit(bindparam("limit"))
)


class SqlAssessments:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def get(self, subject: Subject, release: str) -> Assessment | None:
        asked = {**_place(subject), "of_release": release}
        row = self._connection.execute(_GET, asked).one_or_none()
        return None if row is None else _assessment(row, row.report)

    def of(self, subject: Subject) -> Sequence[Assessment]:
        return [_assessment(row) for row in self._connection.execute(_LIST, _place(subject))]

    def want(self, wanted: Iterable[tuple[Subject, str]], tools_digest: str, now_us: int) -> None:
        rows = [
            {
                "digest": subject.digest,
                "model": subject.model,
                "release": release,
                "wanted": tools_digest,
                "tools_digest": "",
                "readiness": None,
                "time_us": 0,
                "wanted_us": now_us,
                "attempts": 0,
                "lease_until_us": 0,
                "problem": "",
                "report": "",
            }
            # In one order, so that two who want the same do not wait for each other in a circle.
            for subject, release in sorted(set(wanted))
        ]
        if rows:
            self._connection.execute_later(_WANT, rows)

    def waits(self, now_us: int) -> bool:
        return self._connection.execute(_NEXT, {"now_us": now_us}).one_or_none() is not None

    def claim(self, now_us: int, until_us: int) -> Sequence[Assessment]:
        found = self._connection.execute(_NEXT, {"now_us": now_us}).one_or_none()
        if found is None:
            return []
        subject = Subject(found.digest, found.model)
        given = {**_place(subject), "now_us": now_us, "until_us": until_us}
        rows = self._connection.execute(_CLAIM, given)
        return sorted(map(_assessment, rows), key=lambda each: each.release)

    def keep(self, claimed: Assessment, report: Report, now_us: int) -> bool:
        given = {
            **_held_by(claimed),
            "new_readiness": report.readiness.value,
            "new_report": json.dumps(report_to_document(report), separators=(",", ":")),
            "now_us": now_us,
        }
        return self._connection.execute(_KEEP, given).rowcount == 1

    def renew(self, claimed: Assessment, until_us: int) -> None:
        self._connection.execute(_RENEW, {**_held_by(claimed), "until_us": until_us})

    def hinder(self, claimed: Assessment, problem: str, retry_us: int) -> None:
        given = {**_held_by(claimed), "what": problem, "retry_us": retry_us}
        self._connection.execute(_HINDER, given)

    def passed(self, after: int, limit: int) -> Sequence[Version]:
        rows = self._connection.execute(_PASSED, {"after": after, "limit": limit})
        return [version_of(row) for row in rows]

    def versions(self, subject: Subject, limit: int) -> Sequence[Version]:
        rows = self._connection.execute(_VERSIONS, {**_place(subject), "limit": limit})
        return [version_of(row) for row in rows]

    def ready(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[str, ...]]:
        if not subjects:
            return {}
        asked = {"subjects": rows_array(sorted(set(subjects)))}
        found: dict[Subject, tuple[str, ...]] = {}
        for row in self._connection.execute(_READY, asked):
            subject = Subject(row.digest, row.model)
            found[subject] = (*found.get(subject, ()), row.release)
        return found


def _place(subject: Subject) -> dict[str, object]:
    return {"of_digest": subject.digest, "of_model": subject.model}


def _held_by(claimed: Assessment) -> dict[str, object]:
    return {
        **_place(claimed.subject),
        "of_release": claimed.release,
        "of_wanted": claimed.wanted,
        "of_attempt": claimed.attempts,
    }


def _assessment(row: AnyRow, report: str = "") -> Assessment:
    return Assessment(
        subject=Subject(row.digest, row.model),
        release=row.release,
        wanted=row.wanted,
        tools_digest=row.tools_digest,
        report=report_from_document(json.loads(report)) if report else None,
        readiness=None if row.readiness is None else Readiness(row.readiness),
        time_us=row.time_us,
        attempts=row.attempts,
        lease_until_us=row.lease_until_us,
        problem=row.problem,
    )
