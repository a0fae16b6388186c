"""Rows of versions: the columns that every read selects, and the value they make."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, literal_column, select

from registry.db.arrays import joined, split
from registry.db.documents import card_of, findings_of, names_of, spec_of
from registry.db.rows import AnyRow
from registry.db.tables import models, refs, stage_periods, versions
from registry.domain.versions import Verdict, Version, VersionState, Vetting

#: A version shows no more aliases and tags than these, the first by name.
REFERENCES_SHOWN_MAX = 100

_COLUMNS = (
    versions.c.key,
    versions.c.uid,
    versions.c.model_key,
    versions.c.model,
    versions.c.namespace,
    versions.c.number,
    versions.c.digest,
    versions.c.commit_id,
    versions.c.state,
    versions.c.registrant,
    versions.c.contributors,
    versions.c.create_time_us,
    versions.c.spec,
    versions.c.card,
    versions.c.file_count,
    versions.c.size_bytes,
    versions.c.verdict,
    versions.c.findings,
    versions.c.rules_digest,
    versions.c.vetting_time_us,
    versions.c.yank_reason,
    versions.c.yanked_from,
)


def _stages() -> ColumnElement[str | None]:
    names = select(joined(stage_periods.c.stage)).where(
        stage_periods.c.version_key == versions.c.key, stage_periods.c.end_time_us.is_(None)
    )
    return names.correlate(versions).scalar_subquery()


def _references() -> ColumnElement[str | None]:
    first = (
        select(refs.c.id)
        .where(refs.c.version_key == versions.c.key)
        .order_by(refs.c.id)
        .limit(literal_column(str(REFERENCES_SHOWN_MAX)))
        .correlate(versions)
        .subquery("pointing")
    )
    return select(joined(first.c.id)).scalar_subquery()


def _terms() -> ColumnElement[str | None]:
    """Of the model, whose row is found by its key: without terms nothing else is ever asked."""
    digest = select(models.c.terms_digest).where(models.c.key == versions.c.model_key)
    return digest.correlate(versions).scalar_subquery()


def select_versions(*others: ColumnElement[object]) -> Select[*tuple[object, ...]]:
    """All that `version_of` needs, names that point to the version included, in one statement."""
    return select(
        *_COLUMNS,
        _stages().label("stages"),
        _references().label("references"),
        _terms().label("terms_digest"),
        *others,
    )


def version_of(row: AnyRow) -> Version:
    return Version(
        key=row.key,
        uid=row.uid,
        model_key=row.model_key,
        model=row.model,
        namespace=row.namespace,
        number=row.number,
        digest=row.digest,
        commit=row.commit_id,
        state=VersionState(row.state),
        registrant=row.registrant,
        contributors=names_of(row.contributors),
        create_time_us=row.create_time_us,
        spec=spec_of(row.spec),
        card=card_of(row.card),
        file_count=row.file_count,
        size_bytes=row.size_bytes,
        vetting=_vetting(row),
        yank_reason=row.yank_reason,
        yanked_from=None if row.yanked_from is None else VersionState(row.yanked_from),
        stages=split(row.stages),
        references=split(row.references),
        terms_digest=row.terms_digest or "",
    )


def _vetting(row: AnyRow) -> Vetting | None:
    if row.verdict is None:
        return None
    return Vetting(
        verdict=Verdict(row.verdict),
        findings=findings_of(row.findings),
        rules_digest=row.rules_digest,
        time_us=row.vetting_time_us,
    )
