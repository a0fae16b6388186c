"""Results of vetting by file, runs in progress, and reruns."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from registry.db.arrays import array, columns_of, numbers, texts
from registry.db.arrays import rows as rows_array
from registry.db.documents import findings_of, findings_text, names_of, names_text
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow
from registry.db.tables import (
    file_results,
    versions,
    vetting_changes,
    vetting_marks,
    vetting_reruns,
    vetting_runs,
)
from registry.db.traits import keep_traits, versions_with
from registry.db.version_rows import select_versions, version_of
from registry.domain.access import Reach
from registry.domain.inspections import Change, FileResult, Rerun, Subject, VettingRun
from registry.domain.traits import TraitQuery
from registry.domain.versions import Verdict, Version, VersionState
from registry.names import ModelName, VersionName

_f, _u, _n = file_results.c, vetting_runs.c, vetting_reruns.c
_m, _c, _v = vetting_marks.c, vetting_changes.c, versions.c

_asked = columns_of("subjects", Text, Text, Text)
_answers: ColumnElement[bool] = and_(
    _f.sha256 == _asked[0],
    _f.role == _asked[1],
    _f.rules_digest == bindparam("rules_digest"),
    or_(_f.files_digest == literal(""), _f.files_digest == _asked[2]),
)
_SHOWN = (
    _f.verdict,
    _f.format,
    _f.size_bytes,
    _f.found_sha256,
    _f.findings,
    _f.vouches_for,
    _f.time_us,
    _f.files_digest,
    _asked[0].label("asked_sha256"),
    _asked[1].label("asked_role"),
    _asked[2].label("asked_files"),
)
_RESULTS = select(*_SHOWN).where(_answers)
_RESULTS_WITH_FACTS = select(*_SHOWN, _f.facts).where(_answers)
_insert = postgresql.insert(file_results)
_KEEP = _insert.on_conflict_do_update(
    index_elements=["sha256", "role", "rules_digest", "files_digest"],
    set_={
        name: _insert.excluded[name]
        for name in (
            *("verdict", "format", "size_bytes", "found_sha256"),
            *("findings", "vouches_for", "time_us", "facts"),
        )
    },
).returning(_f.key)
_FORGET = delete(file_results).where(_f.key.in_(select(_f.key).where(_answers).scalar_subquery()))
_FORGET_UNKNOWN = delete(file_results).where(_f.verdict == literal(Verdict.UNKNOWN.value))
# As text, since a partial index answers only to its own condition.
_FORGET_UNREAD = delete(file_results).where(literal_column("found_sha256 <> sha256"))

_RUNS = select(vetting_runs).where(_u.digest.in_(texts("digests"))).order_by(_u.update_time_us)
_insert_run = postgresql.insert(vetting_runs)
_BEGIN = _insert_run.on_conflict_do_update(
    index_elements=["digest", "rules_digest"],
    set_={
        **{name: _insert_run.excluded[name] for name in ("file_count", "size_bytes", "path")},
        **{name: _insert_run.excluded[name] for name in ("files_done", "bytes_done", "problem")},
        "attempts": _u.attempts + 1,
        "update_time_us": _insert_run.excluded.update_time_us,
    },
).returning(_u.attempts, _u.start_time_us)
_ADVANCE = (
    update(vetting_runs)
    .where(_u.digest == bindparam("of_digest"), _u.rules_digest == bindparam("of_rules"))
    .values(
        files_done=_u.files_done + bindparam("files"),
        bytes_done=_u.bytes_done + bindparam("bytes"),
        path=bindparam("next_path"),
        update_time_us=bindparam("now_us"),
    )
)
_HINDER = (
    update(vetting_runs)
    .where(_u.digest == bindparam("of_digest"), _u.rules_digest == bindparam("of_rules"))
    .values(problem=bindparam("what"), update_time_us=bindparam("now_us"))
)
_WAITING = (
    select(_v.model, _v.number)
    .where(
        literal_column("versions.state") == literal_column("'quarantined'"),
        _v.digest == bindparam("digest"),
        _v.verdict.is_(None),
    )
    .order_by(_v.key)
    .limit(bindparam("limit"))
)
_DOUBTED = (
    select_versions()
    .where(
        # As text, since a partial index answers only to its own condition.
        literal_column(
            "(versions.state = 'released' OR versions.yanked_from = 'released')"
            " AND versions.verdict <> 'pass'"
        ),
        _v.key > bindparam("after"),
    )
    .order_by(_v.key)
    .limit(bindparam("limit"))
)
_END = delete(vetting_runs).where(_u.digest.in_(texts("digests")))

_ADD_RERUN = insert(vetting_reruns).returning(_n.number)
_about: ColumnElement[bool] = and_(
    _v.verdict.is_not(None),
    _v.state != literal(VersionState.RECALLED.value),
    or_(bindparam("model") == literal(""), _v.model == bindparam("model")),
    or_(
        bindparam("version_number", type_=BigInteger) == literal(0),
        _v.number == bindparam("version_number", type_=BigInteger),
    ),
)
_marking = postgresql.insert(vetting_marks).from_select(
    ["version_key", "rerun"],
    select(_v.key, bindparam("rerun", type_=BigInteger)).where(_about),
)
_MARK = _marking.on_conflict_do_update(
    index_elements=["version_key"], set_={"rerun": _marking.excluded.rerun}
)
_MARKED_OF = select(func.count()).where(_m.rerun == bindparam("rerun"))
_ABOUT = select(_v.key).where(_about)
_TAKEN = (
    select(_m.rerun, func.count().label("count"))
    .where(_m.version_key.in_(_ABOUT.scalar_subquery()))
    .group_by(_m.rerun)
)
_SET_COUNT = (
    update(vetting_reruns)
    .where(_n.number == bindparam("rerun"))
    .values(version_count=bindparam("count"), end_time_us=bindparam("end_us"))
)
_COUNT_DONE = (
    update(vetting_reruns)
    .where(_n.number == bindparam("rerun"))
    .values(done_count=_n.done_count + bindparam("count"))
    .returning(_n.number)
)
_END_IF_DONE = (
    update(vetting_reruns)
    .where(
        _n.number == bindparam("rerun"),
        _n.end_time_us.is_(None),
        _n.done_count >= _n.version_count,
    )
    .values(end_time_us=bindparam("now_us"))
)
_RERUN = select(vetting_reruns).where(_n.number == bindparam("number"))
_RERUNS = (
    select(vetting_reruns)
    .where(_n.number < bindparam("before"))
    .order_by(_n.number.desc())
    .limit(bindparam("limit"))
)
_MARKED = (
    select_versions(_m.rerun.label("rerun"))
    .join(vetting_marks, _m.version_key == _v.key)
    .where(_m.version_key.not_in(numbers("but")))
    .order_by(_m.version_key)
    .limit(bindparam("limit"))
)
_MARKS = select(vetting_marks).where(_m.version_key.in_(numbers("keys")))
_UNMARK = (
    delete(vetting_marks)
    .where(_m.version_key.in_(numbers("keys")), _m.rerun == bindparam("of_rerun"))
    .returning(_m.version_key)
)
_ADD_CHANGE = postgresql.insert(vetting_changes).on_conflict_do_nothing()
_CHANGES = (
    select(vetting_changes)
    .where(_c.rerun == bindparam("rerun"), _c.version_key > bindparam("after"))
    .order_by(_c.version_key)
    .limit(bindparam("limit"))
)


class SqlVetting:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    # -- results

    def results(
        self, subjects: Collection[Subject], rules_digest: str, *, facts: bool = False
    ) -> Mapping[Subject, FileResult]:
        if not subjects:
            return {}
        asked = {"subjects": rows_array(sorted(set(subjects))), "rules_digest": rules_digest}
        found: dict[Subject, FileResult] = {}
        for row in self._connection.execute(_RESULTS_WITH_FACTS if facts else _RESULTS, asked):
            subject = Subject(row.asked_sha256, row.asked_role, row.asked_files)
            # What was found with these very files says more than what was found without.
            if row.files_digest or subject not in found:
                found[subject] = _result(subject, rules_digest, row, facts=facts)
        return found

    def keep(self, result: FileResult) -> None:
        key = self._connection.execute(
            _KEEP,
            {
                "sha256": result.subject.sha256,
                "role": result.subject.role,
                "files_digest": result.subject.files_digest,
                "rules_digest": result.rules_digest,
                "verdict": result.verdict.value,
                "format": result.format,
                "size_bytes": result.size_bytes,
                "found_sha256": result.found_sha256,
                "findings": findings_text(result.findings),
                "vouches_for": names_text(result.vouches_for, field="vouches_for"),
                "time_us": result.time_us,
                "facts": json.dumps(result.facts, separators=(",", ":")),
            },
        ).scalar_one()
        keep_traits(self._connection, key, result)

    def forget_unknown(self) -> None:
        self._connection.execute(_FORGET_UNKNOWN, {})

    def forget_unread(self) -> None:
        self._connection.execute(_FORGET_UNREAD, {})

    def forget(self, subjects: Collection[Subject], rules_digest: str) -> None:
        if subjects:
            asked = {"subjects": rows_array(sorted(set(subjects))), "rules_digest": rules_digest}
            self._connection.execute(_FORGET, asked)

    def search(
        self, reach: Reach, query: TraitQuery, before: int | None, limit: int
    ) -> Sequence[Version]:
        return versions_with(self._connection, reach, query, before, limit)

    # -- runs

    def runs(self, digests: Collection[str]) -> Mapping[str, VettingRun]:
        asked = {"digests": array(digests)}
        found = (_run(row) for row in self._connection.execute(_RUNS, asked))
        return {run.digest: run for run in found}

    def begin(self, run: VettingRun) -> VettingRun:
        given = {
            "digest": run.digest,
            "rules_digest": run.rules_digest,
            "file_count": run.file_count,
            "size_bytes": run.size_bytes,
            "files_done": run.files_done,
            "bytes_done": run.bytes_done,
            "path": run.path,
            "problem": "",
            "attempts": 1,
            "start_time_us": run.start_time_us,
            "update_time_us": run.update_time_us,
        }
        row = self._connection.execute(_BEGIN, given).one()
        return replace(run, attempts=row.attempts, start_time_us=row.start_time_us, problem="")

    def hinder(self, digest: str, rules_digest: str, problem: str, now_us: int) -> None:
        given = {"of_digest": digest, "of_rules": rules_digest, "what": problem, "now_us": now_us}
        self._connection.execute(_HINDER, given)

    def advance(
        self, digest: str, rules_digest: str, *, files: int, size_bytes: int, path: str, now_us: int
    ) -> None:
        self._connection.execute(
            _ADVANCE,
            {
                "of_digest": digest,
                "of_rules": rules_digest,
                "files": files,
                "bytes": size_bytes,
                "next_path": path,
                "now_us": now_us,
            },
        )

    def waiting(self, digest: str, limit: int) -> Sequence[VersionName]:
        rows = self._connection.execute(_WAITING, {"digest": digest, "limit": limit})
        return [VersionName(model=ModelName(path=row.model), number=row.number) for row in rows]

    def doubted(self, after: int, limit: int) -> Sequence[Version]:
        rows = self._connection.execute(_DOUBTED, {"after": after, "limit": limit})
        return [version_of(row) for row in rows]

    def end(self, digests: Collection[str]) -> None:
        if digests:
            self._connection.execute(_END, {"digests": array(digests)})

    # -- reruns

    def add_rerun(self, rerun: Rerun) -> Rerun:
        about = {"model": rerun.model, "version_number": rerun.version_number}
        number = self._connection.execute(
            _ADD_RERUN,
            {
                **about,
                "requester": rerun.requester,
                "create_time_us": rerun.create_time_us,
                "version_count": 0,
                "done_count": 0,
                "end_time_us": None,
            },
        ).scalar_one()
        # What an earlier one loses to this one counts as done there.
        taken = {row.rerun: row.count for row in self._connection.execute(_TAKEN, about)}
        self._connection.execute(_MARK, {**about, "rerun": number})
        for earlier, count in sorted(taken.items()):
            self._count_done(earlier, count, rerun.create_time_us)
        marked = self._connection.execute(_MARKED_OF, {"rerun": number}).scalar_one()
        end_us = None if marked else rerun.create_time_us
        self._connection.execute(_SET_COUNT, {"rerun": number, "count": marked, "end_us": end_us})
        return replace(rerun, number=number, version_count=marked, end_time_us=end_us)

    def rerun(self, number: int) -> Rerun | None:
        row = self._connection.execute(_RERUN, {"number": number}).one_or_none()
        return None if row is None else _rerun(row)

    def reruns(self, before: int, limit: int) -> Sequence[Rerun]:
        asked = {"before": before, "limit": limit}
        return [_rerun(row) for row in self._connection.execute(_RERUNS, asked)]

    def marked(self, limit: int, *, but: Collection[int] = ()) -> Sequence[tuple[Version, int]]:
        asked = {"but": array(but), "limit": limit}
        return [(version_of(row), row.rerun) for row in self._connection.execute(_MARKED, asked)]

    def marks(self, keys: Collection[int]) -> Mapping[int, int]:
        rows = self._connection.execute(_MARKS, {"keys": array(keys)})
        return {row.version_key: row.rerun for row in rows}

    def unmark(self, changes: Mapping[tuple[int, int], Change | None], now_us: int) -> None:
        for rerun in sorted({number for _, number in changes}):
            keys = array([key for key, number in changes if number == rerun])
            done = self._connection.execute(_UNMARK, {"keys": keys, "of_rerun": rerun})
            unmarked = sorted(done.scalars())
            for key in unmarked:
                if change := changes[key, rerun]:
                    self._add_change(rerun, key, change)
            self._count_done(rerun, len(unmarked), now_us)

    def _add_change(self, rerun: int, version_key: int, change: Change) -> None:
        self._connection.execute(
            _ADD_CHANGE,
            {
                "rerun": rerun,
                "version_key": version_key,
                "version": change.version,
                "was": change.was.value,
                "to_state": change.to.value,
                "was_verdict": change.was_verdict and change.was_verdict.value,
                "verdict": change.verdict.value,
            },
        )

    def _count_done(self, rerun: int, count: int, now_us: int) -> None:
        self._connection.execute(_COUNT_DONE, {"rerun": rerun, "count": count})
        self._connection.execute(_END_IF_DONE, {"rerun": rerun, "now_us": now_us})

    def changes(self, rerun: int, after: int, limit: int) -> Sequence[tuple[int, Change]]:
        asked = {"rerun": rerun, "after": after, "limit": limit}
        return [
            (
                row.version_key,
                Change(
                    version=row.version,
                    was=VersionState(row.was),
                    to=VersionState(row.to_state),
                    was_verdict=row.was_verdict and Verdict(row.was_verdict),
                    verdict=Verdict(row.verdict),
                ),
            )
            for row in self._connection.execute(_CHANGES, asked)
        ]


def _result(subject: Subject, rules_digest: str, row: AnyRow, *, facts: bool) -> FileResult:
    learned: dict[str, Any] = json.loads(row.facts) if facts else {}
    return FileResult(
        subject=subject._replace(files_digest=row.files_digest),
        rules_digest=rules_digest,
        verdict=Verdict(row.verdict),
        format=row.format,
        size_bytes=row.size_bytes,
        found_sha256=row.found_sha256,
        findings=findings_of(row.findings),
        vouches_for=names_of(row.vouches_for),
        facts=learned,
        time_us=row.time_us,
    )


def _run(row: AnyRow) -> VettingRun:
    return VettingRun(
        digest=row.digest,
        rules_digest=row.rules_digest,
        file_count=row.file_count,
        size_bytes=row.size_bytes,
        files_done=row.files_done,
        bytes_done=row.bytes_done,
        path=row.path,
        problem=row.problem,
        attempts=row.attempts,
        start_time_us=row.start_time_us,
        update_time_us=row.update_time_us,
    )


def _rerun(row: AnyRow) -> Rerun:
    return Rerun(
        number=row.number,
        model=row.model,
        version_number=row.version_number,
        requester=row.requester,
        create_time_us=row.create_time_us,
        version_count=row.version_count,
        done_count=row.done_count,
        end_time_us=row.end_time_us,
    )
